// Caches recent suggestions: typing along one, or returning to its place, needs no run of the model.
import { createHash } from "node:crypto";
import { normalUri } from "../host/paths";
import { type CompletionTrace, type Settings, suggestionSettings } from "../protocol";

/** A request, with all that its suggestion depends on. */
export interface CacheQuery {
  readonly uri: string;
  /** With the notebook cells above. */
  readonly prefix: string;
  readonly suffix: string;
  /** {@link settingsKey}: the suggestion depends on the settings and the model. */
  readonly key: string;
  /** Of the index; undefined while there is no index. */
  readonly revision: number | undefined;
  /** Whether the user asked for it: then a suggestion is shown that would be suppressed while typing. */
  readonly invoked: boolean;
}

interface Entry extends Omit<CacheQuery, "prefix" | "suffix"> {
  readonly prefixLength: number;
  readonly prefixHash: string;
  readonly suffixLength: number;
  readonly suffixHash: string;
  readonly madeAt: number;
  readonly trace: CompletionTrace;
}

interface CacheHit {
  /** The trace of the request that made the suggestion. */
  readonly trace: CompletionTrace;
  /** The suggestion without what was typed since; empty where there was none. */
  readonly suggestion: string;
  /** Number of its characters that were typed since. */
  readonly typed: number;
  /** Number of characters after the cursor that it replaces: closers that the editor inserted while it was typed. */
  readonly replaces: number;
}

/**
 * How long a suggestion from before a change of the index may be used: a growing index changes several times a second, and
 * what people undo, they undo soon.
 */
const staleMs = 10_000;
/** Maximum number of closers that typing the suggestion can have added. */
const maxClosers = 8;

/**
 * Evicts the least recently used entry first. Holds hashes of the text around the cursor, not the text.
 *
 * After a change of the index, other fragments might be retrieved. The suggestion shown last is used all the same: it must not
 * change under the reader's eyes. Others are used for {@link staleMs}, unless a file changed that they have a fragment of.
 */
export class CompletionCache {
  private readonly entries = new Set<Entry>();
  /** The one shown last. */
  private shown: Entry | undefined;

  constructor(
    private readonly capacity = 64,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @param shown false for a suggestion that nobody has been shown yet */
  put({ prefix, suffix, ...query }: CacheQuery, trace: CompletionTrace, shown = true): void {
    const entry: Entry = {
      ...query,
      trace,
      prefixLength: prefix.length,
      prefixHash: hash(prefix),
      suffixLength: suffix.length,
      suffixHash: hash(suffix),
      madeAt: this.now(),
    };
    this.entries.add(entry);
    if (shown) this.shown = entry;
    for (const oldest of this.entries) {
      if (this.entries.size <= this.capacity) break;
      this.entries.delete(oldest);
    }
  }

  /**
   * A suggestion made at this place, or one made before it that begins with everything typed since. Of several, the one shown
   * last, otherwise the one made nearest to the cursor, which knew most of what was typed.
   */
  get(query: CacheQuery): CacheHit | undefined {
    const suffixes = new SuffixHashes(query.suffix);
    let best: { entry: Entry; replaces: number } | undefined;
    for (const entry of this.entries) {
      if (entry.uri !== query.uri || entry.key !== query.key || !this.fresh(entry, query)) continue;
      if (query.invoked && !entry.invoked && entry.trace.suggestion === "") continue;
      if (
        best !== undefined &&
        entry !== this.shown &&
        (best.entry === this.shown || best.entry.prefixLength > entry.prefixLength)
      )
        continue;
      const replaces = fits(entry, query, suffixes);
      if (replaces !== undefined) best = { entry, replaces };
    }
    if (best === undefined) return undefined;
    const { entry, replaces } = best;
    this.entries.delete(entry);
    this.entries.add(entry);
    this.shown = entry;
    const typed = query.prefix.length - entry.prefixLength;
    const rest = entry.trace.suggestion.slice(typed);
    // Where the rest ends with closers that the document holds already, it is cut before them.
    const closers = query.suffix.slice(0, replaces);
    const repeats = replaces > 0 && rest.endsWith(closers);
    return {
      trace: entry.trace,
      typed,
      suggestion: repeats ? rest.slice(0, -replaces) : rest,
      replaces: repeats ? 0 : replaces,
    };
  }

  /** The index of this file has changed. */
  fileChanged(uri: string): void {
    const changed = normalUri(uri);
    for (const entry of this.entries) {
      if (entry !== this.shown && entry.trace.fragments.some((fragment) => fragment.uri === changed))
        this.entries.delete(entry);
    }
  }

  /** Removes all entries, e.g. after the index was cleared. */
  clear(): void {
    this.entries.clear();
    this.shown = undefined;
  }

  private fresh(entry: Entry, { revision }: CacheQuery): boolean {
    return entry === this.shown || entry.revision === revision || this.now() - entry.madeAt <= staleMs;
  }
}

/** The settings that a suggestion depends on, and the model that makes it. */
export function settingsKey(settings: Settings, model: string): string {
  return `${model} ${suggestionSettings(settings)}`;
}

/** The number of characters after the cursor that the entry's rest replaces; undefined where the entry does not match. */
function fits(entry: Entry, { prefix, suffix }: CacheQuery, suffixes: SuffixHashes): number | undefined {
  const { suggestion } = entry.trace;
  const typed = prefix.length - entry.prefixLength;
  if (typed < 0) return undefined;
  // Once all of it is typed, nothing is left of it.
  if (typed > 0 && typed >= suggestion.length) return undefined;
  const along = suggestion.slice(0, typed);
  if (!prefix.endsWith(along)) return undefined;
  const added = suffix.length - entry.suffixLength;
  if (added < 0 || added > maxClosers || (added > 0 && suffix.slice(0, added) !== closersOf(along))) return undefined;
  if (entry.suffixHash !== suffixes.from(added) || entry.prefixHash !== hash(prefix.slice(0, entry.prefixLength)))
    return undefined;
  return added;
}

const pairs: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`" };

/** The closers that an editor has inserted after the cursor while `typed` was typed. */
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

/** Hashes of the suffix without its first characters, each computed once. */
class SuffixHashes {
  private readonly hashes = new Map<number, string>();

  constructor(private readonly suffix: string) {}

  from(start: number): string {
    const known = this.hashes.get(start) ?? hash(this.suffix.slice(start));
    this.hashes.set(start, known);
    return known;
  }
}

function hash(text: string): string {
  return createHash("sha1").update(text).digest("base64");
}
