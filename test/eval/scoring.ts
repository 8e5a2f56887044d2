// Scores of a completion as CrossCodeEval defines them: exact match, edit similarity, identifiers.

/** One prediction's scores; `es` from 0 to 100, the others from 0 to 1. */
export interface Score {
  readonly em: number;
  readonly es: number;
  readonly idF1: number;
}

const literalsAndComments =
  /"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\[^\n]|[^"\\\n])*"|'(?:\\[^\n]|[^'\\\n])*'|`(?:\\[^\n]|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
const java =
  "abstract assert boolean break byte case catch char class const continue default do double else enum extends false final " +
  "finally float for goto if implements import instanceof int interface long native new null package private protected public " +
  "return short static strictfp super switch synchronized this throw throws transient true try void volatile while";
const keywords: Readonly<Record<string, ReadonlySet<string>>> = {
  python: words(
    "False None True and as assert async await break class continue def del elif else except finally for from global if " +
      "import in is lambda nonlocal not or pass raise return try while with yield",
  ),
  java: words(java),
  typescript: words(
    "any as async await boolean break case catch class const continue debugger declare default delete do else enum export " +
      "extends false finally for from function get if implements import in instanceof interface is keyof let module namespace never " +
      "new null number of package private protected public readonly require return set static string super switch symbol this throw " +
      "true try type typeof undefined unique unknown var void while with yield",
  ),
  csharp: words(
    `${java} as base bool checked decimal delegate event explicit extern fixed foreach implicit in internal ` +
      "is lock namespace object operator out override params readonly ref sbyte sealed sizeof stackalloc string struct typeof uint " +
      "ulong unchecked unsafe ushort using var virtual",
  ),
};

function words(list: string): ReadonlySet<string> {
  return new Set(list.split(" "));
}

/** Scores `prediction`; `line` is the cursor's line before the cursor. Both texts are cut to one statement. */
export function score(language: string, line: string, prediction: string, groundtruth: string): Score {
  const guess = statement(language, line, prediction).trim();
  const truth = statement(language, line, groundtruth).trim();
  const found = new Set(identifiers(language, guess));
  const wanted = new Set(identifiers(language, truth));
  const common = [...found].filter((name) => wanted.has(name)).length;
  return {
    em: guess === truth ? 1 : 0,
    es: editSimilarity(guess, truth),
    idF1: found.size + wanted.size === 0 ? 1 : (2 * common) / (found.size + wanted.size),
  };
}

/**
 * The part of `text` that belongs to the statement at the cursor. Python: up to the first line break outside of brackets,
 * strings and comments; others: through the first `;`, `{` or `}`, and in TypeScript at most to the end of the line,
 * because its ground truths are rests of lines. Leading white space is ignored.
 */
export function statement(language: string, line: string, text: string): string {
  const body = text.length - text.trimStart().length;
  if (language === "python") return text.slice(0, pythonEnd(line, text, body));
  const from = language === "typescript" ? body : 0;
  const end = text.slice(from).search(language === "typescript" ? /[;{}\n]/ : /[;{}]/);
  if (end < 0) return text;
  return text.slice(0, from + end + (text.charAt(from + end) === "\n" ? 0 : 1));
}

function pythonEnd(line: string, text: string, body: number): number {
  const code = line + text;
  let depth = 0;
  for (let at = 0; at < code.length; at++) {
    const character = code.charAt(at);
    if (character === '"' || character === "'") at = pythonStringEnd(code, at) - 1;
    else if (character === "#") at = endOr(code.indexOf("\n", at), code) - 1;
    else if ("([{".includes(character)) depth += 1;
    else if (")]}".includes(character)) depth = Math.max(0, depth - 1);
    else if (character === "\\" && code.charAt(at + 1) === "\n") at += 1;
    else if (character === "\n" && depth === 0 && at > line.length + body) return at - line.length;
  }
  return text.length;
}

/** The offset after the string that starts at `start`. An unclosed single-quoted string ends before its line break. */
function pythonStringEnd(code: string, start: number): number {
  const character = code.charAt(start);
  const quote = code.startsWith(character.repeat(3), start) ? character.repeat(3) : character;
  for (let at = start + quote.length; at < code.length; at++) {
    if (code.charAt(at) === "\\") at += 1;
    else if (code.startsWith(quote, at)) return at + quote.length;
    else if (code.charAt(at) === "\n" && quote.length === 1) return at;
  }
  return code.length;
}

/** @param found result of `indexOf` */
function endOr(found: number, code: string): number {
  return found < 0 ? code.length : found;
}

/** Names in order of appearance, without keywords, literals and comments. */
export function identifiers(language: string, code: string): string[] {
  const python = language === "python";
  let plain = (python ? code.replaceAll("//", "/ /") : code).replace(literalsAndComments, " ");
  if (python) plain = plain.replace(/#[^\n]*/g, " ");
  return (plain.match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? []).filter((name) => keywords[language]?.has(name) !== true);
}

/** 100 for equal texts, 0 for texts without a common character: 200 x longest common subsequence / sum of lengths, in code points. */
export function editSimilarity(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  if (left.length + right.length === 0) return 100;
  let row = new Uint32Array(right.length + 1);
  for (const character of left) {
    const next = new Uint32Array(right.length + 1);
    for (const [at, other] of right.entries())
      next[at + 1] = character === other ? (row[at] ?? 0) + 1 : Math.max(row[at + 1] ?? 0, next[at] ?? 0);
    row = next;
  }
  return (200 * (row[right.length] ?? 0)) / (left.length + right.length);
}
