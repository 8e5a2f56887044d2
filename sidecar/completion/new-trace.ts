// The trace of a completion that has just begun: its place, and zeros for all that is still to be found out.
import type { CompletionTimings, CompletionTrace } from "../protocol";
import type { CursorContext } from "../retrieval/types";

export interface Position {
  /** 0-based. */
  readonly line: number;
  /** UTF-16 units. */
  readonly character: number;
}

/** A trace that is still being filled in. */
export type MutableTrace = Omit<CompletionTrace, "timings">;
export type MutableTimings = CompletionTimings;

export function newTrace(
  id: number,
  { uri, languageId }: CursorContext,
  { line, character }: Position,
  provider: CompletionTrace["provider"],
): MutableTrace {
  return {
    id,
    uri,
    languageId,
    position: { line, character },
    suggestion: "",
    stopReason: "not-started",
    fragments: [],
    dropped: [],
    promptTokens: 0,
    generatedTokens: 0,
    decodeSteps: 0,
    provider,
  };
}

/** Milliseconds. */
export function newTimings(): MutableTimings {
  return {
    totalMs: 0,
    waitMs: 0,
    expressMs: 0,
    searchMs: 0,
    selectMs: 0,
    prefillMs: 0,
    decodeMs: 0,
    filterMs: 0,
  };
}
