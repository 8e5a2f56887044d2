// The small pieces of HTML that the inspector's sections share. Every text is escaped; no style and no script is inline.
import type { pageCommands } from "./page-commands";

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Makes text safe as HTML content and as a quoted attribute value. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** Content of a `p`, which is HTML already; nothing for no content. */
export function paragraph(content: string | undefined, className: string): string {
  return content === undefined ? "" : `<p class="${className}">${content}</p>\n`;
}

/** A button that runs one of {@link pageCommands}. */
export function commandButton(name: keyof typeof pageCommands, label: string): string {
  return `<button type="button" class="action" data-command="${name}">${escapeHtml(label)}</button>`;
}

/** Actions of the page's buttons. */
export type PageAction = "follow" | "compare" | "copy" | "copy-with-code" | "clear-counts";

export function actionButton(action: PageAction, label: string, attributes = ""): string {
  return `<button type="button" class="action" data-do="${action}"${attributes}>${escapeHtml(label)}</button>`;
}

/** A button that opens a place of the code. `content` is HTML already. */
export function link(target: string, content: string, title: string): string {
  return `<button type="button" class="link" data-open="${target}" title="${escapeHtml(title)}">${content}</button>`;
}

/** The second part of a heading, in a quieter style. */
export function aside(text: string): string {
  return `<span class="sum">${escapeHtml(text)}</span>`;
}

/** Reasons come with and without a full stop. */
export function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** A share, 0..1, as a length that SVG takes. */
export function percent(share: number): string {
  return `${(Math.min(1, Math.max(0, share)) * 100).toFixed(2)}%`;
}

export function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** With a typographic minus sign. */
export function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
}

/** State of a request: it runs, failed with a reason, or was answered; null: the sidecar no longer holds the completion. */
export type Answer<Value> =
  | { readonly state: "asked" }
  | { readonly state: "failed"; readonly reason: string }
  | { readonly state: "answered"; readonly value: Value | null };

/** The answer, or a note in its place. */
export function answered<Value>(answer: Answer<Value> | undefined, render: (value: Value) => string): string {
  if (answer === undefined || answer.state === "asked") {
    return '<p class="facts">Asking the sidecar …</p>';
  }
  if (answer.state === "failed") {
    return `<p class="note">${escapeHtml(sentence(answer.reason))}</p>`;
  }
  return answer.value === null
    ? '<p class="note">The sidecar no longer holds this suggestion: it holds the last 20 for which it read a prompt.</p>'
    : render(answer.value);
}
