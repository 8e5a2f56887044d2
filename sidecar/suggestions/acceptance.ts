// Judges from the edits of a document what became of the suggestion that was shown in it: taken, typed or passed over.
import type { SuggestionCounts } from "../protocol";
import type { Edit } from "./edits";

export type Outcome = "accepted" | "partlyAccepted" | "typed" | "rejected";
export type CountChange = Partial<Omit<SuggestionCounts, "since">>;

export interface Shown {
  /** Of its trace. */
  readonly id: number;
  readonly uri: string;
  /** Where it begins in the document, UTF-16 units from the start; once `selected` stands before it. */
  readonly offset: number;
  /** Text of the suggest widget's entry that it continues; it need not be in the document yet. */
  readonly selected: string;
  /** As it was made, whatever is typed of it already. */
  readonly suggestion: string;
  /** Characters of `selected` and the suggestion that are in the document already. */
  readonly standing: number;
}

/** What an edit of the document told of the suggestion. */
export interface Acceptance {
  readonly uri: string;
  /** Where the document goes on behind what was taken. */
  readonly offset: number;
}

interface Open extends Shown {
  standing: number;
  /** How many of the suggestion came several at once. */
  taken: number;
  /** The editor has said that it was taken, and it counts as that; its text is still to come. */
  settled: boolean;
}

/** The last suggestion that was judged, until the editor can no longer say better. */
interface Judged extends Open {
  readonly outcome: Outcome;
  /** What it was counted as. */
  readonly counted: CountChange;
  /** Where the edit ended that it was judged by. */
  readonly end: number | undefined;
}

/**
 * Follows one suggestion at a time: the last shown. In words: an insertion of more than one character that the suggestion
 * goes on with is taken, of its whole rest accepted; single characters are typed; with anything else it is over. An editor
 * that says "accepted" is believed.
 */
export class Judgement {
  readonly #count: (change: CountChange) => void;
  #open: Open | undefined;
  #last: Judged | undefined;

  constructor(count: (change: CountChange) => void) {
    this.#count = count;
  }

  /** The editor was given this suggestion, or what is left of it. */
  shown(shown: Shown): void {
    const open = this.#open;
    if (open !== undefined && open.id === shown.id && open.uri === shown.uri && open.offset === shown.offset) return;
    this.#end(undefined);
    // Undone, or deleted, and shown again: each suggestion is counted once.
    if (this.#last?.id === shown.id) this.#count(negative(this.#last.counted));
    else this.#count({ shown: 1 });
    this.#last = undefined;
    this.#open = { ...shown, taken: 0, settled: false };
  }

  /** @param text of the document after the edits @returns where it was accepted, if it was by this */
  edited(uri: string, text: string, edits: readonly Edit[]): Acceptance | undefined {
    const open = this.#open;
    const [edit] = edits;
    if (open === undefined || open.uri !== uri || edit === undefined) return undefined;
    const start = startOf(open);
    const { length, units } = commonBeginning(text, start, open.selected + open.suggestion);
    const inside = edits.every(({ offset }) => offset >= start && offset <= start + Math.max(units, open.standing));
    const inserts = edits.some(({ inserted }) => inserted !== "");
    const end = edit.offset + edit.inserted.length;
    // What it only begins with is something else; but for the bracket that an editor puts behind the one that was typed.
    const other = edits.length === 1 && end > start + units && !isPair(edit.inserted);
    if (!inside || (inserts && (other || length <= open.standing))) {
      this.#end(end);
      return open.settled ? { uri, offset: end } : undefined;
    }
    const whole = length === open.selected.length + open.suggestion.length;
    const before = usedOf(open);
    const several =
      edits.length === 1 && edit.inserted.length > 1 && length - open.standing > 1 && !isPair(edit.inserted);
    open.standing = length;
    const used = usedOf(open);
    const atOnce = several && used > before && (whole || isBoundary(open.suggestion, used));
    open.taken = Math.min(used, open.taken + (atOnce ? used - before : 0));
    if (!whole) return undefined;
    const offset = start + units;
    this.#end(offset, atOnce ? "accepted" : undefined);
    return atOnce || open.settled ? { uri, offset } : undefined;
  }

  /** The editor says that a suggestion was taken whole. @returns where, if its text is in the document */
  accepted(id: number): Acceptance | undefined {
    const last = this.#last;
    if (this.#open?.id === id) {
      this.#open.settled = true;
    } else if (last?.id === id && last.outcome !== "accepted") {
      const counted = acceptedOf(last);
      this.#count(negative(last.counted));
      this.#count(counted);
      this.#last = { ...last, outcome: "accepted", counted };
      return last.end === undefined ? undefined : { uri: last.uri, offset: last.end };
    }
    return undefined;
  }

  closed(uri: string): void {
    if (this.#open?.uri === uri) this.#end(undefined);
  }

  /** Nothing more will be heard of it. */
  dispose(): void {
    this.#end(undefined);
  }

  #end(end: number | undefined, known?: Outcome): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const outcome = open.settled ? "accepted" : (known ?? outcomeOf(open));
    const counted = open.settled ? acceptedOf(open) : { [outcome]: 1, charactersTaken: open.taken };
    this.#last = { ...open, outcome, counted, end };
    this.#count(counted);
  }
}

function startOf({ offset, selected }: Shown): number {
  return offset - selected.length;
}

/** Characters of the suggestion that are in the document. */
function usedOf({ standing, selected }: Open): number {
  return Math.max(0, standing - selected.length);
}

/** What had not been typed of it was taken. */
function acceptedOf(open: Open): CountChange {
  return { accepted: 1, charactersTaken: open.taken + open.suggestion.length - usedOf(open) };
}

function negative(change: CountChange): CountChange {
  return Object.fromEntries(Object.entries(change).map(([name, value]) => [name, -value]));
}

function outcomeOf(open: Open): Outcome {
  const { suggestion, taken } = open;
  const used = usedOf(open);
  if (taken > 0) return "partlyAccepted";
  const word = /^[^\p{L}\p{N}_]*[\p{L}\p{N}_]*/u.exec(suggestion)?.[0].length ?? 0;
  return used > 0 && used >= word ? "typed" : "rejected";
}

/**
 * How much of `expected` the text has from `start` on: in characters of `expected`, which has `\n` alone, and in those of the text,
 * whose line breaks may be longer.
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

/** What an editor inserts for one key. */
function isPair(inserted: string): boolean {
  return ["()", "[]", "{}", '""', "''", "``"].includes(inserted);
}

/** Whether a word, or what stands between two words, ends here. People take no less; editors gather what is typed fast. */
function isBoundary(text: string, at: number): boolean {
  return !/^[\p{L}\p{N}_]{2}$/u.test(text.slice(at - 1, at + 1));
}
