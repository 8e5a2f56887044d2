// Which fragments stay in the prompt over keystrokes: what was fetched for a document, and whether it still serves.

import { isDeepStrictEqual } from "node:util";
import { LRUCache } from "lru-cache";
import type { Tokenizer } from "../inference/tokenizer";
import type { FragmentReference } from "../protocol";
import { rankOf } from "./boosts";
import { whereSeen } from "./select";
import type { CursorContext, Retrieval, RetrievalLimits, SelectedFragment } from "./types";
import { visibleText } from "./visible-text";

/** What is kept of a document's last completion. */
export interface Kept {
  /** Of the completion that fetched the fragments. */
  readonly since: number;
  /** Best first, and always in the same order: the prompt begins with them. */
  readonly selected: readonly SelectedFragment[];
  /** Of the last search. */
  readonly dropped: Retrieval["dropped"];
  /** Of the last search. */
  readonly nullScore?: number | undefined;
  /** Set when nothing was selected: why. */
  readonly nothing?: string | undefined;
  /** At the end of the prompt with these fragments, when they were last found to serve; undefined while it was not read. */
  readonly need: Float32Array | undefined;
  /** The document as it was then. */
  readonly context: CursorContext;
  readonly limits: RetrievalLimits;
  /** Most tokens of code beside them. */
  readonly codeTokens: number;
  /** Of the index that was searched. */
  readonly revision: number;
}

/** When fragments stay. */
export interface KeepingRule {
  /** Product of the needs then and now from which the need has not moved. */
  readonly similarity: number;
  /** How much better than the best kept fragment a new one must score to be worth reading the prompt anew. */
  readonly margin: number;
}

/** Tokens typed at cursors of CrossCodeEval tasks lost least with these; similarities of 0.6 and 0.8, margins of 0.02 and 0.1 gained nothing. */
export const keepingRule: KeepingRule = { similarity: 0.7, margin: 0.05 };

/** Documents remembered. */
const maxDocuments = 8;
/** UTF-16 units around the cursor within which typing, deleting and accepting a suggestion happen. */
const reach = 256;

/** The fragments of the documents worked on, least recently used out first. */
export class KeptFragments {
  private readonly documents = new LRUCache<string, Kept>({ max: maxDocuments });

  constructor(private readonly tokenizer: Tokenizer) {}

  /** What is kept for the cursor, or in words why nothing is. Whether the need has moved is not asked here. */
  recall(context: CursorContext, limits: RetrievalLimits, codeTokens: number): Kept | string {
    const kept = this.documents.get(context.uri);
    if (kept === undefined) return "the first completion in this document";
    if (kept.codeTokens !== codeTokens || !isDeepStrictEqual(kept.limits, limits)) return "the settings changed";
    const elsewhere = whyElsewhere(kept.context, context);
    if (elsewhere !== undefined) return elsewhere;
    if (kept.selected.length > 0) {
      const visible = visibleText(context, codeTokens, this.tokenizer);
      for (const { fragment } of kept.selected) {
        const seen = whereSeen(fragment, context, visible);
        if (seen !== undefined) return `${fragment.path}:${fragment.startLine}-${fragment.endLine} ${seen}`;
      }
    }
    return kept;
  }

  remember(kept: Kept): void {
    this.documents.set(kept.context.uri, kept);
  }

  forget(uri: string): void {
    this.documents.delete(uri);
  }
}

/** Why the text around the cursor is not the text that was typed on from; undefined where it is. */
function whyElsewhere(before: CursorContext, now: CursorContext): string | undefined {
  if (Math.abs(now.prefix.length - before.prefix.length) > reach) return "the cursor moved to another place";
  const head = before.prefix.slice(0, Math.max(0, before.prefix.length - reach));
  const tail = before.suffix.slice(reach);
  const same = before.path === now.path && now.prefix.startsWith(head) && now.suffix.endsWith(tail);
  return same && Math.abs(now.suffix.length - before.suffix.length) <= reach
    ? undefined
    : "the document changed elsewhere";
}

/**
 * The kept fragments with the scores and lines that a new search gave them and, as left out, all else that it found,
 * where they serve no worse than that; else in words why the new ones are better.
 */
export function weigh(
  kept: Kept,
  fresh: Retrieval,
  revision: number,
  rule: KeepingRule,
): Pick<Kept, "selected" | "dropped" | "nothing" | "nullScore"> | string {
  if (kept.selected.length === 0)
    return fresh.selected.length === 0 ? fresh : "nothing was kept, and the model needs something now";
  // Of a fragment not among those found, it is known only that it ranks no better than the last of them.
  const last = fresh.found.at(-1);
  const floor = last === undefined ? -1 : rankOf(last);
  const standing: SelectedFragment[] = [];
  for (const old of kept.selected) {
    const { uri, path, text } = old.fragment;
    const hit = fresh.found.find(({ fragment }) => fragment.uri === uri && fragment.text === text);
    if (hit === undefined && kept.revision !== revision)
      return `${path}:${old.fragment.startLine}-${old.fragment.endLine} may have changed`;
    const fragment = hit?.fragment ?? old.fragment;
    const { startLine, endLine } = fragment;
    const { raised: _, ...reference } = old.reference;
    const now =
      hit === undefined
        ? { score: Math.min(floor, reference.score) }
        : { score: hit.score, ...(hit.raised !== undefined && { raised: hit.raised }) };
    standing.push({ ...old, fragment, reference: { ...reference, startLine, endLine, ...now } });
  }
  const best = Math.max(...standing.map(({ reference }) => rankOf(reference)));
  const [first] = fresh.selected;
  const found = first === undefined ? -Infinity : rankOf(first.reference);
  if (found > best + rule.margin) {
    const included = [first, ...standing].some((each) => each?.reference.raised !== undefined)
      ? ", what raises them included"
      : "";
    return `another fragment scores ${found.toFixed(3)}, the best kept one ${best.toFixed(3)}${included}`;
  }
  const isOther = (one: FragmentReference) =>
    !standing.some(({ reference }) => reference.uri === one.uri && reference.startLine === one.startLine);
  const others = fresh.selected.map(({ reference }) => ({
    ...reference,
    reason: `not better by ${rule.margin} than the best fragment kept`,
  }));
  return { selected: standing, dropped: [...others, ...fresh.dropped].filter(isOther), nullScore: fresh.nullScore };
}
