// In whose words a string is reported as not closed, and where in its line the cursor counts as inside. ║ is the cursor.

import { describe, expect, it } from "vitest";
import { type ReportedProblem, unfinishedString } from "../../../extension/unfinished-string";

type Words = Pick<ReportedProblem, "message" | "code" | "source">;

/** Every string here begins at the first quote of its line. */
function at(marked: string, words: Words, from?: number): boolean {
  const character = marked.indexOf("║");
  const line = marked.replace("║", "");
  return (
    unfinishedString([{ ...words, start: { line: 3, character: from ?? line.search(/["'`]/) } }], line, {
      line: 3,
      character,
    }) !== undefined
  );
}

const servers: [string, Words][] = [
  ["TypeScript", { source: "ts", code: 1002, message: "Unterminated string literal." }],
  [
    "TypeScript in another language",
    { source: "ts", code: 1002, message: "Nicht abgeschlossenes Zeichenfolgenliteral." },
  ],
  ["TypeScript, template", { source: "ts", code: 1160, message: "Unterminated template literal." }],
  ["ESLint", { source: "eslint", message: "Parsing error: Unterminated string constant" }],
  ["Pyright", { source: "Pyright", message: "String literal is unterminated" }],
  ["Pylance", { source: "Pylance", message: "String literal is unterminated" }],
  ["Python 3.12", { source: "pylint", message: "unterminated string literal (detected at line 4)" }],
  ["Python 3.12, f-string", { source: "pylint", message: "unterminated f-string literal (detected at line 4)" }],
  ["Python 3.9", { source: "flake8", message: "SyntaxError: EOL while scanning string literal" }],
  ["Ruff", { source: "Ruff", message: "SyntaxError: missing closing quote in string literal" }],
  [
    "Java, Eclipse",
    { source: "Java", code: "1610612995", message: "String literal is not properly closed by a double-quote" },
  ],
  ["javac", { message: "unclosed string literal" }],
  ["clangd", { source: "clang", message: "Missing terminating '\"' character" }],
  ["gopls", { source: "syntax", message: "string literal not terminated" }],
  ["gopls, compiler", { source: "compiler", message: "newline in string" }],
  [
    "rust-analyzer",
    {
      source: "rust-analyzer",
      code: "syntax-error",
      message: 'Syntax Error: Missing trailing `"` symbol to terminate the string literal',
    },
  ],
  ["rustc", { source: "rustc", code: "E0765", message: "unterminated double quote string" }],
  ["C#", { source: "csharp", code: "CS1010", message: "Newline in constant" }],
  ["JSON", { code: 258, message: "Unexpected end of string." }],
  ["Lua", { source: "Lua Syntax Check.", message: "unfinished string near '\"abc'" }],
];

describe("unfinishedString", () => {
  it.each(servers)("understands %s", (_server, words) => {
    expect(at('x = f("abc║', words)).toBe(true);
  });

  it.each<[string, Words]>([
    ["another problem", { source: "ts", code: 1005, message: "',' expected." }],
    ["a bracket", { source: "Pylance", message: '"(" was not closed' }],
    ["a type", { source: "Pylance", message: 'Type "str" is not assignable to type "int"' }],
    ["a comment", { source: "ts", code: 1010, message: "'*/' expected." }],
    ["a style", { source: "eslint", code: "quotes", message: "Strings must use doublequote." }],
    ["the code of another server", { source: "acme", code: 1002, message: "Too long." }],
  ])("passes over %s", (_what, words) => {
    expect(at('x = f("abc║', words)).toBe(false);
  });

  const unterminated: Words = { message: "Unterminated string literal." };

  it("takes the cursor behind the first quote as inside, before it as outside", () => {
    expect(at('x = f("║abc', unterminated)).toBe(true);
    expect(at('x = f("a║bc', unterminated)).toBe(true);
    expect(at('x = f(║"abc', unterminated)).toBe(false);
    expect(at('x ║= f("abc', unterminated)).toBe(false);
  });

  it("knows that TypeScript reports the line's end", () => {
    const typescript: Words = { source: "ts", code: 1002, message: "Unterminated string literal." };
    const line = 'x = f("abc';
    expect(at('x = f("abc║', typescript, line.length)).toBe(true);
    expect(at('x = f("a║bc', typescript, line.length)).toBe(true);
    expect(at('x = f(║"abc', typescript, line.length)).toBe(false);
  });

  it("believes the text where the report is older than the closing quote", () => {
    expect(at('x = f("abc"║', unterminated)).toBe(false);
    expect(at("x = f('it\\'s║", unterminated)).toBe(true);
    expect(at("x = f('it\\'s'║", unterminated)).toBe(false);
    expect(at('x = f("it\'s"║', unterminated)).toBe(false);
  });

  it("looks at the cursor's line alone", () => {
    const problem = { ...unterminated, start: { line: 2, character: 0 } };
    expect(unfinishedString([problem], '"abc', { line: 3, character: 4 })).toBeUndefined();
    expect(unfinishedString([], '"abc', { line: 3, character: 4 })).toBeUndefined();
  });
});
