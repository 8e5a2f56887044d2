// The one rule of lines and columns: how the text of files and documents is read, whichever way it comes.

/**
 * The text with `\n` as the only line break and no byte-order mark at its start. A carriage return alone ends a line too, as
 * in LSP; other separators (form feed, U+2028) do not. The index, the model and every rule know no other form; an editor
 * turns line breaks into the document's own when it inserts a suggestion.
 */
export function plainText(text: string): string {
  return plainLineBreaks(text.startsWith("\uFEFF") ? text.slice(1) : text);
}

/** The same for a part of a text that does not begin at its start. */
export function plainLineBreaks(text: string): string {
  return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
}
