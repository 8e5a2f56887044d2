// What the inspector looks at: the last suggestions, the one chosen among them, and what was asked about each.

import { LRUCache } from "lru-cache";
import type {
  Comparison,
  CompletionTrace,
  InspectedPrompt,
  NeedWeights,
  SearchResult,
  SuggestionCounts,
} from "../../sidecar/protocol";
import type { Answer } from "./html";
import type { Layer } from "./sections/need";

/** Suggestions listed. */
const mostTraces = 50;
/** Suggestions of which answers are kept: as many as the sidecar holds. */
const maxAnswers = 20;

/** What was asked about one suggestion. */
export interface TraceAnswers {
  prompt?: Answer<InspectedPrompt>;
  need?: Answer<NeedWeights>;
  comparison?: Answer<Comparison>;
}

export class InspectorState {
  /** Newest first. */
  traces: readonly CompletionTrace[] = [];
  found: Answer<SearchResult> | undefined;
  counts: Answer<SuggestionCounts> | undefined;
  layer: Layer = "all";
  private chosen: number | undefined;
  private readonly times = new Map<number, Date>();
  private readonly answers = new LRUCache<number, TraceAnswers>({ max: maxAnswers });

  /** Whether the newest suggestion is always the one shown. */
  get following(): boolean {
    return this.chosen === undefined;
  }

  /** The suggestion that is looked at. */
  get shown(): CompletionTrace | undefined {
    return this.traces.find(({ id }) => id === this.chosen) ?? this.traces[0];
  }

  /** Takes in a suggestion just made, or typed along. */
  put(trace: CompletionTrace, now: Date): void {
    this.times.set(trace.id, now);
    this.fill([trace, ...this.traces.filter(({ id }) => id !== trace.id)]);
  }

  /** Takes in the list that the sidecar holds. */
  fill(traces: readonly CompletionTrace[]): void {
    this.traces = traces.slice(0, mostTraces);
    const ids = new Set(this.traces.map(({ id }) => id));
    for (const id of [...this.times.keys(), ...this.answers.keys()]) {
      if (!ids.has(id)) {
        this.times.delete(id);
        this.answers.delete(id);
      }
    }
    if (this.chosen !== undefined && !ids.has(this.chosen)) {
      this.chosen = undefined;
    }
  }

  /** Another sidecar counts anew, and holds nothing of the last one's. */
  reset(): void {
    this.fill([]);
    this.found = undefined;
    this.counts = undefined;
  }

  /** Stays with one suggestion, whatever comes; an unknown one changes nothing. */
  choose(id: number): void {
    if (this.traces.some((trace) => trace.id === id)) {
      this.chosen = id;
    }
  }

  /** Follows the newest suggestion, or stays with the one it shows. */
  toggleFollowing(): void {
    this.chosen = this.chosen === undefined ? this.traces[0]?.id : undefined;
  }

  /** When the suggestion was taken in last; undefined for one of before. */
  timeOf(id: number): Date | undefined {
    return this.times.get(id);
  }

  /** What was asked about a suggestion; may be written to. */
  answersOf(id: number): TraceAnswers {
    let answers = this.answers.get(id);
    if (answers === undefined) {
      answers = {};
      this.answers.set(id, answers);
    }
    return answers;
  }
}
