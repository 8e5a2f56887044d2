// The suggestion that is shown: its place, its text or why there is none, and how sure the model was.
import type { CompletionTrace, SidecarStatus } from "../../../sidecar/protocol";
import { count } from "../../status/status-text";
import { actionButton, commandButton, escapeHtml, link, paragraph, sentence } from "../html";
import { renderConfidence } from "./confidence";

/** What to do while there is nothing to show. */
export function renderEmpty(status: SidecarStatus): string {
  const advice: Record<SidecarStatus["state"], string> = {
    starting:
      "The sidecar is starting. Once it is ready, type in a file: what was retrieved for the suggestion shows here.",
    indexing:
      "The workspace is being indexed. Suggestions work already; type in a file, and what was retrieved shows here.",
    ready: "Type in a file. What was retrieved for the suggestion, and why, shows here after each one.",
    snoozed: "Suggestions are snoozed. What was retrieved shows here once they are back.",
    off: "Suggestions are off, so there is nothing to inspect.",
    error: "There can be no suggestion while the error below lasts.",
  };
  const actions: Partial<Record<SidecarStatus["state"], string>> = {
    off: commandButton("toggle", "Turn suggestions on"),
    error: `${commandButton("restart", "Restart the sidecar")} ${commandButton("log", "Show the log")}`,
  };
  return `<div class="empty" aria-live="polite">
<h1>No suggestion yet</h1>
<p>${escapeHtml(advice[status.state])}</p>
${paragraph(actions[status.state], "actions")}</div>`;
}

export function renderSuggestion(trace: CompletionTrace, file: string): string {
  const line = trace.position.line + 1;
  const place = link(
    "cursor",
    escapeHtml(`${file}:${line}:${trace.position.character + 1}`),
    `Open ${file} at line ${line}`,
  );
  const suggestion =
    trace.suggestion === ""
      ? `<p class="note">Nothing was suggested: ${escapeHtml(sentence(trace.suppressed ?? stopReasons[trace.stopReason]))}</p>`
      : `<pre class="code suggestion"><code>${escapeHtml(trace.suggestion)}</code></pre>`;
  return `<h1>Suggestion ${trace.id}</h1>
<p class="place">${place}</p>
${suggestion}
${renderConfidence(trace.confidence)}
<p class="facts">${escapeHtml(
    [
      `${count(trace.promptTokens, "prompt token")}`,
      `${count(trace.generatedTokens, "token")} generated${trace.decodeSteps > 0 ? ` in ${count(trace.decodeSteps, "step")}` : ""}`,
      `ended at ${stopReasons[trace.stopReason]}`,
      `on ${trace.provider.toUpperCase()}`,
      ...(trace.cached ? ["from the cache this time"] : []),
    ].join(" · "),
  )}</p>
<p class="actions">${actionButton("copy", "Copy trace as JSON", ' title="Paths and numbers only, no code: for a bug report"')} ${actionButton("copy-with-code", "Copy with code", ' title="With the suggestion and the prompt, which hold your code"')}</p>`;
}

const stopReasons: Record<CompletionTrace["stopReason"], string> = {
  "end-of-text": "the end of the text",
  "end-of-statement": "the end of the statement",
  "end-of-block": "the end of the block",
  repetition: "a repetition",
  "token-limit": "the token limit",
  cancelled: "a newer request",
  "not-started": "the start: nothing was generated",
};
