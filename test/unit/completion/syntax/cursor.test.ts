// The cursor's position in the code and the extent of a suggestion, by brackets and indentation; see tree.test.ts.
import { describe, expect, it } from "vitest";
import { continuesConstruct, isCloserLine } from "../../../../sidecar/completion/syntax/cursor";
import { marked } from "../cursor-marks";

const at = (text: string, languageId?: string) => marked(text, languageId).context.cursor;
const closable = (text: string, languageId?: string) =>
  at(text, languageId)
    .closable.map((bracket) => bracket.open)
    .join("");

describe("the extent of a suggestion", () => {
  it.each([
    ["typescript", "foo(║)", "line"],
    ["typescript", "const a = ║;", "line"],
    ["typescript", "// a note ║", "line"],
    ["typescript", "const a = 'x║", "line"],
    ["typescript", "const a = ║", "statement"],
    ["typescript", "const a = ║\nfoo();", "statement"],
    ["typescript", "if (a) {║", "block"],
    ["typescript", "if (a) {\n  ║\n}", "block"],
    ["typescript", "f(a);\n║", "statement"],
    ["typescript", "// Gives one.\n║", "block"],
    ["typescript", "f(a);\n  // Gives one.\n  ║", "statement"],
    ["typescript", "if (a) {\n  ║\n  b();\n}", "statement"],
    ["typescript", "if (a) {║\n  b();\n}", "statement"],
    ["python", "def f():║", "block"],
    ["python", "x = a[1:║", "statement"],
    ["python", "class A(B):\n    ║", "block"],
    ["python", '    """Does ║', "line"],
    ["typescript", "/**\n * Adds ║", "line"],
    ["typescript", "/**\n ║", "line"],
    ["typescript", "/* a */ ║", "statement"],
    ["ruby", "items.each do |item|║", "block"],
    ["ruby", "return if x ║", "statement"],
    ["go", "for {║", "block"],
  ])("%s %j -> %s", (languageId, text, extent) => {
    expect(at(text, languageId).extent).toBe(extent);
  });

  it("has the indentation at which its block ends", () => {
    expect(at("def f():\n    if a:\n        ║", "python").blockIndent).toBe(4);
    expect(at("def f():\n║", "python").blockIndent).toBe(0);
    expect(at("# Gives one.\n║", "python")).toMatchObject({ blockIndent: -1, oneConstruct: true });
  });

  it("is a statement after a colon that opens no block", () => {
    expect(at("const a = b ? c :║").extent).toBe("statement");
  });
});

describe("the brackets that a suggestion may close", () => {
  it("are those that the code after the cursor leaves open", () => {
    expect(closable("f({ a: [║")).toBe("({[");
    expect(closable("f({ a: [║]})")).toBe("");
    expect(closable("function f() {\n  if (a) {\n    ║\n  }\n}")).toBe("");
  });

  it("are assigned by indentation when an inner brace is missing", () => {
    expect(closable("function f() {\n  if (a) {\n    ║\n}\n")).toBe("{");
    expect(at("function f() {\n  if (a) {\n    ║\n}\n").closable[0]?.indent).toBe(2);
  });

  it("do not include closers below that wait for a bracket still to be typed", () => {
    const cursor = at("constructor() {\n  super(║\n    a: 1,\n  });\n}");
    expect(cursor.spareClosers).toEqual(["}"]);
    expect(cursor.closable).toEqual([]);
  });

  it("are counted separately for the cursor's statement", () => {
    expect(at("function f() {\n  g(a, ║").closableOfStatement).toBe(1);
    expect(at("function f() {\n  const a = ║").closableOfStatement).toBe(0);
    expect(at("g(\n  a,\n  b ║").closableOfStatement).toBe(1);
  });
});

it("code is unfinished after an operator, an opening bracket or a keyword", () => {
  const unfinished = (text: string, languageId?: string) => at(text, languageId).unfinished;
  expect(
    ["a.║", "const a = ║", "f(a.║)", "f(║", "f(a, ║", "a + ║", "throw ║", "import ║"].filter(
      (text) => !unfinished(text),
    ),
  ).toEqual([]);
  expect(
    ["║", "f()║", "f(║)", "a;║", "return ║", "a++║", "// a.║", "'a.║'", "x = [1,\n║]"].filter((text) =>
      unfinished(text),
    ),
  ).toEqual([]);
  expect(unfinished("for a in ║", "python")).toBe(true);
});

it("lines that continue a construct and lines of closers are recognised", () => {
  expect(["} else {", "  elif a:", "end", ")"].every(continuesConstruct)).toBe(true);
  expect(["ending = 1", "elsewhere()", "foo }"].some(continuesConstruct)).toBe(false);
  expect(["}", "  });", "end", "],"].every(isCloserLine)).toBe(true);
  expect(["} else {", "a)", ""].some(isCloserLine)).toBe(false);
});

it("at most 65,536 characters on either side of the cursor are read", () => {
  // Characters beyond them are not read, so the number of open brackets does not grow.
  const open = (pairs: number) => at(`${"a(".repeat(pairs)}║${"b".repeat(2 * pairs)}`).closable.length;
  expect(open(32_768)).toBe(32_768);
  expect(open(5_000_000)).toBe(32_768);
  expect(at(`${"(".repeat(100)}║${" ".repeat(65_536)}${")".repeat(100)}`).closable).toHaveLength(100);
});
