// Finds the licence comment at the top of a file: it is the same in every file, so that a search for it finds nothing.

/** A longer comment is about the file. */
const maxLicenceLines = 80;
/** A comment's mark; `#` of a preprocessor line or an attribute is none. */
const commentMark = /^\s*(\/\*|<!--|\/\/|#(?!\s*(?:include|define|if|pragma|import|region|nullable)\b|\[)|--|;;)/;

/** Index of the first line after the licence comment, 0 where there is none. */
export function licenceEnd(lines: readonly string[]): number {
  let start = 0;
  while (start < lines.length && /^\s*$|^#!|^<\?php\s*$/.test(lines[start] ?? "")) start++;
  const mark = commentMark.exec(lines[start] ?? "")?.[1];
  const end = mark === undefined ? undefined : commentEnd(lines, start, mark);
  if (end === undefined || end - start > maxLicenceLines) return 0;
  const comment = lines.slice(start, end).join("\n");
  return /licen[cs]e|copyright|spdx-/i.test(comment) ? end : 0;
}

/** Index of the first line after the comment that begins at `start`; undefined when it is never closed, as in a file being written. */
function commentEnd(lines: readonly string[], start: number, mark: string): number | undefined {
  let end = start;
  if (mark !== "/*" && mark !== "<!--") {
    while (end < lines.length && (lines[end] ?? "").trimStart().startsWith(mark)) end++;
    return end;
  }
  const close = mark === "/*" ? "*/" : "-->";
  while (end < lines.length && !(lines[end] ?? "").includes(close)) end++;
  if (end === lines.length) return undefined;
  const line = lines[end] ?? "";
  const isLast = line.slice(line.indexOf(close) + close.length).trim() === "";
  return isLast ? end + 1 : end;
}
