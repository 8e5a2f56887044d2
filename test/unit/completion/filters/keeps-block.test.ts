// Several lines that would break the block they are put in.
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

describe("keeps-block cuts lines", () => {
  it("that close the block around the cursor and open another", () => {
    kept("function f() {\n  ├a();\n}\nfunction g() {┤\n}\n", "function f() {\n  ├a();┤\n}\n");
  });

  it("that leave a bracket open", () => {
    kept("function f() {\n  ├a();\n  if (b) {\n    c();┤\n}\n", "function f() {\n  ├a();┤\n}\n");
    kept("function f() {\n  ├if (b) {\n    c();┤\n}\n", "function f() {\n  ├if (b) {┤\n}\n");
  });

  it("that leave the block by their indentation", () => {
    kept(
      "def f():\n    if a:\n        ├b()\n    c()\nd()┤\n    e()\n",
      "def f():\n    if a:\n        ├b()┤\n    e()\n",
      "python",
    );
  });

  it("that are not code", () => {
    kept("def f():├\n    a = 1\n    b = = 2┤\n", "def f():├\n    a = 1┤\n", "python");
  });

  it("by brackets alone in a language without a grammar", () => {
    expectKept(keepsBlock, "a() {\n  ├b();\n  c(d {┤\n}\n", "a() {\n  ├b();┤\n}\n", "dart");
  });
});

describe("keeps-block leaves", () => {
  it("lines that fill the block", () => {
    untouched("function f() {├\n  if (a) {\n    b();\n  }\n  return c;┤\n}\n");
    untouched("class A {\n  ├f() {\n    return 1;\n  }┤\n}\n");
    untouched("def f(a):├\n    b = a\n    return b┤\n\n\nc = 1\n", "python");
  });

  it("the header of a block that the document has below", () => {
    untouched(
      "class A:\n    def f(self):\n        a = 1\n\n    ├@property\n    def g(self):┤\n        return 1\n",
      "python",
    );
  });

  it("a closer that the block lacks", () => {
    untouched("function f() {├\n  return 1;\n}┤\n");
    untouched("it('a', () => {├\n  b();\n});┤\n");
  });

  it("a single line, whatever it is", () => {
    untouched("function f() {\n  ├if (a) {┤\n}\n");
    untouched("a = ├) b┤\n");
  });

  it("lines in broken code that break nothing else", () => {
    untouched("const x = = 1;\nfunction f() {├\n  a();\n  b();┤\n}\n");
  });
});

it("keeps-block leaves only the first line where no cut helps", () => {
  kept("def f():├\n    a b c\n    d e f┤\n", "def f():├\n    a b c┤\n", "python");
  expect(trees).toBeDefined();
});
