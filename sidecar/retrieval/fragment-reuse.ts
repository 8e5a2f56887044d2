// Decides whether a prompt reuses the fragments of the document's last completion or gets newly retrieved ones.
import { isDeepStrictEqual } from "node:util";
import { LRUCache } from "lru-cache";
import type { FragmentReference, Reuse } from "../protocol";
import type { FragmentSource } from "../workspace/fragment-source";
import { rankOf } from "./boosts";
import { similarityOf } from "./query";
import type { RetrievalRequest, Retriever } from "./retriever";
import type { CursorContext, FragmentSelection, Retrieval, RetrievalLimits, SelectedFragment } from "./types";
import { alreadyVisible } from "./visible-text";

/** The fragments of a document's last completion. */
export interface ReusedFragments extends FragmentSelection {
  /** Id of the completion that retrieved the fragments. */
  readonly since: number;
  /**
   * The need at the end of the prompt when the fragments were last found to serve; undefined where that prompt was not
   * read to its end.
   */
  readonly need: Float32Array | undefined;
  /** The document at the last completion. */
  readonly context: CursorContext;
  readonly limits: RetrievalLimits;
  /** Maximum tokens of code beside the fragments. */
  readonly maxCodeTokens: number;
  /** Of the index that was searched. */
  readonly revision: number;
}

/** When fragments are reused. */
interface ReuseRule {
  /** Fragments are reused without a search while the need is at least this similar to the one they were found for. */
  readonly similarity: number;
  /** After a search, a new fragment replaces the old ones only where its rank exceeds theirs by more than this. */
  readonly margin: number;
}

/** Chosen by measurement; see "Measuring ranking" in docs/benchmarks.md. */
export const reuseRule: ReuseRule = { similarity: 0.7, margin: 0.05 };

interface FragmentRequest extends RetrievalRequest {
  /** Id of the completion that the fragments are for. */
  readonly completion: number;
  readonly signal: AbortSignal | undefined;
}

/** Reads the prompt with these fragments. @returns the need at its end */
type ReadNeed = (selection: FragmentSelection) => Promise<Float32Array>;

/** The fragments of a prompt, and why these. */
interface FragmentDecision {
  readonly selection: FragmentSelection;
  /** Why new fragments were retrieved; undefined where none were retrieved or the old ones are reused. */
  readonly retrieved?: string;
  /** Of the search, where there was one. */
  readonly timings?: Retrieval["timings"];
  /** Whether {@link ReadNeed} has read the prompt with these fragments already. */
  readonly isRead: boolean;
  /**
   * To be called with the need at the end of the prompt, for the next decision; undefined where no need is wanted.
   * @returns the trace's report of reused fragments, if they are reused
   */
  readonly record?: (need: Float32Array) => Reuse | undefined;
}

/** Maximum number of documents whose fragments are remembered. */
const maxDocuments = 8;
/** Typing, deleting and accepting a suggestion change text within so many UTF-16 units of the cursor. */
const maxEditDistance = 256;

export class FragmentReuse {
  private readonly documents = new LRUCache<string, ReusedFragments>({ max: maxDocuments });

  constructor(
    private readonly retriever: Retriever,
    private readonly rule: ReuseRule = reuseRule,
  ) {}

  /**
   * Reused fragments cost nothing: the prompt begins with the tokens of an earlier one, which the KV cache holds. Whether
   * they still serve shows only at the prompt's end, so `readNeed` is called where that is the question.
   * @throws AbortError when the signal is aborted.
   */
  async decide(request: FragmentRequest, readNeed: ReadNeed): Promise<FragmentDecision> {
    const last = this.recall(request);
    const source = this.retriever.searchable(request.limits);
    if (typeof source === "string") return this.withoutFragments(request.context.uri, source);
    // As it is before the search: where it changes meanwhile, the next decision looks again.
    const { revision } = source;
    if (typeof last === "string") return this.withNew(request, revision, await this.retrieve(request, source), last);
    const need = last.revision === revision ? await readNeed(last) : undefined;
    const similarity = need && similarityTo(last, need);
    if (need !== undefined && similarity !== undefined && similarity >= this.rule.similarity)
      return this.unchanged(request.context, last, need, similarity);
    const why = similarity === undefined ? "the index changed" : `the need moved (similarity ${similarity.toFixed(3)})`;
    const fresh = await this.retrieve(request, source);
    const compared = compareWithFresh(last, fresh, revision, this.rule);
    if (typeof compared === "string") return this.withNew(request, revision, fresh, `${why}: ${compared}`);
    const selection: ReusedFragments = { ...last, ...compared, context: request.context, revision };
    return {
      selection,
      timings: fresh.timings,
      isRead: need !== undefined,
      record: (now) => {
        this.remember({ ...selection, need: now });
        const reason = `${why}, but nothing found is much better`;
        return { since: last.since, similarity: similarity ?? similarityTo(last, now), reason };
      },
    };
  }

  /** Forgets the fragments of a document, because a completion is made without any. @returns that completion's decision */
  withoutFragments(uri: string, reason: string): FragmentDecision {
    this.documents.delete(uri);
    return { selection: { selected: [], dropped: [], nothing: reason }, isRead: false };
  }

  /** Remembers the fragments that a document's prompt holds now. */
  remember(fragments: ReusedFragments): void {
    this.documents.set(fragments.context.uri, fragments);
  }

  /** The fragments that may be reused at the cursor, or in words why there are none. Does not look at the need. */
  recall({ context, visible, limits }: RetrievalRequest): ReusedFragments | string {
    const last = this.documents.get(context.uri);
    if (last === undefined) return "the first completion in this document";
    if (last.maxCodeTokens !== visible.maxTokens || !isDeepStrictEqual(last.limits, limits))
      return "the settings changed";
    const change = whyElsewhere(last.context, context);
    if (change !== undefined) return change;
    for (const { fragment } of last.selected) {
      const reason = alreadyVisible(fragment, visible);
      if (reason !== undefined) return `${fragment.path}:${fragment.startLine}-${fragment.endLine} ${reason}`;
    }
    return last;
  }

  private retrieve(request: FragmentRequest, source: FragmentSource): Promise<Retrieval> {
    return this.retriever.retrieve(request, request.signal, source);
  }

  /**
   * The need is compared with the one that the fragments were found for, not with that of the last keystroke: otherwise
   * many small steps would go unnoticed.
   */
  private unchanged(
    context: CursorContext,
    last: ReusedFragments,
    need: Float32Array,
    similarity: number,
  ): FragmentDecision {
    this.remember({ ...last, need: last.need ?? need, context });
    const report = { since: last.since, similarity, reason: "the need has hardly moved" };
    return { selection: last, isRead: true, record: () => report };
  }

  private withNew(
    { context, limits, visible, completion }: FragmentRequest,
    revision: number,
    { selected, dropped, nullScore, nothing, timings }: Retrieval,
    reason: string,
  ): FragmentDecision {
    const selection: ReusedFragments = {
      since: completion,
      selected,
      dropped,
      nullScore,
      nothing,
      need: undefined,
      context,
      limits,
      maxCodeTokens: visible.maxTokens,
      revision,
    };
    // Before the prompt is read: if the next keystroke cancels that, it need not search again.
    this.remember(selection);
    return {
      selection,
      retrieved: reason,
      timings,
      isRead: false,
      record: (need) => {
        this.remember({ ...selection, need });
        return undefined;
      },
    };
  }
}

/** 1 where no need is known: then the last completion was cancelled right after its search, a few keystrokes ago. */
function similarityTo({ need }: ReusedFragments, now: Float32Array): number {
  return need === undefined ? 1 : similarityOf(need, now);
}

/** Why the last fragments no longer apply: the cursor jumped, or text away from it changed. Undefined after mere typing. */
function whyElsewhere(before: CursorContext, now: CursorContext): string | undefined {
  if (Math.abs(now.prefix.length - before.prefix.length) > maxEditDistance) return "the cursor moved to another place";
  const head = before.prefix.slice(0, Math.max(0, before.prefix.length - maxEditDistance));
  const tail = before.suffix.slice(maxEditDistance);
  const isSame = before.path === now.path && now.prefix.startsWith(head) && now.suffix.endsWith(tail);
  return isSame && Math.abs(now.suffix.length - before.suffix.length) <= maxEditDistance
    ? undefined
    : "the document changed elsewhere";
}

/**
 * The last fragments with their new scores and lines, and as dropped all else that the search found, where nothing new is
 * better by the margin; otherwise why the new ones are better, in words.
 */
export function compareWithFresh(
  last: ReusedFragments,
  fresh: Retrieval,
  revision: number,
  rule: ReuseRule,
): FragmentSelection | string {
  if (last.selected.length === 0)
    return fresh.selected.length === 0 ? fresh : "the last completion needed nothing, and this one needs something";
  const reused: SelectedFragment[] = [];
  for (const old of last.selected) {
    const current = currentOf(old, fresh, last.revision !== revision);
    if (typeof current === "string") return current;
    reused.push(current);
  }
  const best = Math.max(...reused.map(({ reference }) => rankOf(reference)));
  const [first] = fresh.selected;
  const bestNew = first === undefined ? -Infinity : rankOf(first.reference);
  if (bestNew > best + rule.margin) {
    const hasBoost = [first, ...reused].some((each) => each?.reference.boost !== undefined);
    return `another fragment scores ${bestNew.toFixed(3)}, the best one in use ${best.toFixed(3)}${hasBoost ? ", boosts included" : ""}`;
  }
  const isReused = (one: FragmentReference) =>
    reused.some(({ reference }) => reference.uri === one.uri && reference.startLine === one.startLine);
  const reason = `not better by ${rule.margin} than the best fragment in use`;
  const others = fresh.selected.map(({ reference }) => ({ ...reference, reason }));
  const dropped = [...others, ...fresh.dropped].filter((one) => !isReused(one));
  return { selected: reused, dropped, nothing: undefined, nullScore: fresh.nullScore };
}

/** A fragment with the score and the lines it has now, or in words why it can no longer be used. */
function currentOf(old: SelectedFragment, { found }: Retrieval, indexChanged: boolean): SelectedFragment | string {
  const { uri, path, text, startLine, endLine } = old.fragment;
  const hit = found.find(({ fragment }) => fragment.uri === uri && fragment.text === text);
  if (hit === undefined && indexChanged) return `${path}:${startLine}-${endLine} may have changed`;
  const { boost: _, ...reference } = old.reference;
  if (hit === undefined) {
    // All that is known of a fragment that was not found: it ranks no better than the last one found.
    const last = found.at(-1);
    const floor = last === undefined ? -1 : rankOf(last);
    return { ...old, reference: { ...reference, score: Math.min(floor, reference.score) } };
  }
  const lines = { startLine: hit.fragment.startLine, endLine: hit.fragment.endLine };
  const boost = hit.boost !== undefined && { boost: hit.boost };
  return { ...old, fragment: hit.fragment, reference: { ...reference, ...lines, score: hit.score, ...boost } };
}
