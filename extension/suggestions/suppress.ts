// Asks for no suggestion where there are several cursors.

import { type TextDocument, window } from "vscode";
import type { SidecarSession } from "../session";
import type { Overview } from "../status/status-model";

export function suppressForSeveralCursors(session: SidecarSession, overview: Overview): void {
  session.middleware.provideInlineCompletionItems = (document, position, context, token, next) => {
    const reason = hasSeveralCursors(document) ? "there are several cursors." : undefined;
    overview.suppress(reason);
    if (reason !== undefined) {
      return null;
    }
    return next(document, position, context, token);
  };
}

/** A suggestion is made for one place; at the others the same text would be a guess. */
function hasSeveralCursors(document: TextDocument): boolean {
  const editor = window.activeTextEditor;
  return editor !== undefined && editor.document === document && editor.selections.length > 1;
}
