// What a request does when its client cancels it.
import type { CancellationToken, Disposable } from "vscode-languageserver/node";

/** Calls `listener` when the request is cancelled, at once where it is already: such a token has no event any more. */
export function onCancelled(token: CancellationToken, listener: () => void): Disposable {
  if (token.isCancellationRequested) listener();
  return token.onCancellationRequested(listener);
}
