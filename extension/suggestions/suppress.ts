// Asks for no suggestion where there are several cursors.

import { type Disposable, type ExtensionContext, type TextDocument, window } from "vscode";
import type { SidecarSession } from "../session";
import type { Overview } from "../status/status-model";

/** To be registered after the feature whose middleware it goes before. */
export function register(_context: ExtensionContext, session: SidecarSession, overview: Overview): Disposable {
  const { provideInlineCompletionItems: inner } = session.middleware;
  session.middleware.provideInlineCompletionItems = (document, position, context, token, next) => {
    const reason = hasSeveralCursors(document) ? "there are several cursors." : undefined;
    overview.holdBack(reason);
    if (reason !== undefined) {
      return null;
    }
    return inner === undefined
      ? next(document, position, context, token)
      : inner(document, position, context, token, next);
  };
  return { dispose: () => undefined };
}

/** A suggestion is made for one place; at the others the same text would be a guess. */
function hasSeveralCursors(document: TextDocument): boolean {
  const editor = window.activeTextEditor;
  return editor !== undefined && editor.document === document && editor.selections.length > 1;
}
