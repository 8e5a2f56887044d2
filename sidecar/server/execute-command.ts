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
import type { Log } from "../host/log";
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

export interface CommandContext {
  readonly log: Log;
  readonly indexing: Indexing;
  /** Why nothing can be indexed now; undefined when it can. */
  readonly whyNotReady: () => string | undefined;
  /** Undefined while there is no index. */
  readonly why: (uri: string) => Promise<Explanation> | undefined;
  /** Null while there is no index. */
  readonly counts: () => IndexCounts | null;
  readonly snooze: (minutes: number) => SidecarStatus;
  /** A suggestion was accepted whole. */
  readonly accepted: (id: number) => void;
  readonly clearCounts: () => Promise<SuggestionCounts>;
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
  const { indexing, counts } = context;
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
      return context.snooze(argumentOf(command, given, minutes, `a number of minutes from 0 to ${maxSnoozeMinutes}`));
    case serverCommands.accepted.name:
      context.accepted(argumentOf(command, given, v.number(), "the number of a suggestion"));
      return null;
    case serverCommands.clearCounts.name:
      return context.clearCounts();
    default:
      throw new ResponseError(
        ErrorCodes.InvalidParams,
        `Expected one of the commands ${Object.values(serverCommands)
          .map(({ name }) => name)
          .join(", ")}, found ${JSON.stringify(command)}.`,
      );
  }
}

function refuseUnlessReady({ whyNotReady }: CommandContext, done: string): void {
  const reason = whyNotReady();
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
  const explanation = context.why(uri);
  if (explanation === undefined)
    throw new ResponseError(
      ErrorCodes.InvalidRequest,
      `Nothing is indexed. ${context.whyNotReady() ?? "The model is not loaded."}`,
    );
  return explanation;
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
