// `workspace/executeCommand`: reads the workspace anew on request.
import { type Connection, ErrorCodes, ResponseError } from "vscode-languageserver/node";
import { type IndexCounts, serverCommands } from "../protocol";
import type { Indexing } from "./indexing";
import { reportTo } from "./progress";

/**
 * `selfracg.server.reindex` joins a run that is under way, or begins one. The request's own cancellation stops the run.
 * Where the client gave a `workDoneToken`, the run is reported there too.
 */
export function registerExecuteCommand(connection: Connection, indexing: Indexing, whyNotReady: () => string | undefined): void {
  connection.onExecuteCommand(async ({ command }, token, workDone): Promise<IndexCounts | null> => {
    if (command !== serverCommands.reindex) {
      throw new ResponseError(ErrorCodes.InvalidParams, `Expected the command ${serverCommands.reindex}, found ${JSON.stringify(command)}.`);
    }
    const reason = whyNotReady();
    if (reason !== undefined) throw new ResponseError(ErrorCodes.InvalidRequest, `Nothing was re-indexed. ${reason}`);
    const run = indexing.reindex();
    token.onCancellationRequested(() => run.cancel());
    reportTo(workDone, run, false);
    return await run.finished;
  });
}
