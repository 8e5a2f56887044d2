// Fragments of the workspace: score against the null score, cost, why used or dropped, and whether their file is pinned or banned.
import type { CompletionTrace, DroppedFragment, FragmentReference } from "../../../sidecar/protocol";
import { count } from "../../status/status-text";
import type { FileRule } from "../file-rules";
import { aside, escapeHtml, link, paragraph, percent, sentence } from "../html";

/** How a fragment's file is shown. */
export interface FileMarks {
  /** As people know it: among several folders, with the folder's name. */
  readonly name: string;
  /** The rule on it in this workspace. */
  readonly rule?: FileRule;
}

export type MarksOf = (fragment: FragmentReference) => FileMarks;

/** Fragments in the prompt, and candidates that were dropped. */
export function renderFragments(trace: CompletionTrace, marksOf: MarksOf): string {
  const { fragments, dropped, nullScore } = trace;
  const tokens = fragments.reduce((sum, fragment) => sum + fragment.tokens, 0);
  // Best first, whatever the order in the prompt.
  const rows = fragments
    .map((fragment, index) => ({ fragment, index }))
    .sort((a, b) => ranked(b.fragment) - ranked(a.fragment))
    .map(({ fragment, index }) =>
      renderFragment(fragment, `fragment:${index}`, nullScore, whyUsed(fragment, trace), marksOf),
    );
  return `<h2>Fragments in the prompt ${aside(fragments.length === 0 ? "none" : `${fragments.length}, ${count(tokens, "token")}`)}</h2>
${fragments.length === 0 ? `<p class="note">${escapeHtml(sentence(trace.nothingRetrieved ?? "None was retrieved"))}</p>` : `<ul class="fragments">${rows.join("\n")}</ul>`}
${paragraph(nullScore === undefined ? undefined : `Null score ${nullScore.toFixed(3)}: below it, the model needs nothing from elsewhere. It is the mark in each bar.`, "facts")}${paragraph(origin(trace), "facts")}${renderDropped(dropped, nullScore, marksOf)}`;
}

/** Fragments that a search found. */
export function renderFound(fragments: readonly FragmentReference[], nullScore: number, marksOf: MarksOf): string {
  const rows = fragments.map((fragment, index) =>
    renderFragment(fragment, `found:${index}`, nullScore, undefined, marksOf),
  );
  const needed = fragments.filter(({ score }) => score >= nullScore).length;
  return fragments.length === 0
    ? '<p class="note">Nothing was found: nothing is indexed.</p>'
    : `<p class="facts">${count(fragments.length, "fragment")}, best first. A cursor at the end of this code would need ${needed === 0 ? "none of them" : needed}: null score ${nullScore.toFixed(3)}.</p>
<ul class="fragments">${rows.join("\n")}</ul>`;
}

function renderDropped(dropped: readonly DroppedFragment[], nullScore: number | undefined, marksOf: MarksOf): string {
  if (dropped.length === 0) {
    return "";
  }
  const rows = dropped.map((fragment, index) =>
    renderFragment(fragment, `dropped:${index}`, nullScore, fragment.reason, marksOf),
  );
  return `<details id="dropped">
<summary>Candidates dropped ${aside(`${dropped.length}`)}</summary>
<ul class="fragments">${rows.join("\n")}</ul>
</details>`;
}

/** The score that the fragment is ranked by. */
function ranked({ score, boost }: FragmentReference): number {
  return score + (boost?.by ?? 0);
}

function whyUsed(fragment: FragmentReference, { nullScore, reused }: CompletionTrace): string {
  if (reused !== undefined) {
    return `fetched for suggestion ${reused.since} and reused since`;
  }
  return nullScore === undefined || ranked(fragment) >= nullScore
    ? "used: the model needs it"
    : "used, though it scores below the null score";
}

/** Whether the fragments were reused or fetched, and why; undefined where nothing could be retrieved. */
function origin({ reused, fetched }: CompletionTrace): string | undefined {
  if (reused !== undefined) {
    const similarity = reused.reason.includes("similarity") ? "" : ` (similarity ${reused.similarity.toFixed(3)})`;
    return escapeHtml(`Reused from suggestion ${reused.since}: ${reused.reason}${similarity}.`);
  }
  return fetched === undefined ? undefined : escapeHtml(sentence(`Fetched for this suggestion: ${fetched}`));
}

function renderFragment(
  fragment: FragmentReference,
  target: string,
  nullScore: number | undefined,
  why: string | undefined,
  marksOf: MarksOf,
): string {
  const { startLine, endLine, score, tokens, boost, scope } = fragment;
  const { name, rule } = marksOf(fragment);
  const lines = startLine === endLine ? `${startLine}` : `${startLine}-${endLine}`;
  const against =
    nullScore === undefined
      ? []
      : [`${Math.abs(score - nullScore).toFixed(3)} ${score < nullScore ? "below" : "above"} the null score`];
  const facts = [
    ...against,
    ...(boost === undefined ? [] : [`boosted by ${boost.by.toFixed(3)}: ${boost.reason}`]),
    ...(why === undefined ? [] : [why]),
  ];
  return `<li class="fragment">
<div class="head">${link(target, `${escapeHtml(name)}<span class="lines">:${lines}</span>`, `Open ${name} at lines ${lines}`)}<span class="tokens">${count(tokens, "token")}</span></div>
<div class="measure">${renderScoreBar(fragment, nullScore)}<span class="number">${score.toFixed(3)}</span><span class="reason">${escapeHtml(facts.join(" · "))}</span></div>
${renderScope(scope)}${renderRules(name, target, rule)}</li>`;
}

/** The definitions around a fragment. */
function renderScope(scope: readonly string[] | undefined): string {
  return scope === undefined
    ? ""
    : `<div class="scope">in ${scope.map((signature) => `<code>${escapeHtml(signature)}</code>`).join(" › ")}</div>\n`;
}

/** Buttons that stay pressed while the rule is set. */
function renderRules(file: string, target: string, rule: FileRule | undefined): string {
  const button = (kind: FileRule, name: string, set: string): string => {
    const label = rule === kind ? set : name;
    return `<button type="button" class="rule" data-rule="${kind}:${target}" aria-pressed="${rule === kind}" aria-label="${escapeHtml(`${label} ${file}`)}" title="${escapeHtml(kind === "pin" ? "Use fragments of this file before all others that are needed, in this workspace" : "Never use fragments of this file, in this workspace")}">${label}</button>`;
  };
  return `<div class="rules">${button("pin", "Pin", "Pinned")}${button("ban", "Ban", "Banned")}</div>`;
}

/** A score below zero shows no bar; the number is beside it. A boost is drawn behind it. */
function renderScoreBar(fragment: FragmentReference, nullScore: number | undefined): string {
  const boost =
    fragment.boost === undefined
      ? ""
      : `<rect class="raised" y="1" width="${percent(ranked(fragment))}" height="8" rx="2"/>`;
  const mark = nullScore === undefined ? "" : `<rect class="mark" x="${percent(nullScore)}" width="2" height="10"/>`;
  return `<svg class="score" height="10" aria-hidden="true"><rect class="track" y="1" width="100%" height="8" rx="2"/>${boost}<rect class="fill" y="1" width="${percent(fragment.score)}" height="8" rx="2"/>${mark}</svg>`;
}
