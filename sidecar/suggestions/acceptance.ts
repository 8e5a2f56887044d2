// Tells from a document's edits whether the suggestion shown in it was accepted, typed or rejected.
import type { SuggestionCounts } from "../protocol";
import type { Edit } from "./edits";

type Outcome = "accepted" | "partlyAccepted" | "typed" | "rejected";
export type CountChange = Partial<Omit<SuggestionCounts, "since">>;

export interface ShownSuggestion {
  /** Id of its trace. */
  readonly id: number;
  readonly uri: string;
  /** Its offset in the document once `selected` is inserted before it, in UTF-16 units. */
  readonly offset: number;
  /** The selected entry of the suggest widget that it continues; the document need not hold it yet. */
  readonly selected: string;
  /** The whole suggestion, with what is typed of it already. */
  readonly suggestion: string;
  /** Number of characters of `selected` and the suggestion that the document holds already. */
  readonly presentLength: number;
}

/** A suggestion that was accepted whole. */
export interface Acceptance {
  readonly uri: string;
  /** The end of the accepted text in the document. */
  readonly offset: number;
}

/** The suggestion that is shown. */
interface Current extends ShownSuggestion {
  presentLength: number;
  /** Number of its characters that were inserted several at a time. */
  acceptedLength: number;
  /** Whether the editor has reported that it was accepted; its text may still be to come. */
  isReported: boolean;
}

/** The last suggestion that was counted; a later report of the editor may still correct that. */
interface Counted extends Current {
  readonly outcome: Outcome;
  /** The change of the counts. */
  readonly change: CountChange;
  /** The end of the edit that decided the outcome. */
  readonly end: number | undefined;
}

/**
 * Follows the suggestion shown last. Inserting several characters of the suggestion at once accepts that part of it, or all
 * of it if they complete it; inserting single ones counts as typing; any other edit ends it. A report of the editor that it
 * was accepted decides.
 */
export class AcceptanceTracker {
  private current: Current | undefined;
  private last: Counted | undefined;

  constructor(private readonly count: (change: CountChange) => void) {}

  /** The editor was given this suggestion, or the rest of it. */
  shown(shown: ShownSuggestion): void {
    const current = this.current;
    if (
      current !== undefined &&
      current.id === shown.id &&
      current.uri === shown.uri &&
      current.offset === shown.offset
    )
      return;
    this.end(undefined);
    // ShownSuggestion again after an undo or a deletion: each suggestion is counted once.
    if (this.last?.id === shown.id) this.count(negative(this.last.change));
    else this.count({ shown: 1 });
    this.last = undefined;
    this.current = { ...shown, acceptedLength: 0, isReported: false };
  }

  /** @param text of the document after the edits @returns the acceptance, if the edits accept the suggestion */
  edited(uri: string, text: string, edits: readonly Edit[]): Acceptance | undefined {
    const current = this.current;
    const [edit] = edits;
    if (current === undefined || current.uri !== uri || edit === undefined) return undefined;
    const start = startOf(current);
    const { length, units } = commonBeginning(text, start, current.selected + current.suggestion);
    const inside = edits.every(
      ({ offset }) => offset >= start && offset <= start + Math.max(units, current.presentLength),
    );
    const inserts = edits.some(({ inserted }) => inserted !== "");
    const end = edit.offset + edit.inserted.length;
    // Text that only begins like the suggestion is something else, except a bracket with the closer that the editor adds.
    const other = edits.length === 1 && end > start + units && !isPair(edit.inserted);
    if (!inside || (inserts && (other || length <= current.presentLength))) {
      this.end(end);
      return current.isReported ? { uri, offset: end } : undefined;
    }
    const whole = length === current.selected.length + current.suggestion.length;
    const before = usedOf(current);
    const several =
      edits.length === 1 && edit.inserted.length > 1 && length - current.presentLength > 1 && !isPair(edit.inserted);
    current.presentLength = length;
    const used = usedOf(current);
    const atOnce = several && used > before && (whole || isBoundary(current.suggestion, used));
    current.acceptedLength = Math.min(used, current.acceptedLength + (atOnce ? used - before : 0));
    if (!whole) return undefined;
    const offset = start + units;
    this.end(offset, atOnce ? "accepted" : undefined);
    return atOnce || current.isReported ? { uri, offset } : undefined;
  }

  /** The editor reports that a suggestion was accepted whole. @returns the acceptance, if its text is in the document */
  accepted(id: number): Acceptance | undefined {
    const last = this.last;
    if (this.current?.id === id) {
      this.current.isReported = true;
    } else if (last?.id === id && last.outcome !== "accepted") {
      const change = acceptedOf(last);
      this.count(negative(last.change));
      this.count(change);
      this.last = { ...last, outcome: "accepted", change };
      return last.end === undefined ? undefined : { uri: last.uri, offset: last.end };
    }
    return undefined;
  }

  closed(uri: string): void {
    if (this.current?.uri === uri) this.end(undefined);
  }

  /** Ends the current suggestion. */
  dispose(): void {
    this.end(undefined);
  }

  private end(end: number | undefined, known?: Outcome): void {
    const current = this.current;
    if (current === undefined) return;
    this.current = undefined;
    const outcome = current.isReported ? "accepted" : (known ?? outcomeOf(current));
    const change = current.isReported ? acceptedOf(current) : { [outcome]: 1, charactersTaken: current.acceptedLength };
    this.last = { ...current, outcome, change, end };
    this.count(change);
  }
}

function startOf({ offset, selected }: ShownSuggestion): number {
  return offset - selected.length;
}

/** Number of characters of the suggestion that the document holds. */
function usedOf({ presentLength, selected }: Current): number {
  return Math.max(0, presentLength - selected.length);
}

/** The characters that were not typed count as accepted. */
function acceptedOf(current: Current): CountChange {
  return { accepted: 1, charactersTaken: current.acceptedLength + current.suggestion.length - usedOf(current) };
}

function negative(change: CountChange): CountChange {
  return Object.fromEntries(Object.entries(change).map(([name, value]) => [name, -value]));
}

function outcomeOf(current: Current): Outcome {
  const { suggestion, acceptedLength } = current;
  const used = usedOf(current);
  if (acceptedLength > 0) return "partlyAccepted";
  const word = /^[^\p{L}\p{M}\p{N}_]*[\p{L}\p{M}\p{N}_]*/u.exec(suggestion)?.[0].length ?? 0;
  return used > 0 && used >= word ? "typed" : "rejected";
}

/**
 * The length of the common beginning of `expected` and the text from `start` on: in characters of `expected`, whose line breaks
 * are `\n`, and in those of the text, whose line breaks may be longer.
 */
function commonBeginning(text: string, start: number, expected: string): { length: number; units: number } {
  let [length, at] = [0, start];
  while (length < expected.length && at < text.length) {
    if (text[at] === "\r" && text[at + 1] === "\n" && expected[length] === "\n") at += 1;
    else if (text[at] !== expected[length]) break;
    length += 1;
    at += 1;
  }
  return { length, units: at - start };
}

/** Whether an editor inserts this for one key. */
function isPair(inserted: string): boolean {
  return ["()", "[]", "{}", '""', "''", "``"].includes(inserted);
}

/** Whether a word, or the text between two words, ends here. Nobody accepts less; editors merge what is typed fast. */
function isBoundary(text: string, at: number): boolean {
  return !/^[\p{L}\p{M}\p{N}_]{2}$/u.test(text.slice(at - 1, at + 1));
}
