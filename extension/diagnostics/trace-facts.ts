// What a bug report holds of a completion: paths, places and numbers, and no code.
import type { CompletionTrace, FragmentReference } from "../../sidecar/protocol";

/**
 * Each member is named here, so that what is added to a trace one day, and may hold code, is not in a report by itself.
 * @param file of the trace, from its workspace folder
 */
export function traceFacts(trace: CompletionTrace, file: string) {
  return {
    id: trace.id,
    path: file,
    languageId: trace.languageId,
    position: trace.position,
    suggestionCharacters: trace.suggestion.length,
    suppressed: trace.suppressed,
    stopReason: trace.stopReason,
    confidence: trace.confidence,
    nothingRetrieved: trace.nothingRetrieved,
    nullScore: trace.nullScore,
    fragments: trace.fragments.map(fragmentFacts),
    dropped: trace.dropped.map((each) => ({ ...fragmentFacts(each), reason: each.reason })),
    reused: trace.reused,
    fetched: trace.fetched,
    promptTokens: trace.promptTokens,
    generatedTokens: trace.generatedTokens,
    decodeSteps: trace.decodeSteps,
    timings: trace.timings,
    provider: trace.provider,
    cached: trace.cached,
  };
}

function fragmentFacts({ path, startLine, endLine, score, tokens, boost }: FragmentReference) {
  return { path, startLine, endLine, score, tokens, boost };
}
