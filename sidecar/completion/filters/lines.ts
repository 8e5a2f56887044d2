// How filters compare lines: by what they say, not by their indentation.

/** The lines of `text` that are not blank, trimmed. */
export function nonBlankLines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** Whether a line says enough for its repetition to be a repetition; `}` or `else {` may follow itself. */
export function isTelling(line: string): boolean {
  return (line.match(/[\p{L}\p{N}]/gu)?.length ?? 0) >= 5;
}
