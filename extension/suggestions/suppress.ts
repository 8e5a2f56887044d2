// Suppresses suggestions where there are several cursors.
import { type TextDocument, window } from "vscode";
import type { SidecarSession } from "../session";
import type { StatusModel } from "../status/status-model";

export function suppressForSeveralCursors(session: SidecarSession, statusModel: StatusModel): void {
  session.middleware.provideInlineCompletionItems = (document, position, context, token, next) => {
    const reason = hasSeveralCursors(document) ? "there are several cursors." : undefined;
    statusModel.suppress(reason);
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
