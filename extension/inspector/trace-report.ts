// A trace as JSON for a bug report: paths and numbers only, and code only where it was asked for.
import type { CompletionTrace, InspectedPrompt, SidecarStatus } from "../../sidecar/protocol";
import { traceFacts } from "../diagnostics/trace-facts";

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

/** @param code present: the report holds code, addresses and scopes too */
export function traceReport({ version, status, trace, file }: TraceReport, code?: ReportedCode): string {
  const { model, provider, vectorIndex, index } = status;
  const facts = traceFacts(trace, file);
  const withCode = code && {
    fragments: facts.fragments.map((each, at) => ({ ...each, ...codeOf(trace.fragments[at]) })),
    dropped: facts.dropped.map((each, at) => ({ ...each, ...codeOf(trace.dropped[at]) })),
    uri: trace.uri,
    suggestion: trace.suggestion,
    prompt: code.prompt?.pieces,
  };
  const report = {
    selfracg: version,
    model,
    provider,
    vectorIndex,
    index: index && { files: index.files, fragments: index.fragments },
    trace: { ...facts, ...withCode },
  };
  return JSON.stringify(report, undefined, 2);
}

function codeOf(fragment: CompletionTrace["fragments"][number] | undefined) {
  return fragment && { uri: fragment.uri, scope: fragment.scope };
}
