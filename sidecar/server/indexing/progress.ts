// Shows an index run as work-done progress in the editor, with a button to cancel it.
import type { Connection, WorkDoneProgressReporter } from "vscode-languageserver/node";
import type { Log } from "../../host/log";
import { onCancelled } from "../connection/requests";
import { timeLeft } from "../status";
import type { IndexRun } from "./indexing";

/** Progress notifications closer together than this are noise. */
const intervalMs = 100;

/** Opens a progress of the server's own (`window/workDoneProgress/create`) where the client can show one. The run does not wait for it. */
export function showProgress(connection: Connection, run: IndexRun, log: Log): void {
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  run.finished.then(end, end);
  connection.window.createWorkDoneProgress().then(
    (reporter) => {
      if (ended) {
        reporter.done();
        return;
      }
      onCancelled(reporter.token, () => run.cancel());
      reportTo(reporter, run, true);
    },
    (error: unknown) => log.warn(`The client shows no progress: ${String(error)}`),
  );
}

/** Reports a run to a progress that is already open, from begin to end. */
export function reportTo(reporter: WorkDoneProgressReporter, run: IndexRun, cancellable: boolean): void {
  reporter.begin("SelfRACG: indexing", 0, undefined, cancellable);
  let last = 0;
  run.onProgress((done, total, secondsLeft) => {
    const now = performance.now();
    if (total === 0 || (now - last < intervalMs && done < total)) return;
    last = now;
    reporter.report((100 * done) / total, `${done}/${total} files${timeLeft(secondsLeft)}`);
  });
  const done = (): void => reporter.done();
  run.finished.then(done, done);
}
