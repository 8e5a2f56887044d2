// Whether a language server reports that the cursor is inside a string that nobody has closed yet.

/** What is read of an editor's diagnostic. Lines and characters are 0-based. */
export interface ReportedProblem {
  message: string;
  code?: string | number;
  source?: string;
  start: { line: number; character: number };
}

/** In the words of each server; codes only where a message is translated. */
const messages: readonly RegExp[] = [
  // TypeScript, Python from 3.10 on, rustc, Swift, Dart, ESLint ("string constant").
  /\bunterminated\b.*\b(string|template|f-string|constant)\b/i,
  // Pyright and Pylance: "String literal is unterminated".
  /\bstring\b.*\bis unterminated\b/i,
  // Python up to 3.9.
  /\bE(OL|OF) while scanning\b.*\bstring literal\b/,
  // Ruff.
  /\bmissing closing quote\b/i,
  // Java, by Eclipse's compiler: "String literal is not properly closed by a double-quote".
  /\b(string literal|text block)\b.*\bnot properly closed\b/i,
  // javac: "unclosed string literal".
  /\bunclosed\b.*\b(string|text block)\b/i,
  // clangd: missing terminating '"' character.
  /\bmissing terminating\b.*\bcharacter\b/i,
  // gopls, by its scanner and by its parser.
  /\bstring( literal)? not terminated\b/i,
  /\bnewline in string\b/i,
  // rust-analyzer: Missing trailing `"` symbol to terminate the string literal.
  /\bto terminate the\b.*\bstring\b/i,
  // C#.
  /\bnewline in constant\b/i,
  // JSON: "Unexpected end of string."
  /\bunexpected end of string\b/i,
  // Lua.
  /\bunfinished string\b/i,
];

/** TypeScript's "Unterminated string literal", which speaks the editor's language. */
const typescriptCode = 1002;

/**
 * The problem of the cursor's line that says that a string is not closed, where the cursor stands behind its first quote.
 * Problems lag behind typing, so the text itself has the last word on whether a quote is open.
 *
 * @param line text of the cursor's line, without its line break
 * @param position of the cursor, 0-based
 */
export function unfinishedString(
  problems: readonly ReportedProblem[],
  line: string,
  position: { line: number; character: number },
): ReportedProblem | undefined {
  if (!hasOpenQuote(line.slice(0, position.character))) return undefined;
  return problems.find(
    (problem) =>
      problem.start.line === position.line &&
      // TypeScript reports where the string should have ended, all others where it begins.
      (problem.start.character < position.character || problem.start.character >= line.length) &&
      saysUnfinished(problem),
  );
}

function saysUnfinished({ message, code, source }: ReportedProblem): boolean {
  const typescript = source === "ts" || source === "js";
  return (typescript && Number(code) === typescriptCode) || messages.some((pattern) => pattern.test(message));
}

/** Whether text ends inside quotes that were opened in it. */
function hasOpenQuote(text: string): boolean {
  let open: string | undefined;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === "\\") at += 1;
    else if (open === undefined) open = /["'`]/.test(character) ? character : undefined;
    else if (character === open) open = undefined;
  }
  return open !== undefined;
}
