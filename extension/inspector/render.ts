// The retrieval inspector's HTML, made from plain data. Every text in it is escaped; no style and no script is inline.

import type {
  CompletionTimings,
  CompletionTrace,
  DroppedFragment,
  FragmentReference,
  SidecarStatus,
} from "../../sidecar/protocol";
import { count, formatBytes } from "../status-text";

/** Commands that the page may ask for, by the name used in it. */
export const pageCommands = {
  toggle: "selfracg.toggle",
  restart: "selfracg.restartSidecar",
  log: "selfracg.showLog",
  reindex: "selfracg.reindex",
} as const;

/** What the page can show. */
export interface InspectorModel {
  status: SidecarStatus;
  trace?: CompletionTrace;
  /** The file of the trace, as people know it. */
  file?: string;
}

/** The whole page. `resourceSource`: the origin that the style sheet and the script come from. */
export function renderPage(options: {
  nonce: string;
  resourceSource: string;
  styleUri: string;
  scriptUri: string;
  body: string;
}): string {
  const policy = `default-src 'none'; style-src ${options.resourceSource}; script-src 'nonce-${options.nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Retrieval Inspector</title>
<link rel="stylesheet" href="${escapeHtml(options.styleUri)}">
</head>
<body>
<main id="inspector">${options.body}</main>
<script nonce="${escapeHtml(options.nonce)}" src="${escapeHtml(options.scriptUri)}"></script>
</body>
</html>`;
}

/** The inside of the page's `main` element. */
export function renderInspector(model: InspectorModel): string {
  const { trace, status } = model;
  return [
    trace === undefined ? renderEmpty(status) : renderTrace(trace, model.file ?? trace.uri),
    renderStatus(status),
  ].join("\n");
}

function renderEmpty(status: SidecarStatus): string {
  const advice: Record<SidecarStatus["state"], string> = {
    starting: "The sidecar is starting. Once it is ready, type in a file: what was retrieved for the suggestion shows here.",
    indexing:
      "The workspace is being indexed. Suggestions work already; type in a file, and what was retrieved shows here.",
    ready: "Type in a file. What was retrieved for the suggestion, and why, shows here after each one.",
    snoozed: "Suggestions are snoozed. What was retrieved shows here once they are back.",
    off: "Suggestions are off, so there is nothing to inspect.",
    error: "There can be no suggestion as long as the error below lasts.",
  };
  const actions: Partial<Record<SidecarStatus["state"], string>> = {
    off: renderCommand("toggle", "Turn suggestions on"),
    error: `${renderCommand("restart", "Restart the sidecar")} ${renderCommand("log", "Show the log")}`,
  };
  return `<section class="empty" aria-live="polite">
<h1>No suggestion yet</h1>
<p>${escapeHtml(advice[status.state])}</p>
${paragraph(actions[status.state], "actions")}</section>`;
}

function renderTrace(trace: CompletionTrace, file: string): string {
  const line = trace.position.line + 1;
  const character = trace.position.character + 1;
  const place = `<button type="button" class="link" data-open="cursor" title="Open ${escapeHtml(file)} at line ${line}">${escapeHtml(file)}:${line}:${character}</button>`;
  const suggestion =
    trace.suggestion === ""
      ? `<p class="note">Nothing was suggested: ${escapeHtml(sentence(trace.suppressed ?? stopReasons[trace.stopReason]))}</p>`
      : `<pre class="suggestion"><code>${escapeHtml(trace.suggestion)}</code></pre>`;
  return `<section>
<h1>Last suggestion</h1>
<p class="place">${place}</p>
${suggestion}
<p class="facts">${escapeHtml(
    [
      `${count(trace.promptTokens, "prompt token")}`,
      `${count(trace.generatedTokens, "token")} generated${trace.decodeSteps > 0 ? ` in ${count(trace.decodeSteps, "step")}` : ""}`,
      `ended at ${stopReasons[trace.stopReason]}`,
      `on ${trace.provider.toUpperCase()}`,
      ...(trace.cached ? ["taken from the cache this time"] : []),
    ].join(" · "),
  )}</p>
</section>
${renderFragments(trace)}
${renderDropped(trace.dropped)}
${renderTimings(trace.timings)}`;
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

function renderFragments(trace: CompletionTrace): string {
  if (trace.fragments.length === 0) {
    return `<section>
<h2>Fragments in the prompt</h2>
<p class="note">${escapeHtml(sentence(trace.nothingRetrieved ?? "None was retrieved"))}</p>
${paragraph(origin(trace), "facts")}</section>`;
  }
  const tokens = trace.fragments.reduce((sum, fragment) => sum + fragment.tokens, 0);
  // Best first for people, whatever the order in the prompt.
  const rows = trace.fragments
    .map((fragment, index) => ({ fragment, index }))
    .sort((a, b) => b.fragment.score - a.fragment.score)
    .map(({ fragment, index }) => `<tr>${fragmentCells(fragment, `fragment:${index}`)}</tr>`);
  return `<section>
<h2>Fragments in the prompt <span class="sum">${escapeHtml(`${trace.fragments.length}, ${count(tokens, "token")}`)}</span></h2>
<table>
<thead><tr><th scope="col">Code</th><th scope="col" colspan="2">Score</th><th scope="col" class="number">Tokens</th></tr></thead>
<tbody>${rows.join("\n")}</tbody>
</table>
${paragraph(origin(trace), "facts")}</section>`;
}

/** Whether the fragments were there before or were fetched, and why; undefined where nothing could be retrieved. */
function origin({ kept, fetched }: CompletionTrace): string | undefined {
  if (kept !== undefined) {
    return escapeHtml(`Kept since suggestion ${kept.since}: ${kept.reason} (similarity ${kept.similarity.toFixed(3)}).`);
  }
  return fetched === undefined ? undefined : escapeHtml(sentence(`Fetched for this suggestion: ${fetched}`));
}

/** The definitions around a fragment. */
function renderScope(scope: readonly string[] | undefined): string {
  return scope === undefined ? "" : `<div class="scope">in ${scope.map((signature) => `<code>${escapeHtml(signature)}</code>`).join(" › ")}</div>`;
}

function fragmentCells(fragment: FragmentReference, target: string): string {
  const lines = fragment.startLine === fragment.endLine ? `${fragment.startLine}` : `${fragment.startLine}-${fragment.endLine}`;
  return `<td class="path"><button type="button" class="link" data-open="${target}" title="Open ${escapeHtml(fragment.path)} at lines ${lines}">${escapeHtml(fragment.path)}<span class="lines">:${lines}</span></button>${renderScope(fragment.scope)}</td>
<td class="bar">${renderScoreBar(fragment.score)}</td><td class="number">${fragment.score.toFixed(3)}</td>
<td class="number">${fragment.tokens}</td>`;
}

/** A score below zero shows no bar; the number stands beside it. */
function renderScoreBar(score: number): string {
  return `<svg class="score" height="8" aria-hidden="true"><rect class="track" width="100%" height="8" rx="2"/><rect class="fill" width="${percent(score)}" height="8" rx="2"/></svg>`;
}

function renderDropped(dropped: DroppedFragment[]): string {
  if (dropped.length === 0) {
    return "";
  }
  const rows = dropped.map(
    (fragment, index) =>
      `<tr>${fragmentCells(fragment, `dropped:${index}`)}<td class="reason">${escapeHtml(fragment.reason)}</td></tr>`,
  );
  return `<details id="dropped">
<summary>Candidates left out <span class="sum">${dropped.length}</span></summary>
<table>
<thead><tr><th scope="col">Code</th><th scope="col" colspan="2">Score</th><th scope="col" class="number">Tokens</th><th scope="col">Reason</th></tr></thead>
<tbody>${rows.join("\n")}</tbody>
</table>
</details>`;
}

const timingParts = [
  ["express", "Need expressed", "expressMs"],
  ["search", "Index searched", "searchMs"],
  ["select", "Fragments selected", "selectMs"],
  ["prefill", "Prompt read", "prefillMs"],
  ["decode", "Text generated", "decodeMs"],
  ["filter", "Filters", "filterMs"],
] as const;

/** Where the time went. The parts need not add up to the total: what is missing is shown as a part of its own. */
function renderTimings(timings: CompletionTimings): string {
  const parts: { id: string; name: string; ms: number }[] = timingParts.map(([id, name, key]) => ({
    id,
    name,
    ms: Math.max(0, timings[key]),
  }));
  const known = parts.reduce((sum, part) => sum + part.ms, 0);
  parts.push({ id: "other", name: "Other", ms: Math.max(0, timings.totalMs - known) });
  const total = Math.max(timings.totalMs, known);
  let start = 0;
  const bars = parts.map((part) => {
    const bar = `<rect class="part-${part.id}" x="${percent(total > 0 ? start / total : 0)}" width="${percent(total > 0 ? part.ms / total : 0)}" height="14"/>`;
    start += part.ms;
    return bar;
  });
  const legend = parts.map(
    (part) =>
      `<li><svg class="key" width="10" height="10" aria-hidden="true"><rect class="part-${part.id}" width="10" height="10" rx="2"/></svg>${part.name} <span class="number">${milliseconds(part.ms)}</span></li>`,
  );
  return `<section>
<h2>Time <span class="sum">${milliseconds(timings.totalMs)}</span></h2>
<svg class="timeline" height="14" role="img" aria-label="${escapeHtml(`Where the ${milliseconds(timings.totalMs)} went; the list below has the parts`)}">${bars.join("")}</svg>
<ul class="legend">${legend.join("\n")}</ul>
</section>`;
}

function renderStatus(status: SidecarStatus): string {
  const rows: [string, string][] = [["State", `${status.state}: ${status.message}`]];
  if (status.model !== undefined) {
    rows.push(["Model", `${status.model.name} ${status.model.version}`]);
  }
  if (status.provider !== undefined) {
    rows.push(["Runs on", `${status.provider.name.toUpperCase()}: ${status.provider.reason}`]);
  }
  if (status.vectorIndex !== undefined) {
    rows.push(["Vector index", `${status.vectorIndex.name}: ${status.vectorIndex.reason}`]);
  }
  if (status.index !== undefined) {
    const { files, fragments, storeBytes, skipped } = status.index;
    rows.push(["Index", `${count(fragments, "fragment")} of ${count(files, "file")}, ${formatBytes(storeBytes)} on disk`]);
    const reasons = Object.entries(skipped).filter(([, number]) => number > 0);
    if (reasons.length > 0) {
      rows.push(["Left out", reasons.map(([reason, number]) => `${reason} ${number}`).join(", ")]);
    }
  }
  return `<details id="status">
<summary>Sidecar <span class="sum">${escapeHtml(status.state)}</span></summary>
<dl>${rows.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`).join("\n")}</dl>
<p class="actions">${renderCommand("reindex", "Re-index")} ${renderCommand("restart", "Restart")} ${renderCommand("log", "Log")}</p>
</details>`;
}

function renderCommand(name: keyof typeof pageCommands, label: string): string {
  return `<button type="button" class="action" data-command="${name}">${escapeHtml(label)}</button>`;
}

function paragraph(content: string | undefined, className: string): string {
  return content === undefined ? "" : `<p class="${className}">${content}</p>\n`;
}

/** Reasons come with and without a full stop. */
function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** A share, 0..1, as a length that SVG takes. */
function percent(share: number): string {
  return `${(Math.min(1, Math.max(0, share)) * 100).toFixed(2)}%`;
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Makes text safe as HTML content and as a quoted attribute value. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
