// How filters compare lines: without their indentation.

/** The lines of `text` that are not blank, trimmed. */
export function nonBlankLines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** Whether a line is informative enough for its repetition to be an error; `}` or `else {` may well be repeated. */
export function isInformative(line: string): boolean {
  return (line.match(/[\p{L}\p{N}]/gu)?.length ?? 0) >= 5;
}
