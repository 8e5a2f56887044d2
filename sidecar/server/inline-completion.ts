// `textDocument/inlineCompletion`: from the cursor to one suggestion, the newest request before all older ones.

import {
  type CancellationToken,
  type Command,
  type Connection,
  type InlineCompletionList,
  InlineCompletionTriggerKind,
  LSPErrorCodes,
  type Range,
  ResponseError,
  type TextDocuments,
} from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { errorMessage } from "../host/errors";
import type { Log } from "../host/log";
import { type Availability, serverCommands } from "../protocol";
import type { Shown } from "../suggestions/acceptance";
import { type CursorPlace, isInsideCharacter, type PlaceSources, placeOf } from "../suggestions/document-snapshot";
import type { Suggester, Suggestion } from "../suggestions/request-scheduler";
import { onCancelled } from "./cancellation";

export interface InlineCompletionParts {
  readonly documents: TextDocuments<TextDocument>;
  readonly suggester: Suggester;
  readonly log: Log;
  availability(document: TextDocument): Availability;
  sources(document: TextDocument): PlaceSources;
  /** Told of each suggestion that a client is given. */
  shown(shown: Shown): void;
}

const nothing: InlineCompletionList = { items: [] };

export function registerInlineCompletion(connection: Connection, parts: InlineCompletionParts): void {
  connection.languages.inlineCompletion.on(async (params, token) => {
    const arrivedAt = performance.now();
    const document = parts.documents.get(params.textDocument.uri);
    if (token.isCancellationRequested) {
      parts.suggester.cancel();
      return superseded(token);
    }
    if (document === undefined || !parts.availability(document).available) {
      // What is still being made is for a place that was left.
      parts.suggester.cancel();
      return nothing;
    }
    const place = placeOf(document, params.position, params.context, parts.sources(document));
    if (isInsideCharacter(document, place.range.start) || isInsideCharacter(document, place.range.end)) return nothing;
    const invoked = params.context?.triggerKind !== InlineCompletionTriggerKind.Automatic;
    if (!invoked && splitsWord(place.context)) {
      parts.suggester.cancel();
      return nothing;
    }
    const controller = new AbortController();
    const cancelled = onCancelled(token, () => controller.abort());
    try {
      const suggestion = await parts.suggester.suggest(place, { invoked, signal: controller.signal, arrivedAt });
      if (suggestion === undefined) return superseded(token);
      if (suggestion.text === "") return nothing;
      parts.shown(shownAt(place, suggestion, document.getText()));
      const item = { insertText: place.selected + suggestion.text, range: rangeOf(place.range, suggestion) };
      return { items: [{ ...item, command: acceptanceOf(suggestion) }] };
    } catch (error) {
      if (controller.signal.aborted) return superseded(token);
      parts.log.error(`No suggestion for ${document.uri}: ${errorMessage(error)}`);
      throw error;
    } finally {
      cancelled.dispose();
    }
  });
}

/** Whether the cursor stands inside a word: a place people pass through, and hardly ever wait at. */
function splitsWord({ prefix, suffix }: { readonly prefix: string; readonly suffix: string }): boolean {
  return /[\p{L}\p{N}_]$/u.test(prefix.slice(-2)) && /^[\p{L}\p{N}_]/u.test(suffix.slice(0, 2));
}

function rangeOf({ start, end }: Range, { replaces }: Suggestion): Range {
  // Brackets only: no line break among them.
  return { start, end: { line: end.line, character: end.character + replaces } };
}

/** Run by the editor once the item was accepted whole. */
function acceptanceOf({ id }: Suggestion): Command {
  return { title: "Suggestion accepted", command: serverCommands.accepted.name, arguments: [id] };
}

/** What was typed of it may be the entry that is selected in the suggest widget, or its end, which is not in the document. */
function shownAt(
  { context: { uri }, offset, selected, range }: CursorPlace,
  { id, whole, typed }: Suggestion,
  text: string,
): Shown {
  const lead = selected.slice(0, Math.max(0, selected.length - typed));
  const before = Math.max(0, typed - selected.length);
  const begin = stepBack(text, offset - selected.length, before);
  const entry = Math.min(range.end.character - range.start.character, selected.length);
  return { id, uri, offset: begin + lead.length, selected: lead, suggestion: whole, standing: before + entry };
}

/** So many characters before `offset`, a line break being one. */
function stepBack(text: string, offset: number, characters: number): number {
  let at = offset;
  for (let left = characters; left > 0; left--) at -= text[at - 1] === "\n" && text[at - 2] === "\r" ? 2 : 1;
  return at;
}

/** LSP's answer to a request that the client cancelled; one that a newer request or an edit replaced just has nothing to offer. */
function superseded(token: CancellationToken): InlineCompletionList | ResponseError<void> {
  return token.isCancellationRequested
    ? new ResponseError(LSPErrorCodes.RequestCancelled, "The request was cancelled.")
    : nothing;
}
