// Remembers recent suggestions so that typing along one, or coming back to it, asks the model nothing.
import { createHash } from "node:crypto";
import { type CompletionTrace, type Settings, suggestionSettings } from "../protocol";

/** What an answer depends on. */
export interface Question {
  readonly uri: string;
  /** As the model is given it, notebook cells above included. */
  readonly prefix: string;
  readonly suffix: string;
  /** {@link settingsKey}: with other settings, or another model, the answer may be another. */
  readonly key: string;
  /** Of the index; undefined while there is none. */
  readonly revision: number | undefined;
  /** Whether somebody asked for it: what is held back of an automatic suggestion may be shown then. */
  readonly invoked: boolean;
}

interface Entry {
  readonly uri: string;
  readonly prefixLength: number;
  readonly prefixHash: string;
  readonly suffixLength: number;
  readonly suffixHash: string;
  readonly key: string;
  readonly revision: number | undefined;
  readonly invoked: boolean;
  readonly madeAt: number;
  readonly trace: CompletionTrace;
}

export interface CacheHit {
  /** The trace of the request that made the suggestion. */
  readonly trace: CompletionTrace;
  /** What is left of the suggestion after what was typed since; empty where the answer was "no suggestion". */
  readonly suggestion: string;
  /** Characters of it that were typed since. */
  readonly typed: number;
  /** Characters behind the cursor that the suggestion replaces: closing brackets that the editor put there while it was typed. */
  readonly replaces: number;
}

/**
 * An answer from before the index changed serves so long: while an index grows, it changes several times a second, and
 * what is undone is undone soon.
 */
const staleMs = 10_000;
/** More closing brackets than this are no longer those that typing the suggestion opened. */
const mostClosers = 8;

/**
 * Least recently used out first. Holds hashes of the text around the cursor, not the text.
 *
 * Where the index changed since, what could be retrieved may be other fragments. The suggestion given last stays all the
 * same: what is on the screen must not change under the reader's eyes. Others serve for {@link staleMs}, unless a file changed
 * that they have a fragment of.
 */
export class CompletionCache {
  readonly #capacity: number;
  readonly #now: () => number;
  readonly #entries = new Set<Entry>();
  /** The one given last. */
  #shown: Entry | undefined;

  constructor(capacity = 64, now: () => number = () => performance.now()) {
    this.#capacity = capacity;
    this.#now = now;
  }

  /** @param shown false for an answer that nobody has been given yet */
  put({ uri, prefix, suffix, key, revision, invoked }: Question, trace: CompletionTrace, shown = true): void {
    const entry: Entry = {
      uri,
      key,
      revision,
      invoked,
      trace,
      prefixLength: prefix.length,
      prefixHash: hash(prefix),
      suffixLength: suffix.length,
      suffixHash: hash(suffix),
      madeAt: this.#now(),
    };
    this.#entries.add(entry);
    if (shown) this.#shown = entry;
    for (const oldest of this.#entries) {
      if (this.#entries.size <= this.#capacity) break;
      this.#entries.delete(oldest);
    }
  }

  /**
   * A suggestion made at this very place, or one made earlier on that begins with everything typed since.
   * The one that was made nearest to the cursor wins: it saw the most of what was typed. But the one that is being typed
   * stays.
   */
  get(question: Question): CacheHit | undefined {
    const suffixes = new Suffixes(question.suffix);
    let best: { entry: Entry; replaces: number } | undefined;
    for (const entry of this.#entries) {
      if (entry.uri !== question.uri || entry.key !== question.key || !this.#fresh(entry, question)) continue;
      if (question.invoked && !entry.invoked && entry.trace.suggestion === "") continue;
      if (
        best !== undefined &&
        entry !== this.#shown &&
        (best.entry === this.#shown || best.entry.prefixLength > entry.prefixLength)
      )
        continue;
      const replaces = fits(entry, question, suffixes);
      if (replaces !== undefined) best = { entry, replaces };
    }
    if (best === undefined) return undefined;
    const { entry, replaces } = best;
    this.#entries.delete(entry);
    this.#entries.add(entry);
    this.#shown = entry;
    const typed = question.prefix.length - entry.prefixLength;
    const rest = entry.trace.suggestion.slice(typed);
    // Where the rest ends with the brackets that are there already, it ends before them.
    const closers = question.suffix.slice(0, replaces);
    const repeats = replaces > 0 && rest.endsWith(closers);
    return {
      trace: entry.trace,
      typed,
      suggestion: repeats ? rest.slice(0, -replaces) : rest,
      replaces: repeats ? 0 : replaces,
    };
  }

  /** What the index holds of this file has changed. */
  fileChanged(uri: string): void {
    for (const entry of this.#entries) {
      if (entry !== this.#shown && entry.trace.fragments.some((fragment) => fragment.uri === uri))
        this.#entries.delete(entry);
    }
  }

  /** Forgets everything: after the index was emptied, say. */
  clear(): void {
    this.#entries.clear();
    this.#shown = undefined;
  }

  #fresh(entry: Entry, { revision }: Question): boolean {
    return entry === this.#shown || entry.revision === revision || this.#now() - entry.madeAt <= staleMs;
  }
}

/** The settings that a suggestion depends on, and the model that makes it. */
export function settingsKey(settings: Settings, model: string): string {
  return `${model} ${suggestionSettings(settings)}`;
}

/** Whether the entry answers at the question's place; if so, how many characters behind the cursor its rest replaces. */
function fits(entry: Entry, { prefix, suffix }: Question, suffixes: Suffixes): number | undefined {
  const { suggestion } = entry.trace;
  const typed = prefix.length - entry.prefixLength;
  if (typed < 0) return undefined;
  // Nothing left to show once all of it is typed; the place after it is a new question.
  if (typed > 0 && typed >= suggestion.length) return undefined;
  const along = suggestion.slice(0, typed);
  if (!prefix.endsWith(along)) return undefined;
  const added = suffix.length - entry.suffixLength;
  if (added < 0 || added > mostClosers || (added > 0 && suffix.slice(0, added) !== closersOf(along))) return undefined;
  if (entry.suffixHash !== suffixes.from(added) || entry.prefixHash !== hash(prefix.slice(0, entry.prefixLength)))
    return undefined;
  return added;
}

const pairs: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`" };

/** What an editor that closes brackets and quotes by itself has put behind the cursor while `typed` was typed. */
function closersOf(typed: string): string {
  const open: string[] = [];
  for (const character of typed) {
    if (character === open.at(-1)) open.pop();
    else {
      const closer = pairs[character];
      if (closer !== undefined) open.push(closer);
    }
  }
  return open.reverse().join("");
}

/** Hashes of the text behind the cursor, or behind the first characters of it, each computed once. */
class Suffixes {
  readonly #hashes = new Map<number, string>();

  constructor(private readonly suffix: string) {}

  from(start: number): string {
    const known = this.#hashes.get(start) ?? hash(this.suffix.slice(start));
    this.#hashes.set(start, known);
    return known;
  }
}

function hash(text: string): string {
  return createHash("sha1").update(text).digest("base64");
}
