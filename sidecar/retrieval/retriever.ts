// Retrieves fragments for a cursor: expresses the need, searches, ranks and selects, and times each step.
import { isDeepStrictEqual } from "node:util";
import { LRUCache } from "lru-cache";
import type { Backbone } from "../inference/backbone";
import type { PromptFormat } from "../inference/prompt-format";
import type { DroppedFragment, SearchResult, Settings } from "../protocol";
import type { Fragment, ScoredFragment } from "../workspace/fragment";
import type { FragmentSource } from "../workspace/fragment-source";
import { type BoostRule, boostPinned, defaultBoosts, rankFragments } from "./boosts";
import { FileRules } from "./pinned-files";
import { expressNeed, nullScoreOf } from "./query";
import { referenceTo, type Selection, selectFragments } from "./select";
import type { CursorContext, RankedFragment, Retrieval, RetrievalLimits } from "./types";
import { alreadyVisible, type VisibleText } from "./visible-text";

interface RetrieverOptions {
  readonly backbone: Backbone;
  readonly promptFormat: PromptFormat;
  /** The index to search; undefined while there is none. Called for every request. */
  readonly source: () => FragmentSource | undefined;
  /** What is added to the scores of fragments, pinned files aside; default: {@link defaultBoosts} with no edited files. */
  readonly boosts?: BoostRule;
}

/** What fragments are retrieved for. */
export interface RetrievalRequest {
  readonly context: CursorContext;
  /** The part of the document that the prompt shows at most. */
  readonly visible: VisibleText;
  readonly limits: RetrievalLimits;
}

/** More candidates than wanted fragments are searched, since overlapping and duplicate ones take places at the top. */
const minCandidates = 16;
const candidatesPerFragment = 4;
/** Maximum number of fragments whose tokens are cached, about 1 kB each. */
const maxRendered = 512;

export class Retriever {
  /** By the fragment object: an index that reads a file again makes new objects. */
  private readonly rendered = new LRUCache<Fragment, readonly number[]>({ max: maxRendered });
  /** The rules of the last settings, which cache their answers by path. */
  private rules:
    | { readonly settings: Pick<RetrievalLimits, "pinnedFiles" | "bannedFiles">; readonly files: FileRules }
    | undefined;
  private readonly boosts: BoostRule;

  constructor(private readonly options: RetrieverOptions) {
    this.boosts = options.boosts ?? defaultBoosts();
  }

  /** What can be searched within these limits, or in words why nothing can. */
  searchable(limits: RetrievalLimits): FragmentSource | string {
    if (limits.maxFragments === 0) return "selfracg.maxFragments is 0";
    if (limits.fragmentBudget === 0) return "selfracg.fragmentBudget is 0";
    const source = this.options.source();
    if (source === undefined) return "no workspace folder is open";
    if (source.fragmentCount === 0) return "the index holds no fragment yet";
    return source;
  }

  /**
   * The fragments for this cursor.
   * @param source as {@link searchable} returned it
   * @throws AbortError when `signal` is aborted.
   */
  async retrieve(
    { context, visible, limits }: RetrievalRequest,
    signal?: AbortSignal,
    source: FragmentSource | string = this.searchable(limits),
  ): Promise<Retrieval> {
    if (typeof source === "string") return noRetrieval(source);
    const { backbone, promptFormat } = this.options;
    const start = performance.now();
    const need = await expressNeed(backbone, promptFormat, context, signal);
    const expressed = performance.now();
    const nullScore = nullScoreOf(backbone.model.retrieval, need);
    const count = minCandidates + limits.maxFragments * candidatesPerFragment;
    const rules = this.rulesOf(limits);
    const boostOf = boostPinned(rules, this.boosts(context));
    const bannedBy = (fragment: Fragment) => rules.bannedBy(fragment);
    const render = (fragment: Fragment) => this.render(fragment);
    const nearest = source.search(need, count);
    /** Whether the index holds more fragments that may be needed. */
    const hasMore = nearest.length === count && (nearest.at(-1)?.score ?? -Infinity) >= nullScore;
    let hits = hasMore ? [...nearest, ...pinnedBeyond(nearest, source, need, limits.maxFragments, rules)] : nearest;
    const searched = performance.now();
    let found: RankedFragment[];
    let selection: Selection;
    for (let pass = 1; ; pass++) {
      found = rankFragments(hits, boostOf);
      const candidates = pass === 1 ? found.slice(0, count) : found;
      selection = selectFragments(candidates, { visible, limits, nullScore, bannedBy, render });
      const isFull = selection.selected.length >= limits.maxFragments;
      if (pass > 1 || isFull || !(hasMore || candidates.some(({ score }) => score >= nullScore))) break;
      // Banned, visible or duplicate fragments may have taken all the places: look for further ones behind them.
      const known = new Set(candidates.map(({ fragment }) => fragment));
      const isNew = (fragment: Fragment) =>
        !known.has(fragment) && bannedBy(fragment) === undefined && alreadyVisible(fragment, visible) === undefined;
      hits = [...candidates, ...source.search(need, count, isNew)];
    }
    const timings = {
      expressMs: expressed - start,
      searchMs: searched - expressed,
      selectMs: performance.now() - searched,
    };
    const { selected, dropped } = selection;
    const retrieval: Retrieval = { selected, dropped, found, nullScore, timings };
    return selected.length > 0 ? retrieval : { ...retrieval, nothing: whyNothing(dropped, nullScore) };
  }

  /**
   * The `count` best fragments for this cursor, except those of banned files. None is dropped for what the prompt shows
   * already, nor for its score.
   * @throws AbortError when `signal` is aborted.
   */
  async rank(
    context: CursorContext,
    limits: RetrievalLimits,
    count: number,
    signal?: AbortSignal,
  ): Promise<SearchResult> {
    const { backbone, promptFormat } = this.options;
    const need = await expressNeed(backbone, promptFormat, context, signal);
    const nullScore = nullScoreOf(backbone.model.retrieval, need);
    const source = this.options.source();
    if (source === undefined) return { nullScore, fragments: [] };
    const rules = this.rulesOf(limits);
    const isAllowed = rules.hasBans ? (fragment: Fragment) => rules.bannedBy(fragment) === undefined : undefined;
    const nearest = source.search(need, count, isAllowed);
    const hits = [...nearest, ...pinnedBeyond(nearest, source, need, count, rules)];
    const best = rankFragments(hits, boostPinned(rules, this.boosts(context))).slice(0, count);
    return { nullScore, fragments: best.map((each) => referenceTo(each, this.render(each.fragment).length)) };
  }

  private rulesOf({ pinnedFiles, bannedFiles }: RetrievalLimits): FileRules {
    const settings = { pinnedFiles, bannedFiles };
    if (this.rules === undefined || !isDeepStrictEqual(this.rules.settings, settings))
      this.rules = { settings, files: new FileRules(settings) };
    return this.rules.files;
  }

  /** The fragment as it stands in prompts, cached: a few lines on, a search finds much the same ones again. */
  private render(fragment: Fragment): readonly number[] {
    const { backbone, promptFormat } = this.options;
    const tokens =
      this.rendered.get(fragment) ??
      promptFormat.fragment(fragment.path, fragment.text, backbone.model.retrieval.fragmentTokens);
    this.rendered.set(fragment, tokens);
    return tokens;
  }
}

/** The settings that limit what is retrieved. */
export function limitsOf({ maxFragments, fragmentBudget, pinnedFiles, bannedFiles }: Settings): RetrievalLimits {
  return { maxFragments, fragmentBudget, pinnedFiles, bannedFiles };
}

/** A retrieval that did not begin, and why. */
export function noRetrieval(reason: string): Retrieval {
  return { selected: [], dropped: [], found: [], nothing: reason, timings: { expressMs: 0, searchMs: 0, selectMs: 0 } };
}

/**
 * The best fragments of pinned files that are not among those found. Searches only where some can be missing: to tell
 * fragments of pinned files from others takes longer than a search.
 */
function pinnedBeyond(
  found: readonly ScoredFragment[],
  source: FragmentSource,
  need: Float32Array,
  count: number,
  rules: FileRules,
): ScoredFragment[] {
  const isPinned = (fragment: Fragment) => rules.pinnedBy(fragment) !== undefined;
  if (!rules.hasPins || found.filter(({ fragment }) => isPinned(fragment)).length >= count) return [];
  const known = new Set(found.map(({ fragment }) => fragment));
  return source.search(need, count, (fragment) => isPinned(fragment) && !known.has(fragment));
}

function whyNothing(dropped: readonly DroppedFragment[], nullScore: number): string {
  if (dropped.length === 0) return "the search found no fragment";
  const bestScore = Math.max(...dropped.map(({ score }) => score));
  return bestScore < nullScore
    ? `the model needs nothing: the best score, ${bestScore.toFixed(3)}, is below ${nullScore.toFixed(3)}`
    : "every fragment found was dropped";
}
