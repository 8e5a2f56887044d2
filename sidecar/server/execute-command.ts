// `workspace/executeCommand`: reads the workspace anew, clears the index, pauses and resumes indexing.
import { type Connection, ErrorCodes, ResponseError } from "vscode-languageserver/node";
import { type IndexCounts, serverCommands } from "../protocol";
import type { Indexing } from "./indexing";
import { reportTo } from "./progress";

/**
 * `selfracg.server.reindex` joins a run that is under way, or begins one. The request's own cancellation stops the run.
 * Where the client gave a `workDoneToken`, the run is reported there too. The other commands answer at once.
 */
export function registerExecuteCommand(connection: Connection, indexing: Indexing, { whyNotReady, counts }: { whyNotReady: () => string | undefined; counts: () => IndexCounts | null }): void {
  connection.onExecuteCommand(async ({ command }, token, workDone): Promise<IndexCounts | null> => {
    if (!Object.values<string>(serverCommands).includes(command)) {
      throw new ResponseError(ErrorCodes.InvalidParams, `Expected one of the commands ${Object.values(serverCommands).join(", ")}, found ${JSON.stringify(command)}.`);
    }
    if (command === serverCommands.pauseIndexing || command === serverCommands.resumeIndexing) {
      // Possible at any time: while the model is still being loaded, it holds for what comes.
      if (command === serverCommands.pauseIndexing) indexing.pause("asked");
      else indexing.resume("asked");
      return counts();
    }
    const reason = whyNotReady();
    const clears = command === serverCommands.clearIndex;
    if (reason !== undefined) throw new ResponseError(ErrorCodes.InvalidRequest, `Nothing was ${clears ? "cleared" : "re-indexed"}. ${reason}`);
    if (clears) return await indexing.clear();
    const run = indexing.reindex();
    token.onCancellationRequested(() => run.cancel());
    reportTo(workDone, run, false);
    return await run.finished;
  });
}
