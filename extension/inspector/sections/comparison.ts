// The same cursor with and without the fragments, side by side, and what they gained.
import type { ComparedCompletion, Comparison, CompletionTrace } from "../../../sidecar/protocol";
import { count } from "../../status/status-text";
import { type Answer, actionButton, answered, escapeHtml, sentence, signed } from "../html";
import { renderConfidence } from "./confidence";

/** @param answer undefined before it was asked for */
export function renderComparison(trace: CompletionTrace, answer: Answer<Comparison> | undefined): string {
  const title = "<h2>With and without</h2>";
  if (trace.fragments.length === 0) {
    return `${title}\n<p class="facts">No fragment is in this prompt, so there is nothing to compare with.</p>`;
  }
  const button = actionButton(
    "compare",
    "Compare with no fragments",
    answer?.state === "asked" ? ' aria-disabled="true"' : "",
  );
  const result =
    answer === undefined ? "" : answered(answer, (comparison) => renderSides(comparison, trace.fragments.length));
  return `${title}\n<p class="actions">${button}</p>\n<div aria-live="polite" aria-busy="${answer?.state === "asked"}">${result}</div>`;
}

function renderSides({ withFragments, withoutFragments, gained }: Comparison, fragments: number): string {
  const same = withFragments.suggestion === withoutFragments.suggestion;
  return `<div class="sides">
${renderSide(`With ${count(fragments, "fragment")}`, withFragments)}
${renderSide("With no fragments", withoutFragments)}
</div>
<p>${same ? "Both suggest the same. " : ""}${gained === undefined ? "" : renderGain(gained)}</p>`;
}

function renderSide(title: string, { suggestion, suppressed, confidence }: ComparedCompletion): string {
  const text =
    suggestion === ""
      ? `<p class="note">Nothing: ${escapeHtml(sentence(suppressed ?? "no reason was given"))}</p>`
      : `<pre class="code"><code>${escapeHtml(suggestion)}</code></pre>`;
  return `<div class="side"><h3>${escapeHtml(title)}</h3>${text}${renderConfidence(confidence)}</div>`;
}

function renderGain(gained: number): string {
  const times = Math.exp(Math.abs(gained));
  const factor = times >= 1000 ? `e^${Math.abs(gained).toFixed(1)}` : times >= 10 ? times.toFixed(0) : times.toFixed(1);
  const words =
    Number(Math.abs(gained).toFixed(2)) === 0
      ? "as likely without the fragments"
      : gained > 0
        ? `${factor} times as likely with the fragments as without`
        : `${factor} times as likely without the fragments as with them`;
  return `<strong class="gained">${signed(gained, 2)}</strong> log-probability gained: what was written is ${words}.`;
}
