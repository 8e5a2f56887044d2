// A snapshot of the document at the cursor, with neighbouring notebook cells and the entry selected in the suggest widget.
import type { InlineCompletionContext, Position, Range } from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { documentPath, type Folder } from "../host/paths";
import { plainLineBreaks, plainText } from "../host/plain-text";
import type { CursorContext } from "../retrieval/types";
import type { CellSurroundings } from "./notebooks";

export interface DocumentSnapshot {
  readonly context: CursorContext;
  readonly position: Position;
  /** The range of the document that the suggestion replaces. */
  readonly range: Range;
  /** Text of the entry selected in the suggest widget, with which the inserted text begins; empty where there is none. */
  readonly selected: string;
  /** Offset of the suggestion in the document once the entry is inserted, in UTF-16 units. */
  readonly offset: number;
}

export interface SnapshotSources {
  readonly folders: readonly Folder[];
  readonly cell: CellSurroundings | undefined;
}

/** @param position clamped to the document, as LSP has it */
export function snapshotAt(
  document: TextDocument,
  position: Position,
  given: InlineCompletionContext | undefined,
  { folders, cell }: SnapshotSources,
): DocumentSnapshot {
  const { prefix, suffix, selected, range, offset } = surroundings(document, position, given);
  const context: CursorContext = {
    uri: document.uri,
    ...(cell !== undefined && { notebookUri: cell.notebookUri }),
    path: documentPath(cell?.notebookUri ?? document.uri, folders),
    languageId: document.languageId,
    prefix: plainText((cell?.above ?? "") + prefix),
    suffix: plainLineBreaks(suffix + (cell?.below ?? "")),
  };
  return { context, position, range, selected, offset };
}

/** Characters as people see them: a letter with its combining marks, an emoji with its joiners and skin tone. */
const characters = new Intl.Segmenter(undefined, { granularity: "grapheme" });
/** UTF-16 units on either side of the cursor within which its character is looked for. */
const maxCharacterUnits = 32;

/** Whether a position lies inside one character: text inserted there would break the character. */
export function isInsideCharacter(document: TextDocument, position: Position): boolean {
  const offset = document.offsetAt(position);
  const start = Math.max(0, offset - maxCharacterUnits);
  const around = document.getText().slice(start, offset + maxCharacterUnits);
  const at = offset - start;
  // Below U+0300 nothing joins what stands before it, but the two units of a line break.
  if (at === 0 || at >= around.length || around.charCodeAt(at) < 0x300) return false;
  return characters.segment(around).containing(at)?.index !== at;
}

/**
 * The text around the cursor. With an entry selected in the suggest widget, the suggestion continues that entry: the text
 * is taken as if it were already inserted, and the item replaces the entry's range by the entry and what follows it.
 */
function surroundings(document: TextDocument, position: Position, given: InlineCompletionContext | undefined) {
  const text = document.getText();
  const cursor = document.offsetAt(position);
  // Some clients write null for what is not there.
  const info = given?.selectedCompletionInfo ?? undefined;
  // Only where it ends at the cursor: an entry that replaces text after the cursor cannot be continued there.
  if (info !== undefined && info.range.start.line === position.line && document.offsetAt(info.range.end) === cursor) {
    const start = document.offsetAt(info.range.start);
    if (start <= cursor) {
      return {
        prefix: text.slice(0, start) + info.text,
        suffix: text.slice(cursor),
        selected: info.text,
        range: info.range,
        offset: start + info.text.length,
      };
    }
  }
  const at = document.positionAt(cursor);
  return {
    prefix: text.slice(0, cursor),
    suffix: text.slice(cursor),
    selected: "",
    range: { start: at, end: at },
    offset: cursor,
  };
}
