// The list of the last suggestions; one of them is shown.
import type { CompletionTrace } from "../../../sidecar/protocol";
import { count } from "../../status/status-text";
import { actionButton, escapeHtml, milliseconds } from "../html";

/** A suggestion in the list. */
export interface ListedTrace {
  readonly trace: CompletionTrace;
  /** The file, as people know it. */
  readonly file: string;
  /** Its time of the day; absent for those from before the inspector was open. */
  readonly time?: string;
}

export interface ListModel {
  /** Newest first. */
  readonly traces: readonly ListedTrace[];
  /** {@link CompletionTrace.id} of the one shown. */
  readonly shown: number | undefined;
  /** Whether the newest is always shown. */
  readonly following: boolean;
}

export function renderList({ traces, shown, following }: ListModel): string {
  const options = traces.map((listed) => renderOption(listed, listed.trace.id === shown));
  const active = traces.some(({ trace }) => trace.id === shown) ? ` aria-activedescendant="trace-${shown}"` : "";
  return `<div class="bar-of-list"><span id="list-label">Last suggestions</span>${actionButton("follow", "Follow newest", ` aria-pressed="${following}"`)}</div>
<ul id="traces" class="traces" role="listbox" tabindex="0" aria-labelledby="list-label"${active}>${options.join("\n")}</ul>`;
}

function renderOption({ trace, file, time }: ListedTrace, selected: boolean): string {
  const [first = ""] = trace.suggestion.trim().split("\n");
  const what =
    trace.suggestion === ""
      ? `<span class="what none">nothing: ${escapeHtml(trace.suppressed ?? trace.stopReason)}</span>`
      : `<code class="what">${escapeHtml(first)}</code>`;
  const facts = [
    `${file.slice(file.lastIndexOf("/") + 1)}:${trace.position.line + 1}`,
    trace.suggestion === "" ? "not shown" : trace.cached ? "shown, from the cache" : "shown",
    milliseconds(trace.timings.totalMs),
    count(trace.fragments.length, "fragment"),
    ...(time === undefined ? [] : [time]),
  ];
  return `<li role="option" id="trace-${trace.id}" data-choose="${trace.id}" aria-selected="${selected}" title="${escapeHtml(file)}">${what}<span class="meta">${escapeHtml(facts.join(" · "))}</span></li>`;
}
