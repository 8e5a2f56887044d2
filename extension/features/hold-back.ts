// Asks for no suggestion where one would only be in the way: with several cursors, and inside a string that is not closed yet.

import {
  type Disposable,
  type ExtensionContext,
  InlineCompletionTriggerKind,
  languages,
  type Position,
  type TextDocument,
  window,
} from "vscode";
import type { Overview } from "../overview";
import type { SidecarSession } from "../session";
import { type ReportedProblem, unfinishedString } from "../unfinished-string";

/** To be registered after the feature whose middleware it goes before. */
export function register(_context: ExtensionContext, session: SidecarSession, overview: Overview): Disposable {
  const { provideInlineCompletionItems: inner } = session.middleware;
  session.middleware.provideInlineCompletionItems = (document, position, context, token, next) => {
    const automatic = context.triggerKind === InlineCompletionTriggerKind.Automatic;
    const reason = hasSeveralCursors(document)
      ? "there are several cursors."
      : automatic
        ? inUnfinishedString(document, position)
        : undefined;
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

/** @returns the reason, in the language server's own words */
function inUnfinishedString(document: TextDocument, position: Position): string | undefined {
  const problems = languages.getDiagnostics(document.uri).map(({ message, code, source, range }): ReportedProblem => {
    const value = typeof code === "object" ? code.value : code;
    return {
      message,
      start: range.start,
      ...(value === undefined ? {} : { code: value }),
      ...(source === undefined ? {} : { source }),
    };
  });
  const found = unfinishedString(problems, document.lineAt(position.line).text, position);
  return (
    found &&
    `the cursor is in a string that is not closed yet (${found.source ?? "language server"}: "${found.message}").`
  );
}
