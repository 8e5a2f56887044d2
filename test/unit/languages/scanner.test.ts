// Brackets, strings and comments, read without a parser.
import { describe, expect, it } from "vitest";
import { syntaxOf } from "../../../sidecar/languages/languages";
import { indentOf, Scanner } from "../../../sidecar/languages/scanner";

const scan = (languageId: string, text: string) => new Scanner(syntaxOf(languageId)).read(text);
const open = (languageId: string, text: string) =>
  scan(languageId, text)
    .open.map((bracket) => bracket.open)
    .join("");

describe("brackets", () => {
  it("are open until they are closed", () => {
    expect(open("typescript", "function f(a) { return [a, (")).toBe("{[(");
    expect(open("typescript", "f(a)[0]{}")).toBe("");
  });

  it("are unmatched when they close nothing, with the indentation of those that begin a line", () => {
    const scanner = scan("typescript", "a)\n  }\n");
    expect(scanner.unmatched).toEqual([
      { close: ")", offset: 1, indent: undefined },
      { close: "}", offset: 5, indent: 2 },
    ]);
  });

  it("are closed together with the bracket around them", () => {
    expect(open("typescript", "{ ( }")).toBe("");
  });
});

describe("strings and comments", () => {
  it.each([
    ["typescript", 'f("(")'],
    ["typescript", "f('\\'(')"],
    ["typescript", "f(`\n(\n`)"],
    ["typescript", "// (\n"],
    ["typescript", "/* (\n ( */"],
    ["typescript", 'x.split(/[("]/)'],
    ["typescript", 'return /[("]/'],
    ["typescript", "`(${f(`[${a}`)}{`"],
    ["python", 'f("""\n(\n""")'],
    ["python", "# (\n"],
    ["rust", "fn f<'a>(x: &'a str) { g('('); }"],
    ["go", "x := `\n{\n`"],
    ["ruby", "# {\n"],
  ])("hide brackets: %s %j", (languageId, text) => {
    expect(open(languageId, text)).toBe("");
  });

  it.each([
    ["julia", "#= a\n( =# b("],
    ["lua", "--[[ a\n( ]] b("],
    ["bat", "REM (\nPREM ("],
    ["latex", "50\\% of (\n% ("],
    ["makefile", "a = \\# (\n# ("],
    ["html", "<!-- a (\n -->it's ("],
    ["sql", "-- (\nselect 'a(', ("],
    ["vb", "' (\nf("],
  ])("end where code begins again: %s %j", (languageId, text) => {
    expect(open(languageId, text)).toBe("(");
  });

  it("end at the end of the line unless they may span lines", () => {
    expect(scan("typescript", "'it is (").insideString).toBe(true);
    expect(scan("typescript", "it's\n").insideString).toBe(false);
    expect(scan("typescript", "`a\n").insideString).toBe(true);
    expect(scan("python", '"""a\n').insideMultiline).toBe(true);
  });

  it("continue from another scanner's state", () => {
    const start = scan("typescript", 'f("a');
    const rest = new Scanner(syntaxOf("typescript"), start).read('(")');
    expect(rest.insideString).toBe(false);
    expect(rest.unmatched.map((closer) => closer.close)).toEqual([")"]);
  });

  it("distinguish code in a template from its text", () => {
    expect(open("typescript", "`a ( ${f(b")).toBe("${(");
    expect(scan("typescript", "`a ${b").insideString).toBe(false);
    expect(scan("typescript", "`a ${b} c").insideString).toBe(true);
    expect(new Scanner(syntaxOf("typescript"), scan("typescript", "`a ${b")).read("} c (").insideString).toBe(true);
  });

  it("do not begin at a division", () => {
    expect(open("typescript", "a / (b) / (")).toBe("(");
  });

  it("do not begin at apostrophes in unknown languages", () => {
    expect(scan("klingon", "it's (").open).toHaveLength(1);
  });
});

it("indentOf measures indentation in columns", () => {
  expect(indentOf("\t  a")).toBe(6);
  expect(indentOf("a")).toBe(0);
});
