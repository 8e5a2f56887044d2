// Suggestions of several lines that would break the block around the cursor.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keepsBlock } from "../../../../sidecar/completion/filters/keeps-block";
import type { SyntaxTrees } from "../../../../sidecar/completion/syntax/tree";
import { expectKept, expectUntouched, loadTrees } from "../cursor-marks";

let trees: SyntaxTrees;
beforeAll(async () => {
  trees = await loadTrees();
});
afterAll(() => trees.dispose());

const kept = (before: string, after: string, languageId?: string) =>
  expectKept(keepsBlock, before, after, languageId, trees);
const untouched = (text: string, languageId?: string) => expectUntouched(keepsBlock, text, languageId, trees);

describe("keeps-block cuts", () => {
  it("lines that close the surrounding block and open another", () => {
    kept("function f() {\n  ├a();\n}\nfunction g() {┤\n}\n", "function f() {\n  ├a();┤\n}\n");
  });

  it("lines that leave a bracket open", () => {
    kept("function f() {\n  ├a();\n  if (b) {\n    c();┤\n}\n", "function f() {\n  ├a();┤\n}\n");
    kept("function f() {\n  ├if (b) {\n    c();┤\n}\n", "function f() {\n  ├if (b) {┤\n}\n");
  });

  it("lines indented less than the block", () => {
    kept(
      "def f():\n    if a:\n        ├b()\n    c()\nd()┤\n    e()\n",
      "def f():\n    if a:\n        ├b()┤\n    e()\n",
      "python",
    );
  });

  it("lines with a syntax error", () => {
    kept("def f():├\n    a = 1\n    b = = 2┤\n", "def f():├\n    a = 1┤\n", "python");
  });

  it("by brackets only in a language without a grammar", () => {
    expectKept(keepsBlock, "a() {\n  ├b();\n  c(d {┤\n}\n", "a() {\n  ├b();┤\n}\n", "dart");
  });
});

describe("keeps-block keeps", () => {
  it("lines inside the block", () => {
    untouched("function f() {├\n  if (a) {\n    b();\n  }\n  return c;┤\n}\n");
    untouched("class A {\n  ├f() {\n    return 1;\n  }┤\n}\n");
    untouched("def f(a):├\n    b = a\n    return b┤\n\n\nc = 1\n", "python");
  });

  it("the header of a block whose body follows", () => {
    untouched(
      "class A:\n    def f(self):\n        a = 1\n\n    ├@property\n    def g(self):┤\n        return 1\n",
      "python",
    );
  });

  it("a missing closing bracket", () => {
    untouched("function f() {├\n  return 1;\n}┤\n");
    untouched("it('a', () => {├\n  b();\n});┤\n");
  });

  it("any single line", () => {
    untouched("function f() {\n  ├if (a) {┤\n}\n");
    untouched("a = ├) b┤\n");
  });

  it("lines that add no error to code with errors", () => {
    untouched("const x = = 1;\nfunction f() {├\n  a();\n  b();┤\n}\n");
  });
});

it("keeps-block keeps only the first line when every cut has an error", () => {
  kept("def f():├\n    a b c\n    d e f┤\n", "def f():├\n    a b c┤\n", "python");
  expect(trees).toBeDefined();
});
