// Runs the work of a request: cancellation before and after it, the error that answers it, and one line in the log.
import { type CancellationToken, type Disposable, LSPErrorCodes, ResponseError } from "vscode-languageserver/node";
import { errorMessage } from "../../host/errors";
import type { Log } from "../../host/log";

/** Calls `listener` when the request is cancelled, at once where it is already: such a token has no event any more. */
export function onCancelled(token: CancellationToken, listener: () => void): Disposable {
  if (token.isCancellationRequested) listener();
  return token.onCancellationRequested(listener);
}

/**
 * The result of `work`. Its signal is aborted when the client cancels the request; what it returns then is the answer all
 * the same, as LSP allows.
 * @param name of the request, for the log
 * @throws ResponseError `RequestCancelled` where the client cancelled the request before the work or the work ended with an
 * error after that, `RequestFailed` where it failed otherwise; a ResponseError of the work's own stays as it is.
 */
export async function runRequest<Result>(
  name: string,
  token: CancellationToken,
  log: Log,
  work: (signal: AbortSignal) => Result | Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const listening = onCancelled(token, () => controller.abort());
  try {
    if (token.isCancellationRequested) throw cancelled();
    return await work(controller.signal);
  } catch (error) {
    if (token.isCancellationRequested) throw cancelled();
    if (error instanceof ResponseError) throw error;
    log.error(`${name}: ${errorMessage(error)}`);
    throw new ResponseError(LSPErrorCodes.RequestFailed, errorMessage(error));
  } finally {
    listening.dispose();
  }
}

function cancelled(): ResponseError {
  return new ResponseError(LSPErrorCodes.RequestCancelled, "The request was cancelled.");
}
