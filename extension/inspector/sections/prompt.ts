// The prompt as the model read it: pieces by kind, fragments folded, tokens counted against what the model can read.
import type { CompletionTrace, InspectedPrompt, PromptPiece } from "../../../sidecar/protocol";
import { count } from "../../status/status-text";
import { type Answer, answered, escapeHtml, percent } from "../html";

/** Kinds that are counted together. */
const parts = [
  { id: "fragments", name: "Fragments", holds: ({ fragment }: PromptPiece) => fragment !== undefined },
  {
    id: "prefix",
    name: "Code before the cursor",
    holds: ({ kind, fragment }: PromptPiece) => kind === "prefix" && fragment === undefined,
  },
  { id: "suffix", name: "Code after the cursor", holds: ({ kind }: PromptPiece) => kind === "suffix" },
  {
    id: "marks",
    name: "Path and marks",
    holds: ({ kind, fragment }: PromptPiece) => fragment === undefined && (kind === "special" || kind === "path"),
  },
] as const;

export function renderPrompt(trace: CompletionTrace, answer: Answer<InspectedPrompt> | undefined): string {
  return answered(answer, ({ pieces, contextLength }) => {
    const tokens = pieces.reduce((sum, piece) => sum + piece.tokens, 0);
    return `${renderTotals(pieces, tokens, contextLength)}
${trace.fragments
  .map(({ path, startLine, endLine }, at) =>
    renderFragment(
      `${path}:${startLine}-${endLine}`,
      at,
      pieces.filter(({ fragment }) => fragment === at),
    ),
  )
  .join("\n")}
${renderCode(pieces.filter(({ fragment }) => fragment === undefined))}`;
  });
}

function renderTotals(pieces: readonly PromptPiece[], tokens: number, contextLength: number): string {
  let start = 0;
  const bars: string[] = [];
  const legend: string[] = [];
  for (const { id, name, holds } of parts) {
    const sum = pieces.filter(holds).reduce((total, piece) => total + piece.tokens, 0);
    if (sum === 0) {
      continue;
    }
    bars.push(
      `<rect class="part-${id}" x="${percent(start / contextLength)}" width="${percent(sum / contextLength)}" height="10"/>`,
    );
    legend.push(
      `<li><svg class="key" width="10" height="10" aria-hidden="true"><rect class="part-${id}" width="10" height="10" rx="2"/></svg>${name} <span class="number">${sum}</span></li>`,
    );
    start += sum;
  }
  return `<p>${count(tokens, "token")} of the ${contextLength.toLocaleString("en-US")} that the model can read.</p>
<svg class="totals" height="10" aria-hidden="true"><rect class="track" width="100%" height="10"/>${bars.join("")}</svg>
<ul class="legend">${legend.join("\n")}</ul>`;
}

function renderFragment(place: string, at: number, pieces: readonly PromptPiece[]): string {
  return `<details id="prompt-fragment-${at}" class="piece in-fragment">
<summary>${escapeHtml(place)} <span class="sum">${count(
    pieces.reduce((sum, piece) => sum + piece.tokens, 0),
    "token",
  )}</span></summary>
<pre class="code">${pieces.map(renderPiece).join("")}</pre>
</details>`;
}

function renderCode(pieces: readonly PromptPiece[]): string {
  return `<div class="piece in-code"><h3>Around the cursor <span class="sum">${count(
    pieces.reduce((sum, piece) => sum + piece.tokens, 0),
    "token",
  )}</span></h3>
<pre class="code">${pieces.map(renderPiece).join("")}</pre></div>`;
}

/** Special tokens are shown, and line breaks in them too. */
function renderPiece({ kind, text }: PromptPiece): string {
  const shown = kind === "special" ? text.replace(/\n/g, "↵\n") : text;
  return `<span class="kind-${kind}">${escapeHtml(shown)}</span>`;
}
