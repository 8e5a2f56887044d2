// Asks for no suggestion where one would only be in the way: with several cursors, and inside a string that is not closed yet.

import { type Disposable, type ExtensionContext, InlineCompletionTriggerKind, languages, type Position, type TextDocument, window } from "vscode";
import type { SidecarSession } from "../session";
import { inUnfinishedString } from "../unfinished-string";

/** To be registered after the feature whose middleware it goes before. */
export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  const { provideInlineCompletionItems: inner } = session.middleware;
  session.middleware.provideInlineCompletionItems = (document, position, context, token, next) => {
    const automatic = context.triggerKind === InlineCompletionTriggerKind.Automatic;
    if (hasSeveralCursors(document) || (automatic && isInUnfinishedString(document, position))) {
      return null;
    }
    return inner === undefined ? next(document, position, context, token) : inner(document, position, context, token, next);
  };
  return { dispose: () => undefined };
}

/** A suggestion is made for one place; at the others the same text would be a guess. */
function hasSeveralCursors(document: TextDocument): boolean {
  const editor = window.activeTextEditor;
  return editor !== undefined && editor.document === document && editor.selections.length > 1;
}

function isInUnfinishedString(document: TextDocument, position: Position): boolean {
  const problems = languages.getDiagnostics(document.uri).map(({ message, code, source, range }) => {
    const value = typeof code === "object" ? code.value : code;
    return { message, start: range.start, ...(value === undefined ? {} : { code: value }), ...(source === undefined ? {} : { source }) };
  });
  return inUnfinishedString(problems, document.lineAt(position.line).text, position);
}
