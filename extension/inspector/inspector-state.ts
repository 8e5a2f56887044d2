// The inspector's state: the last suggestions, which one is shown, and what the sidecar answered about each.
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

/** Maximum number of suggestions in the list. */
const maxTraces = 50;
/** Maximum number of suggestions whose answers are held: as many as the sidecar holds. */
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
  private chosenId: number | undefined;
  private readonly times = new Map<number, Date>();
  private readonly answers = new LRUCache<number, TraceAnswers>({ max: maxAnswers });

  /** Whether the newest suggestion is always shown. */
  get following(): boolean {
    return this.chosenId === undefined;
  }

  /** The suggestion that is shown. */
  get shown(): CompletionTrace | undefined {
    return this.traces.find(({ id }) => id === this.chosenId) ?? this.traces[0];
  }

  /** Adds a suggestion that was just made, or that was typed along. */
  add(trace: CompletionTrace, now: Date): void {
    this.times.set(trace.id, now);
    this.replaceAll([trace, ...this.traces.filter(({ id }) => id !== trace.id)]);
  }

  /** Replaces the list. */
  replaceAll(traces: readonly CompletionTrace[]): void {
    this.traces = traces.slice(0, maxTraces);
    const ids = new Set(this.traces.map(({ id }) => id));
    for (const id of [...this.times.keys(), ...this.answers.keys()]) {
      if (!ids.has(id)) {
        this.times.delete(id);
        this.answers.delete(id);
      }
    }
    if (this.chosenId !== undefined && !ids.has(this.chosenId)) {
      this.chosenId = undefined;
    }
  }

  /** For a new sidecar, which numbers its suggestions from 1 again and knows nothing of the old ones. */
  reset(): void {
    this.replaceAll([]);
    this.found = undefined;
    this.counts = undefined;
  }

  /** Shows one suggestion until told otherwise; an unknown id changes nothing. */
  choose(id: number): void {
    if (this.traces.some((trace) => trace.id === id)) {
      this.chosenId = id;
    }
  }

  /** Switches between the newest suggestion and the one that is shown now. */
  toggleFollowing(): void {
    this.chosenId = this.chosenId === undefined ? this.traces[0]?.id : undefined;
  }

  /** When the suggestion was added last; undefined where the inspector was not open then. */
  timeOf(id: number): Date | undefined {
    return this.times.get(id);
  }

  /** The answers about a suggestion; may be written to. */
  answersOf(id: number): TraceAnswers {
    let answers = this.answers.get(id);
    if (answers === undefined) {
      answers = {};
      this.answers.set(id, answers);
    }
    return answers;
  }
}
