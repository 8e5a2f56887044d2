// The need shown on the code: which tokens the retrieval attention weighed, layer by layer, and as a table.
import type { NeedToken, NeedWeights } from "../../../sidecar/protocol";
import { type Answer, answered, escapeHtml, link } from "../html";

/** A layer by its number from 0, or the mean of all. */
export type Layer = number | "all";

/** Steps of the background. */
const steps = 10;
/** Rows of the table. */
const maxRows = 12;

export function renderNeed(answer: Answer<NeedWeights> | undefined, layer: Layer): string {
  return answered(answer, ({ tokens, layers }) => {
    const weights = weightsOf(layers, layer, tokens.length);
    const inCode = tokens.reduce((sum, { position }, at) => sum + (position === undefined ? 0 : (weights[at] ?? 0)), 0);
    const options: [Layer, string][] = [
      ["all", "All layers, mean"],
      ...layers.map((_, at): [Layer, string] => [at, `Layer ${at + 1} of ${layers.length}`]),
    ];
    return `<p class="facts">The stronger the ground, the more the retrieval attention weighed the token as it expressed what this cursor needs. ${percentage(inCode)} of the weight lies on the code, the rest on its path, its imports further up and the model's marks.</p>
<p><label for="layer">Layer</label> <select id="layer">${options.map(([value, name]) => `<option value="${value}"${value === layer ? " selected" : ""}>${name}</option>`).join("")}</select></p>
<pre class="code need">${renderTokens(tokens, weights)}</pre>
${renderTable(tokens, weights)}`;
  });
}

/** The weights of a layer; the mean of all where there is no such layer. */
export function weightsOf(layers: readonly (readonly number[])[], layer: Layer, tokens: number): number[] {
  const one = layer === "all" ? undefined : layers[layer];
  return Array.from(
    { length: tokens },
    (_, at) => one?.[at] ?? layers.reduce((sum, each) => sum + (each[at] ?? 0), 0) / Math.max(1, layers.length),
  );
}

/** The token of the code with the greatest weight has the strongest background. The square root keeps smaller weights visible. */
function renderTokens(tokens: readonly NeedToken[], weights: readonly number[]): string {
  const heaviest = Math.max(
    ...tokens.map(({ position }, at) => (position === undefined ? 0 : (weights[at] ?? 0))),
    Number.MIN_VALUE,
  );
  return tokens
    .map(({ text, position }, at) => {
      const step = Math.min(steps, Math.round(steps * Math.sqrt((weights[at] ?? 0) / heaviest)));
      return `<span class="${position === undefined ? "outside " : ""}w${step}">${escapeHtml(text)}</span>`;
    })
    .join("");
}

function renderTable(tokens: readonly NeedToken[], weights: readonly number[]): string {
  const rows = tokens
    .map((token, at) => ({ token, at, weight: weights[at] ?? 0 }))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, maxRows)
    .map(({ token: { text, position }, at, weight }) => {
      const shown = `<code>${escapeHtml(visible(text))}</code>`;
      const place =
        position === undefined
          ? "not in the code"
          : link(`token:${at}`, `line ${position.line + 1}`, `Open line ${position.line + 1}`);
      return `<tr><td>${shown}</td><td>${place}</td><td class="number">${percentage(weight)}</td></tr>`;
    });
  return `<table class="heaviest"><caption>Heaviest tokens</caption>
<thead><tr><th scope="col">Token</th><th scope="col">Place</th><th scope="col" class="number">Weight</th></tr></thead>
<tbody>${rows.join("\n")}</tbody></table>`;
}

/** A token with its invisible characters made visible. */
function visible(text: string): string {
  return text === "" ? "part of a character" : text.replace(/ /g, "·").replace(/\t/g, "⇥").replace(/\r?\n/g, "↵");
}

function percentage(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
