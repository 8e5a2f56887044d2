// `textDocument/inlineCompletion`: from the cursor to one suggestion, the newest request before all older ones.
import {
  type Command,
  type Connection,
  type InlineCompletionItem,
  type InlineCompletionList,
  type InlineCompletionParams,
  InlineCompletionTriggerKind,
  type Range,
  type TextDocuments,
} from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { Log } from "../host/log";
import { type Availability, serverCommands } from "../protocol";
import type { ShownSuggestion } from "../suggestions/acceptance";
import {
  type DocumentSnapshot,
  isInsideCharacter,
  type SnapshotSources,
  snapshotAt,
} from "../suggestions/document-snapshot";
import type { RequestScheduler, Suggestion } from "../suggestions/request-scheduler";
import { runRequest } from "./connection/requests";

interface InlineCompletionParts {
  readonly documents: TextDocuments<TextDocument>;
  readonly scheduler: RequestScheduler;
  readonly log: Log;
  availability(document: TextDocument): Availability;
  sources(document: TextDocument): SnapshotSources;
  /** Called for each suggestion that the client is given. */
  shown(shown: ShownSuggestion): void;
}

const nothing: InlineCompletionList = { items: [] };

export function registerInlineCompletion(connection: Connection, parts: InlineCompletionParts): void {
  const { documents, scheduler, log } = parts;
  connection.languages.inlineCompletion.on((params, token) => {
    const arrivedAt = performance.now();
    const document = documents.get(params.textDocument.uri);
    const request = token.isCancellationRequested ? undefined : requestAt(document, params, parts);
    // What is still being made is for a place that the user has left.
    if (request === undefined) scheduler.cancel();
    return runRequest(`The suggestion for ${params.textDocument.uri}`, token, log, async (signal) => {
      if (request === undefined || request === "inside a character") return nothing;
      const suggestion = await scheduler.suggest(request.snapshot, { invoked: request.invoked, signal, arrivedAt });
      signal.throwIfAborted();
      if (suggestion === undefined || suggestion.text === "") return nothing;
      return { items: [offer(request, suggestion, parts)] };
    });
  });
}

interface SuggestionRequest {
  readonly document: TextDocument;
  readonly snapshot: DocumentSnapshot;
  readonly invoked: boolean;
}

/** The cursor to complete at; undefined where no suggestion is made. */
function requestAt(
  document: TextDocument | undefined,
  { position, context }: InlineCompletionParams,
  { availability, sources }: InlineCompletionParts,
): SuggestionRequest | "inside a character" | undefined {
  if (document === undefined || !availability(document).available) return undefined;
  const snapshot = snapshotAt(document, position, context, sources(document));
  const { start, end } = snapshot.range;
  if (isInsideCharacter(document, start) || isInsideCharacter(document, end)) return "inside a character";
  const invoked = context?.triggerKind !== InlineCompletionTriggerKind.Automatic;
  return !invoked && splitsWord(snapshot.context) ? undefined : { document, snapshot, invoked };
}

/** The suggestion as the client is given it. */
function offer(
  { document, snapshot }: SuggestionRequest,
  suggestion: Suggestion,
  { shown }: InlineCompletionParts,
): InlineCompletionItem {
  shown(shownAt(snapshot, suggestion, document.getText()));
  return {
    insertText: snapshot.selected + suggestion.text,
    range: rangeOf(snapshot.range, suggestion),
    command: acceptanceOf(suggestion),
  };
}

/** UTF-16 units of one character and the joiner next to it. */
const maxCharacterUnits = 3;
/** Letters with their combining marks. The joiners U+200C and U+200D stand between letters of a word, as in Persian and Hindi. */
const endsInWord = /[\p{L}\p{M}\p{N}_][\u200c\u200d]?$/u;
const startsInWord = /^[\u200c\u200d]?[\p{L}\p{M}\p{N}_]/u;

/** Whether the cursor is inside a word: people pass through such places and hardly ever want a suggestion there. */
function splitsWord({ prefix, suffix }: { readonly prefix: string; readonly suffix: string }): boolean {
  return endsInWord.test(prefix.slice(-maxCharacterUnits)) && startsInWord.test(suffix.slice(0, maxCharacterUnits));
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
  { context: { uri }, offset, selected, range }: DocumentSnapshot,
  { id, whole, typed }: Suggestion,
  text: string,
): ShownSuggestion {
  const lead = selected.slice(0, Math.max(0, selected.length - typed));
  const before = Math.max(0, typed - selected.length);
  const begin = stepBack(text, offset - selected.length, before);
  const entry = Math.min(range.end.character - range.start.character, selected.length);
  return { id, uri, offset: begin + lead.length, selected: lead, suggestion: whole, presentLength: before + entry };
}

/** The offset `characters` characters before `offset`; a line break of two units is one character. */
function stepBack(text: string, offset: number, characters: number): number {
  let at = offset;
  for (let left = characters; left > 0; left--) at -= text[at - 1] === "\n" && text[at - 2] === "\r" ? 2 : 1;
  return at;
}
