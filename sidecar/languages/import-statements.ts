// Finds the import statements above the lines around the cursor: they name the modules that the code may use.

/** Lines before the cursor, its own line included, that the query holds anyway. */
const shownLines = 12;
const maxStatementLines = 20;

/**
 * How an import begins in the languages of the training corpus, as one rule for all: the training project has the same, and
 * the model was trained on its result. Every part is linear in the line's length; `.` is any character.
 */
const beginsImport =
  /^[ \t]*(?:import\b|from[ \t]+[^ \t]+[ \t]+import\b|using[ \t][A-Za-z_.= \t]+;|use[ \t]+[A-Za-z_:{\\]|#[ \t]*include\b|export\b.*[ \t]from[ \t]|(?:const|let|var)\b.*\brequire\()/s;

/**
 * The import statements before the cursor, except those in its last twelve lines, each line ended by `\n`. A statement
 * continues while it has more opening than closing round and curly brackets, over at most twenty lines. White space before
 * its first line and at the end of each line is removed.
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
    const last = Math.min(end, at + maxStatementLines);
    let opened = 0;
    for (let first = true; at < last && (first || opened > 0); first = false, at += 1) {
      const line = (lines[at] ?? "").replace(/[ \t\r]+$/, "");
      for (const [bracket] of line.matchAll(/[(){}]/g)) opened += bracket === "(" || bracket === "{" ? 1 : -1;
      statements += `${first ? line.replace(/^[ \t\r]+/, "") : line}\n`;
    }
  }
  return statements;
}

/** Characters of a document that are searched for imports. */
const maxCharacters = 20_000;
/** Enough blank lines for every import to stand above the lines that {@link importStatements} excludes. */
const below = "\n".repeat(shownLines + 4);

/** All import statements near the beginning of a text. */
export function allImportStatements(text: string): string {
  return importStatements(text.slice(0, maxCharacters) + below);
}
