// The inspector's page, rendered from plain data: a frame that stays, and parts in it that are replaced.
import type { CompletionTrace, SearchResult, SidecarStatus, SuggestionCounts } from "../../sidecar/protocol";
import { type Answer, answered, escapeHtml } from "./html";
import type { TraceAnswers } from "./inspector-state";
import { renderComparison } from "./sections/comparison";
import { renderCounts } from "./sections/counts";
import { type MarksOf, renderFound, renderFragments } from "./sections/fragments";
import { type ListModel, renderList } from "./sections/list";
import { type Layer, renderNeed } from "./sections/need";
import { renderPrompt } from "./sections/prompt";
import { renderStatus } from "./sections/status";
import { renderEmpty, renderSuggestion } from "./sections/suggestion";
import { renderTime } from "./sections/time";

/** What the page can show. */
export interface InspectorModel {
  readonly status: SidecarStatus;
  readonly list: ListModel;
  /** The suggestion that is shown, its file, and the answers about it. */
  readonly shown?: { readonly trace: CompletionTrace; readonly file: string; readonly answers: TraceAnswers };
  readonly layer: Layer;
  readonly found: Answer<SearchResult> | undefined;
  readonly counts: Answer<SuggestionCounts> | undefined;
  readonly marksOf: MarksOf;
}

/** Content of the page's parts, by the `id` of the element. */
export type PageParts = Readonly<Record<(typeof partIds)[number], string>>;
const partIds = [
  "list",
  "suggestion",
  "fragments",
  "time",
  "comparison",
  "prompt",
  "need",
  "found",
  "counts",
  "status",
] as const;

export function renderParts({ status, list, shown, layer, found, counts, marksOf }: InspectorModel): PageParts {
  const others = {
    list: renderList(list),
    found:
      found === undefined
        ? ""
        : answered(found, ({ fragments, nullScore }) => renderFound(fragments, nullScore, marksOf)),
    counts: renderCounts(counts),
    status: renderStatus(status),
  };
  if (shown === undefined) {
    return {
      ...others,
      suggestion: renderEmpty(status),
      fragments: "",
      time: "",
      comparison: "",
      prompt: "",
      need: "",
    };
  }
  const { trace, file, answers } = shown;
  return {
    ...others,
    suggestion: renderSuggestion(trace, file),
    fragments: renderFragments(trace, marksOf),
    time: renderTime(trace.timings, trace.cached === true),
    comparison: renderComparison(trace, answers.comparison),
    prompt: renderPrompt(trace, answers.prompt),
    need: renderNeed(answers.need, layer),
  };
}

/**
 * The whole page. Folded sections tell the extension when they are opened.
 * @param resourceSource the origin of the style sheet and the script
 * @param empty whether there is no suggestion to show
 */
export function renderPage({
  nonce,
  resourceSource,
  styleUri,
  scriptUri,
  parts,
  empty,
}: {
  nonce: string;
  resourceSource: string;
  styleUri: string;
  scriptUri: string;
  parts: PageParts;
  empty: boolean;
}): string {
  const policy = `default-src 'none'; style-src ${resourceSource}; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Retrieval Inspector</title>
<link rel="stylesheet" href="${escapeHtml(styleUri)}">
</head>
<body>
<main id="inspector"${empty ? ' class="nothing-yet"' : ""}>
<section id="list" class="of-suggestion" aria-label="Suggestions">${parts.list}</section>
<div class="detail">
<section id="suggestion" aria-label="Suggestion">${parts.suggestion}</section>
<section id="fragments" class="of-suggestion" aria-label="Fragments">${parts.fragments}</section>
<section id="comparison" class="of-suggestion" aria-label="With and without">${parts.comparison}</section>
<section id="time" class="of-suggestion" aria-label="Time">${parts.time}</section>
${folded("prompt", "Prompt as the model read it", parts.prompt, "of-suggestion")}
${folded("need", "What the need looked at", parts.need, "of-suggestion")}
${folded(
  "search",
  "Search the index by code",
  `<form id="search-form">
<label for="search-text">Code, as if the cursor stood at its end</label>
<textarea id="search-text" rows="4" spellcheck="false"></textarea>
<p class="actions"><button type="submit" class="action">Search</button> <span class="facts">or Ctrl+Enter</span></p>
</form>
<div id="found" aria-live="polite">${parts.found}</div>`,
)}
${folded("counts", "Counts of suggestions", parts.counts)}
${folded("status", "Sidecar", parts.status)}
</div>
</main>
<p id="notice" role="status"></p>
<script nonce="${escapeHtml(nonce)}" src="${escapeHtml(scriptUri)}"></script>
</body>
</html>`;
}

/** A section that opens at a click. */
function folded(id: string, title: string, content: string, className = ""): string {
  return `<details id="${id}-section" data-section="${id}"${className === "" ? "" : ` class="${className}"`}>
<summary><h2>${title}</h2></summary>
<div id="${id}">${content}</div>
</details>`;
}
