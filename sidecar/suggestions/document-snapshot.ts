// A cursor as the model is to see it: the text on both sides of it, cells of a notebook and a selected entry included.
import type { InlineCompletionContext, Position, Range } from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { plainLineBreaks } from "../completion/document";
import { documentPath, type Folder } from "../host/paths";
import type { CursorContext } from "../retrieval/types";
import type { CellSurroundings } from "./notebooks";

export interface CursorPlace {
  readonly context: CursorContext;
  readonly position: Position;
  /** In the document: what the item replaces. */
  readonly range: Range;
  /** Text of the entry selected in the suggest widget, with which the item begins; else empty. */
  readonly selected: string;
  /** Where the suggestion itself will stand in the document: UTF-16 units from its start, once the entry is inserted. */
  readonly offset: number;
}

export interface PlaceSources {
  readonly folders: readonly Folder[];
  readonly cell: CellSurroundings | undefined;
}

/** @param position clamped to the document, as LSP has it */
export function placeOf(
  document: TextDocument,
  position: Position,
  given: InlineCompletionContext | undefined,
  { folders, cell }: PlaceSources,
): CursorPlace {
  const { prefix, suffix, selected, range, offset } = surroundings(document, position, given);
  const context: CursorContext = {
    uri: document.uri,
    path: documentPath(cell?.notebookUri ?? document.uri, folders),
    languageId: document.languageId,
    prefix: plainLineBreaks((cell?.above ?? "") + prefix),
    suffix: plainLineBreaks(suffix + (cell?.below ?? "")),
  };
  return { context, position, range, selected, offset };
}

/** Whether a position lies between the two units of a character: text put in there would break the character. */
export function isInsideCharacter(document: TextDocument, position: Position): boolean {
  const offset = document.offsetAt(position);
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(document.getText().slice(Math.max(0, offset - 1), offset + 1));
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
  // Only where it ends at the cursor: what replaces text behind it cannot be continued there.
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
