// Retrieval from end to end: need, search, select, with the time of each and the reason where nothing comes of it.
import type { Backbone } from "../inference/backbone";
import type { PromptFormat } from "../inference/prompt-format";
import type { Tokenizer } from "../inference/tokenizer";
import type { SearchResult } from "../protocol";
import type { Fragment } from "../workspace/fragment";
import type { FragmentSource } from "../workspace/fragment-source";
import { expressNeed, nullScoreOf } from "./need";
import type { CursorContext, Retrieval, RetrievalLimits } from "./retrieval";
import { referenceTo, selectFragments, type SelectOptions, whereSeen } from "./select";
import { visibleText } from "./visible";

export interface RetrieverOptions {
  readonly backbone: Backbone;
  readonly promptFormat: PromptFormat;
  readonly tokenizer: Tokenizer;
  /** What can be searched now; undefined while there is none. */
  readonly source: () => FragmentSource | undefined;
}

/** Candidates looked at for each fragment wanted: overlaps and duplicates take places at the top. */
const candidatesPerFragment = 8;
const leastCandidates = 16;
/** Fragments whose tokens are kept, about 1 kB each. */
const mostRendered = 512;

export class Retriever {
  /** The last used is the last. An index that reads a fragment anew makes another object of it. */
  private readonly rendered = new Map<Fragment, readonly number[]>();

  constructor(private readonly options: RetrieverOptions) {}

  /**
   * The fragments for this cursor. `codeTokens` is the most tokens of surrounding code that the prompt can show.
   * @throws AbortError when `signal` is aborted.
   */
  async retrieve(context: CursorContext, limits: RetrievalLimits, codeTokens: number, signal?: AbortSignal): Promise<Retrieval> {
    const { backbone, promptFormat, tokenizer } = this.options;
    const source = searchable(this.options.source(), limits);
    if (typeof source === "string") return nothing(source);

    const start = performance.now();
    const need = await expressNeed(backbone, promptFormat, context, signal);
    const expressed = performance.now();
    const depth = Math.max(leastCandidates, limits.maxFragments * candidatesPerFragment);
    let candidates = source.search(need, depth);
    const searched = performance.now();
    const { fragmentTokens } = backbone.model.retrieval;
    const nullScore = nullScoreOf(backbone.model.retrieval, need);
    const visible = visibleText(context, codeTokens, tokenizer);
    const render = (fragment: Fragment): readonly number[] => this.render(fragment, fragmentTokens);
    const options: SelectOptions = { context, visible, limits, nullScore, render };
    let { selected, dropped } = selectFragments(candidates, options);
    if (selected.length < limits.maxFragments && candidates.length === depth && (candidates.at(-1)?.score ?? -Infinity) >= nullScore) {
      // What is in sight already, or said twice, took all the places: those behind it are looked at without it.
      const known = new Set(candidates.map(({ fragment }) => fragment));
      candidates = [...candidates, ...source.search(need, depth, (fragment) => !known.has(fragment) && whereSeen(fragment, context, visible) === undefined)];
      ({ selected, dropped } = selectFragments(candidates, options));
    }
    const timings = { expressMs: expressed - start, searchMs: searched - expressed, selectMs: performance.now() - searched };
    if (selected.length > 0) return { selected, dropped, found: candidates, timings };
    return { selected, dropped, found: candidates, timings, nothing: whyNothing(candidates[0]?.score, nullScore) };
  }

  /**
   * The `count` fragments nearest to what is needed at this cursor, best first. None is dropped for what the prompt holds.
   * @throws AbortError when `signal` is aborted.
   */
  async rank(context: CursorContext, count: number, signal?: AbortSignal): Promise<SearchResult> {
    const { backbone, promptFormat } = this.options;
    const { fragmentTokens } = backbone.model.retrieval;
    const need = await expressNeed(backbone, promptFormat, context, signal);
    const found = this.options.source()?.search(need, count) ?? [];
    return { nullScore: nullScoreOf(backbone.model.retrieval, need), fragments: found.map(({ fragment, score }) => referenceTo(fragment, score, this.render(fragment, fragmentTokens).length)) };
  }

  /** The fragment as it stands in prompts. A few lines on, a search finds much the same ones again. */
  private render(fragment: Fragment, limit: number): readonly number[] {
    const known = this.rendered.get(fragment);
    const tokens = known ?? this.options.promptFormat.fragment(fragment.path, fragment.text, limit);
    this.rendered.delete(fragment);
    this.rendered.set(fragment, tokens);
    for (const oldest of this.rendered.keys()) {
      if (this.rendered.size <= mostRendered) break;
      this.rendered.delete(oldest);
    }
    return tokens;
  }
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

function whyNothing(bestScore: number | undefined, nullScore: number): string {
  if (bestScore === undefined) return "the search found no fragment";
  if (bestScore < nullScore) {
    return `the model needs nothing: the best score, ${bestScore.toFixed(3)}, is below ${nullScore.toFixed(3)}`;
  }
  return "every fragment found was dropped";
}
