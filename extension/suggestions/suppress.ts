// Asks for no suggestion where there are several cursors.

import { type Disposable, type ExtensionContext, type TextDocument, window } from "vscode";
import type { SidecarSession } from "../session";
import type { Overview } from "../status/status-model";

export function register(_context: ExtensionContext, session: SidecarSession, overview: Overview): Disposable {
  session.middleware.provideInlineCompletionItems = (document, position, context, token, next) => {
    const reason = hasSeveralCursors(document) ? "there are several cursors." : undefined;
    overview.holdBack(reason);
    if (reason !== undefined) {
      return null;
    }
    return next(document, position, context, token);
  };
  return { dispose: () => undefined };
}

/** A suggestion is made for one place; at the others the same text would be a guess. */
function hasSeveralCursors(document: TextDocument): boolean {
  const editor = window.activeTextEditor;
  return editor !== undefined && editor.document === document && editor.selections.length > 1;
}
