// The import statements above the cursor's surroundings: they name the modules the code may draw on.

/** Lines before the cursor that the query shows anyway, the cursor's own line among them. */
const shownLines = 12;
const longestStatement = 20;

/** How an import begins in the languages of the corpus. Every part is linear in the line's length; `.` is any character. */
const beginsImport =
  /^[ \t]*(?:import\b|from[ \t]+[^ \t]+[ \t]+import\b|using[ \t][A-Za-z_.= \t]+;|use[ \t]+[A-Za-z_:{\\]|#[ \t]*include\b|export\b.*[ \t]from[ \t]|(?:const|let|var)\b.*\brequire\()/s;

/**
 * The import statements before the cursor but for those of its last twelve lines, each line ended by `\n`. A statement
 * goes on while it has more opening than closing round and curly brackets, over at most twenty lines. White space in
 * front of its first line and at the end of each line is dropped. The training project has the same rule.
 */
export function importStatements(prefix: string): string {
  const lines = prefix.split("\n");
  const end = lines.length - shownLines;
  let statements = "";
  for (let at = 0; at < end; ) {
    if (!beginsImport.test(lines[at] ?? "")) {
      at += 1;
      continue;
    }
    const last = Math.min(end, at + longestStatement);
    let opened = 0;
    for (let first = true; at < last && (first || opened > 0); first = false, at += 1) {
      const line = (lines[at] ?? "").replace(/[ \t\r]+$/, "");
      for (const [bracket] of line.matchAll(/[(){}]/g)) opened += bracket === "(" || bracket === "{" ? 1 : -1;
      statements += `${first ? line.replace(/^[ \t\r]+/, "") : line}\n`;
    }
  }
  return statements;
}

/** Characters of a document that are looked at for all it imports. */
const lookedAt = 20_000;
/** Enough blank lines that every import stands above what {@link importStatements} leaves out. */
const below = "\n".repeat(shownLines + 4);

/** The import statements near a text's beginning, also those right above its end. */
export function allImportStatements(text: string): string {
  return importStatements(text.slice(0, lookedAt) + below);
}
