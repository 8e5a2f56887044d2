// How many suggestions were taken, partly taken or not, as counted on this machine.
import type { SuggestionCounts } from "../../../sidecar/protocol";
import { type Answer, actionButton, answered, escapeHtml } from "../html";

export function renderCounts(answer: Answer<SuggestionCounts> | undefined): string {
  return answered(answer, (counts) => {
    const { shown } = counts;
    const rows: [string, number][] = [
      ["Accepted", counts.accepted],
      ["Partly accepted", counts.partlyAccepted],
      ["Typed along", counts.typed],
      ["Rejected", counts.rejected],
    ];
    const share = (value: number): string => (shown === 0 ? "" : `${((100 * value) / shown).toFixed(0)} %`);
    return `<p class="facts">Counted on this machine alone, since ${escapeHtml(day(counts.since))}. Nothing of it is sent anywhere.</p>
<table class="counts"><tbody>
<tr><th scope="row">Shown</th><td class="number">${number(shown)}</td><td class="number"></td></tr>
${rows.map(([name, value]) => `<tr><th scope="row">${name}</th><td class="number">${number(value)}</td><td class="number">${share(value)}</td></tr>`).join("\n")}
<tr><th scope="row">Characters taken, not typed</th><td class="number">${number(counts.charactersTaken)}</td><td class="number"></td></tr>
</tbody></table>
<p class="actions">${actionButton("clear-counts", "Delete counts …")}</p>`;
  });
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

/** The day of an ISO 8601 time; any other text as it is. */
function day(since: string): string {
  return /^\d{4}-\d{2}-\d{2}T/.test(since) ? since.slice(0, 10) : since;
}
