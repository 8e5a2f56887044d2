// Where the time went, as a waterfall: each part begins where the one before it ended.
import type { CompletionTimings } from "../../../sidecar/protocol";
import { aside, milliseconds, percent } from "../html";

const timingParts = [
  ["wait", "Waited for typing", "waitMs"],
  ["express", "Need expressed", "expressMs"],
  ["search", "Index searched", "searchMs"],
  ["select", "Fragments selected", "selectMs"],
  ["prefill", "Prompt read", "prefillMs"],
  ["decode", "Text generated", "decodeMs"],
  ["filter", "Filtered", "filterMs"],
] as const;

/** Minimum share that is still visible. */
const minShare = 0.004;

/** The parts need not add up to the total: what is missing is shown as a part of its own, at the end. */
export function renderTime(timings: CompletionTimings, cached: boolean): string {
  const parts: { id: string; name: string; ms: number }[] = timingParts.map(([id, name, key]) => ({
    id,
    name,
    ms: Math.max(0, timings[key]),
  }));
  const known = parts.reduce((sum, part) => sum + part.ms, 0);
  parts.push({ id: "other", name: "Other", ms: Math.max(0, timings.totalMs - known) });
  const total = Math.max(timings.totalMs, known);
  let start = 0;
  const rows = parts.map(({ id, name, ms }) => {
    const from = total > 0 ? Math.min(start / total, 1 - minShare) : 0;
    const share = total > 0 && ms > 0 ? Math.max(minShare, ms / total) : 0;
    start += ms;
    return `<tr><th scope="row">${name}</th><td class="lane"><svg height="12" aria-hidden="true"><rect class="part-${id}" x="${percent(from)}" width="${percent(share)}" height="12" rx="1"/></svg></td><td class="number">${milliseconds(ms)}</td></tr>`;
  });
  return `<h2 id="time-title">Time ${aside(`${milliseconds(timings.totalMs)}${cached ? ", of the request that made it" : ""}`)}</h2>
<table class="waterfall" aria-labelledby="time-title"><tbody>${rows.join("\n")}</tbody></table>`;
}
