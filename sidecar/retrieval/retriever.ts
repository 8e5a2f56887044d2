// Retrieval from end to end: need, search, select, with the time of each and the reason where nothing comes of it.

import { isDeepStrictEqual } from "node:util";
import { LRUCache } from "lru-cache";
import type { Backbone } from "../inference/backbone";
import type { PromptFormat } from "../inference/prompt-format";
import type { Tokenizer } from "../inference/tokenizer";
import type { DroppedFragment, SearchResult } from "../protocol";
import type { Fragment, ScoredFragment } from "../workspace/fragment";
import type { FragmentSource } from "../workspace/fragment-source";
import { type Raising, type RaisingRule, raisingAsMeasured, raisingPinned, ranked } from "./boosts";
import { ChosenFiles } from "./pinned-files";
import { expressNeed, nullScoreOf } from "./query";
import { referenceTo, type SelectOptions, selectFragments, whereSeen } from "./select";
import type { CursorContext, Retrieval, RetrievalLimits } from "./types";
import { visibleText } from "./visible-text";

export interface RetrieverOptions {
  readonly backbone: Backbone;
  readonly promptFormat: PromptFormat;
  readonly tokenizer: Tokenizer;
  /** What can be searched now; undefined while there is none. */
  readonly source: () => FragmentSource | undefined;
  /** What raises fragments above their score, beside pins; default: as measured, with nothing edited. */
  readonly raising?: RaisingRule;
}

/** Candidates looked at: so many, and more for each fragment wanted, since overlaps and duplicates take places at the top. */
const leastCandidates = 16;
const candidatesPerFragment = 4;
/** Fragments whose tokens are kept, about 1 kB each. */
const maxRendered = 512;

export class Retriever {
  /** The last used is the last. An index that reads a fragment anew makes another object of it. */
  private readonly rendered = new LRUCache<Fragment, readonly number[]>({ max: maxRendered });

  private chosen:
    | { readonly settings: Pick<RetrievalLimits, "pinnedFiles" | "bannedFiles">; readonly files: ChosenFiles }
    | undefined;

  private readonly raisingRule: RaisingRule;

  constructor(private readonly options: RetrieverOptions) {
    this.raisingRule = options.raising ?? raisingAsMeasured();
  }

  /**
   * The fragments for this cursor. `codeTokens` is the most tokens of surrounding code that the prompt can show.
   * @throws AbortError when `signal` is aborted.
   */
  async retrieve(
    context: CursorContext,
    limits: RetrievalLimits,
    codeTokens: number,
    signal?: AbortSignal,
  ): Promise<Retrieval> {
    const { backbone, promptFormat, tokenizer } = this.options;
    const source = searchable(this.options.source(), limits);
    if (typeof source === "string") return nothing(source);

    const start = performance.now();
    const need = await expressNeed(backbone, promptFormat, context, signal);
    const expressed = performance.now();
    const count = leastCandidates + limits.maxFragments * candidatesPerFragment;
    const chosen = this.chosenFiles(limits);
    const raising = this.raising(context, chosen);
    const nearest = source.search(need, count);
    const nullScore = nullScoreOf(backbone.model.retrieval, need);
    /** Whether what was not found may be needed too. */
    const isLeft = nearest.length === count && (nearest.at(-1)?.score ?? -Infinity) >= nullScore;
    let found = ranked(
      [...nearest, ...(isLeft ? pinnedBeyond(nearest, source, need, limits.maxFragments, chosen) : [])],
      raising,
    );
    let candidates = found.slice(0, count);
    const searched = performance.now();
    const { fragmentTokens } = backbone.model.retrieval;
    const visible = visibleText(context, codeTokens, tokenizer);
    const render = (fragment: Fragment): readonly number[] => this.render(fragment, fragmentTokens);
    const bannedBy = (fragment: Fragment) => chosen.bannedBy(fragment);
    const options: SelectOptions = { context, visible, limits, nullScore, bannedBy, render };
    let { selected, dropped } = selectFragments(candidates, options);
    if (
      selected.length < limits.maxFragments &&
      (isLeft || found.slice(count).some(({ score }) => score >= nullScore))
    ) {
      // What is banned, in sight already or said twice took all the places: those behind it are looked at without it.
      const known = new Set(candidates.map(({ fragment }) => fragment));
      const counts = (fragment: Fragment) =>
        !known.has(fragment) && bannedBy(fragment) === undefined && whereSeen(fragment, context, visible) === undefined;
      candidates = found = ranked([...candidates, ...source.search(need, count, counts)], raising);
      ({ selected, dropped } = selectFragments(candidates, options));
    }
    const timings = {
      expressMs: expressed - start,
      searchMs: searched - expressed,
      selectMs: performance.now() - searched,
    };
    const retrieval: Retrieval = { selected, dropped, found, nullScore, timings };
    return selected.length > 0 ? retrieval : { ...retrieval, nothing: whyNothing(dropped, nullScore) };
  }

  /**
   * The `count` fragments that come first at this cursor, those of banned files left out. None is dropped for what the
   * prompt holds, nor for its score.
   * @throws AbortError when `signal` is aborted.
   */
  async rank(
    context: CursorContext,
    limits: RetrievalLimits,
    count: number,
    signal?: AbortSignal,
  ): Promise<SearchResult> {
    const { backbone, promptFormat } = this.options;
    const { fragmentTokens } = backbone.model.retrieval;
    const need = await expressNeed(backbone, promptFormat, context, signal);
    const source = this.options.source();
    const chosen = this.chosenFiles(limits);
    const found =
      source?.search(need, count, chosen.hasBans ? (fragment) => chosen.bannedBy(fragment) === undefined : undefined) ??
      [];
    const pinned = source === undefined ? [] : pinnedBeyond(found, source, need, count, chosen);
    const best = ranked([...found, ...pinned], this.raising(context, chosen)).slice(0, count);
    return {
      nullScore: nullScoreOf(backbone.model.retrieval, need),
      fragments: best.map((each) => referenceTo(each, this.render(each.fragment, fragmentTokens).length)),
    };
  }

  private raising(context: CursorContext, chosen: ChosenFiles): Raising {
    return raisingPinned(chosen, this.raisingRule(context));
  }

  /** The same ones while the settings are the same: they know the paths they were asked about. */
  private chosenFiles({ pinnedFiles, bannedFiles }: RetrievalLimits): ChosenFiles {
    const settings = { pinnedFiles, bannedFiles };
    let chosen = this.chosen;
    if (chosen === undefined || !isDeepStrictEqual(chosen.settings, settings))
      this.chosen = chosen = { settings, files: new ChosenFiles(settings) };
    return chosen.files;
  }

  /** The fragment as it stands in prompts. A few lines on, a search finds much the same ones again. */
  private render(fragment: Fragment, limit: number): readonly number[] {
    const known = this.rendered.get(fragment);
    const tokens = known ?? this.options.promptFormat.fragment(fragment.path, fragment.text, limit);
    if (known === undefined) this.rendered.set(fragment, tokens);
    return tokens;
  }
}

/**
 * The best fragments of pinned files that are not among those found. They are asked for only where they can be missing: to
 * tell fragments of pinned files from others takes longer than a search.
 */
function pinnedBeyond(
  found: readonly ScoredFragment[],
  source: FragmentSource,
  need: Float32Array,
  count: number,
  chosen: ChosenFiles,
): ScoredFragment[] {
  if (!chosen.hasPins || found.filter(({ fragment }) => chosen.pinnedBy(fragment) !== undefined).length >= count)
    return [];
  const known = new Set(found.map(({ fragment }) => fragment));
  return source.search(need, count, (fragment) => chosen.pinnedBy(fragment) !== undefined && !known.has(fragment));
}

/** What can be searched within these limits, or why nothing can. */
export function searchable(source: FragmentSource | undefined, limits: RetrievalLimits): FragmentSource | string {
  if (limits.maxFragments === 0) return "selfracg.maxFragments is 0";
  if (limits.fragmentBudget === 0) return "selfracg.fragmentBudget is 0";
  if (source === undefined) return "no workspace folder is open";
  if (source.fragmentCount === 0) return "the index holds no fragment yet";
  return source;
}

/** A retrieval that did not begin, and why. */
export function nothing(reason: string): Retrieval {
  return { selected: [], dropped: [], found: [], nothing: reason, timings: { expressMs: 0, searchMs: 0, selectMs: 0 } };
}

function whyNothing(dropped: readonly DroppedFragment[], nullScore: number): string {
  if (dropped.length === 0) return "the search found no fragment";
  const bestScore = Math.max(...dropped.map(({ score }) => score));
  if (bestScore < nullScore) {
    return `the model needs nothing: the best score, ${bestScore.toFixed(3)}, is below ${nullScore.toFixed(3)}`;
  }
  return "every fragment found was dropped";
}
