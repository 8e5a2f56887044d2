// A trace as JSON for a bug report: paths and numbers only, and code only where it was asked for.

import type { CompletionTrace, FragmentReference, InspectedPrompt, SidecarStatus } from "../../sidecar/protocol";

export interface TraceReport {
  /** Of the extension. */
  readonly version: string;
  readonly status: SidecarStatus;
  readonly trace: CompletionTrace;
  /** The file of the trace, from its workspace folder. */
  readonly file: string;
}

/** What holds code, or where on this machine it lies. */
export interface ReportedCode {
  /** Null: no longer held. */
  readonly prompt: InspectedPrompt | null;
}

/**
 * The report's text. Everything in it is named here one by one, so that what is added to a trace one day, and may hold
 * code, is not in it by itself.
 */
export function traceReport({ version, status, trace, file }: TraceReport, code?: ReportedCode): string {
  const fragment = (each: FragmentReference) => ({
    path: each.path,
    startLine: each.startLine,
    endLine: each.endLine,
    score: each.score,
    tokens: each.tokens,
    raised: each.raised,
    ...(code !== undefined && { uri: each.uri, scope: each.scope }),
  });
  const report = {
    selfracg: version,
    model: status.model,
    provider: status.provider,
    vectorIndex: status.vectorIndex,
    index: status.index === undefined ? undefined : { files: status.index.files, fragments: status.index.fragments },
    trace: {
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
      fragments: trace.fragments.map(fragment),
      dropped: trace.dropped.map((each) => ({ ...fragment(each), reason: each.reason })),
      kept: trace.kept,
      fetched: trace.fetched,
      promptTokens: trace.promptTokens,
      generatedTokens: trace.generatedTokens,
      decodeSteps: trace.decodeSteps,
      timings: trace.timings,
      provider: trace.provider,
      cached: trace.cached,
      ...(code !== undefined && { uri: trace.uri, suggestion: trace.suggestion, prompt: code.prompt?.pieces }),
    },
  };
  return JSON.stringify(report, undefined, 2);
}
