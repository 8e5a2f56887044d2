// A complete trace of a completion, for tests that only look at parts of it.
import { newTimings, newTrace } from "../../sidecar/completion/new-trace";
import type { CompletionTrace } from "../../sidecar/protocol";

/** A trace at the beginning of a Python file, with these parts changed. */
export function traceWith(change: Partial<CompletionTrace> = {}): CompletionTrace {
  const place = { uri: "file:///a.py", path: "a.py", languageId: "python", prefix: "", suffix: "" };
  return {
    ...newTrace(1, place, { line: 0, character: 0 }, "cpu"),
    stopReason: "end-of-statement",
    promptTokens: 1,
    generatedTokens: 1,
    timings: { ...newTimings(), totalMs: 1 },
    ...change,
  };
}
