// `workspace/executeCommand`: checks the argument of each command and hands it on.
import * as v from "valibot";
import {
  CancellationToken,
  type Connection,
  ErrorCodes,
  type ExecuteCommandParams,
  ResponseError,
  type ServerCapabilities,
  type WorkDoneProgressReporter,
} from "vscode-languageserver/node";
import {
  type Explanation,
  type IndexCounts,
  type SidecarStatus,
  type SuggestionCounts,
  serverCommands,
} from "../protocol";
import { maxSnoozeMinutes } from "../suggestions/snooze";
import { onCancelled, runRequest } from "./connection/requests";
import type { Feature } from "./feature";
import type { Indexing } from "./indexing/indexing";
import { reportTo } from "./indexing/progress";
import type { SharedParts } from "./shared-parts";
import type { Suggesting } from "./suggesting";

interface CommandContext extends Pick<SharedParts, "log" | "status" | "model"> {
  readonly indexing: Indexing;
  readonly suggesting: Suggesting;
}

const minutes = v.pipe(v.number(), v.minValue(0), v.maxValue(maxSnoozeMinutes));

type Result = IndexCounts | Explanation | SidecarStatus | SuggestionCounts | null;

export class Commands implements Feature {
  constructor(connection: Connection, context: CommandContext) {
    connection.onExecuteCommand((params, token, workDone) => {
      // Re-indexing stops by itself when it is cancelled, and answers null.
      const outer = params.command === serverCommands.reindex.name ? CancellationToken.None : token;
      return runRequest(params.command, outer, context.log, () => execute(context, params, token, workDone));
    });
  }

  initialize(): ServerCapabilities {
    const commands = Object.values(serverCommands).map(({ name }) => name);
    return { executeCommandProvider: { commands, workDoneProgress: true } };
  }
}

async function execute(
  context: CommandContext,
  { command, arguments: given }: ExecuteCommandParams,
  token: CancellationToken,
  workDone: WorkDoneProgressReporter,
): Promise<Result> {
  const { indexing, suggesting, status } = context;
  /** Null while there is no index. */
  const counts = (): IndexCounts | null => context.model.engine?.index.counts() ?? null;
  switch (command) {
    case serverCommands.reindex.name:
      return reindex(context, token, workDone);
    case serverCommands.why.name:
      return why(context, given);
    case serverCommands.clearIndex.name:
      refuseUnlessReady(context, "cleared");
      return indexing.clear();
    // Possible at any time: while the model is still being loaded, these hold for what comes.
    case serverCommands.pauseIndexing.name:
      indexing.pause("asked");
      return counts();
    case serverCommands.resumeIndexing.name:
      indexing.resume("asked");
      return counts();
    case serverCommands.snooze.name:
      suggesting.snooze.set(argumentOf(command, given, minutes, `a number of minutes from 0 to ${maxSnoozeMinutes}`));
      return status.status;
    case serverCommands.accepted.name:
      suggesting.accepted(argumentOf(command, given, v.number(), "the number of a suggestion"));
      return null;
    case serverCommands.clearCounts.name:
      return suggesting.counts.clear();
    default:
      throw new ResponseError(
        ErrorCodes.InvalidParams,
        `Expected one of the commands ${Object.values(serverCommands)
          .map(({ name }) => name)
          .join(", ")}, found ${JSON.stringify(command)}.`,
      );
  }
}

function refuseUnlessReady({ status }: CommandContext, done: string): void {
  const reason = status.whyNotReady();
  if (reason !== undefined) throw new ResponseError(ErrorCodes.InvalidRequest, `Nothing was ${done}. ${reason}`);
}

/**
 * Joins a run that is under way, or begins one. The request's own cancellation stops the run. Where the client gave a
 * `workDoneToken`, the run is reported there too.
 */
async function reindex(
  context: CommandContext,
  token: CancellationToken,
  workDone: WorkDoneProgressReporter,
): Promise<IndexCounts | null> {
  refuseUnlessReady(context, "re-indexed");
  const run = context.indexing.reindex();
  onCancelled(token, () => run.cancel());
  reportTo(workDone, run, false);
  return await run.finished;
}

async function why(context: CommandContext, given: readonly unknown[] | undefined): Promise<Explanation> {
  const uri = argumentOf(serverCommands.why.name, given, v.string(), "the URI of a file or folder");
  const { model, status } = context;
  if (model.engine !== undefined) return model.engine.index.why(uri);
  throw new ResponseError(
    ErrorCodes.InvalidRequest,
    `Nothing is indexed. ${status.whyNotReady() ?? "The model is not loaded."}`,
  );
}

/** The only argument of a command. @throws ResponseError `InvalidParams` for one that is not as `expected` */
function argumentOf<Argument>(
  command: string,
  [found]: readonly unknown[] = [],
  schema: v.GenericSchema<unknown, Argument>,
  expected: string,
): Argument {
  const parsed = v.safeParse(schema, found);
  if (parsed.success) return parsed.output;
  throw new ResponseError(
    ErrorCodes.InvalidParams,
    `Expected ${expected} as the argument of ${command}, found ${JSON.stringify(found) ?? "none"}.`,
  );
}
