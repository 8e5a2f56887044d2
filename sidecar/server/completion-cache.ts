// Remembers recent suggestions so that typing along one, or coming back to it, asks the model nothing.
import { createHash } from "node:crypto";
import type { CompletionTrace } from "../protocol";

interface Entry {
  readonly uri: string;
  readonly prefixLength: number;
  readonly prefixHash: string;
  readonly suffixHash: string;
  readonly trace: CompletionTrace;
}

export interface CacheHit {
  /** The trace of the request that made the suggestion. */
  readonly trace: CompletionTrace;
  /** What is left of the suggestion after what was typed since; empty where the answer was "no suggestion". */
  readonly suggestion: string;
}

/** Least recently used out first. Holds hashes of the text around the cursor, not the text. */
export class CompletionCache {
  readonly #capacity: number;
  readonly #entries = new Set<Entry>();

  constructor(capacity = 64) {
    this.#capacity = capacity;
  }

  put(uri: string, prefix: string, suffix: string, trace: CompletionTrace): void {
    this.#entries.add({ uri, prefixLength: prefix.length, prefixHash: hash(prefix), suffixHash: hash(suffix), trace });
    for (const oldest of this.#entries) {
      if (this.#entries.size <= this.#capacity) break;
      this.#entries.delete(oldest);
    }
  }

  /**
   * A suggestion made at this very place, or one made earlier on that begins with everything typed since.
   * The one that was made nearest to the cursor wins: it saw the most of what was typed.
   */
  get(uri: string, prefix: string, suffix: string): CacheHit | undefined {
    let suffixHash: string | undefined;
    let best: Entry | undefined;
    for (const entry of this.#entries) {
      if (entry.uri !== uri || entry.prefixLength > prefix.length) continue;
      if (best !== undefined && best.prefixLength > entry.prefixLength) continue;
      const typed = prefix.length - entry.prefixLength;
      // Nothing left to show once all of it is typed; the place after it is a new question.
      if (typed > 0 && typed >= entry.trace.suggestion.length) continue;
      if (!prefix.endsWith(entry.trace.suggestion.slice(0, typed))) continue;
      suffixHash ??= hash(suffix);
      if (entry.suffixHash !== suffixHash || entry.prefixHash !== hash(prefix.slice(0, entry.prefixLength))) continue;
      best = entry;
    }
    if (best === undefined) return undefined;
    this.#entries.delete(best);
    this.#entries.add(best);
    return { trace: best.trace, suggestion: best.trace.suggestion.slice(prefix.length - best.prefixLength) };
  }

  /** After a change to the index or the settings, the same place may deserve another answer. */
  clear(): void {
    this.#entries.clear();
  }
}

function hash(text: string): string {
  return createHash("sha1").update(text).digest("base64");
}
