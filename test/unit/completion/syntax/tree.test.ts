// The cursor and an insertion by the syntax tree.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closersAfter } from "../../../../sidecar/completion/syntax/cursor";
import type { SyntaxTrees } from "../../../../sidecar/completion/syntax/tree";
import { loadTrees, marked } from "../cursor-marks";

let trees: SyntaxTrees;
beforeAll(async () => {
  trees = await loadTrees();
});
afterAll(() => trees.dispose());

const at = (text: string, languageId: string) => marked(text, languageId, trees).context.cursor;

describe("a suggestion may have several lines", () => {
  it.each<[string, string, number]>([
    ["typescript", "function f() {\n  ║\n}\n", 0],
    ["typescript", "function f() {║\n}\n", 0],
    ["typescript", "function f() {\n  ║\n", 0],
    ["typescript", "if (a) {\n  if (b) {\n    ║\n  }\n  c();\n}\n", 2],
    ["typescript", "const a = {\n  ║\n};\n", 0],
    ["typescript", "f(\n  ║\n);\n", 0],
    ["typescript", "function f() {\n  // Only a comment.\n  ║\n}\n", 0],
    ["typescriptreact", "function F() {\n  ║\n}\nconst a = <p>Don't</p>;\n", 0],
    ["javascriptreact", "class A {\n  ║\n}\n", 0],
    ["python", "def f():\n    ║\n\n\ndef g():\n    pass\n", 0],
    ["python", "def f():║", 0],
    ["python", "def f():\n║\n", 0],
    ["python", "def f(\n    a,\n    b,\n):\n    ║\n", 0],
    ["python", "if a:\n    b()\n    for c in d:\n        ║\n    e()\n", 4],
    ["java", "class A {\n  void f() {\n    ║\n  }\n}\n", 2],
    ["go", "func f() {\n\t║\n}\n", 0],
    ["rust", "fn f() {\n    ║\n}\n", 0],
    ["csharp", "class A {\n  void F() {\n    ║\n  }\n}\n", 2],
    ["cpp", "int f() {\n  ║\n}\n", 0],
    ["ruby", "def f\n  ║\nend\n", 0],
    ["php", "<?php\nfunction f() {\n  ║\n}\n", 0],
  ])("in an empty block: %s %j", (languageId, text, blockIndent) => {
    expect(at(text, languageId)).toMatchObject({ extent: "block", blockIndent, oneConstruct: false });
  });

  it.each<[string, string]>([
    ["typescript", "import a from 'a';\n\n// Adds two numbers.\n║\n\nexport const b = 1;\n"],
    ["typescript", "class A {\n  b = 1;\n\n  /** Adds two numbers. */\n  ║\n}\n"],
    [
      "python",
      "class A:\n    def f(self):\n        pass\n\n    # Adds two numbers.\n    ║\n\n    def g(self):\n        pass\n",
    ],
    ["python", "import a\n\n@property\n║\n"],
    ["java", "class A {\n  int b;\n\n  /** Adds two numbers. */\n  ║\n}\n"],
    ["go", "package a\n\n// Add gives the sum.\n║\n"],
    ["rust", "use a;\n\n/// Adds two numbers.\n║\n"],
  ])("after a comment or decorator without its definition: %s %j", (languageId, text) => {
    expect(at(text, languageId)).toMatchObject({ extent: "block", oneConstruct: true });
  });
});

describe("a suggestion has one statement", () => {
  it.each<[string, string]>([
    ["typescript", "function f() {\n  a();\n  ║\n}\n"],
    ["typescript", "function f() {\n  ║\n  return 1;\n}\n"],
    ["typescript", "if (a) {║\n  b();\n}\n"],
    ["typescript", "const a = ║\n"],
    ["typescript", "f(║\n"],
    ["typescript", "const a = [\n  1,\n  ║\n];\n"],
    ["python", "def f():\n    a()\n    ║\n"],
    ["python", "def f():║\n    return 1\n"],
    ["python", "x = f(a, ║\n"],
    ["python", "def f():\n    # Adds two numbers.\n    a = 1\n    ║\n"],
    // The definition after the comment is already there.
    ["typescript", "import a from 'a';\n\n// Adds two numbers.\n║\nexport const b = 1;\n"],
    // A ruler is not a comment about a definition.
    ["python", "import a\n\n# ------\n║\n"],
    ["java", "class A {\n  void f() {\n    int a = 1;\n    ║\n  }\n}\n"],
    ["typescript", "║"],
  ])("elsewhere: %s %j", (languageId, text) => {
    expect(at(text, languageId).extent).toBe("statement");
  });

  it("or less, up to the code after the cursor on its line", () => {
    expect(at("function f() { ║ }", "typescript").extent).toBe("line");
  });
});

describe("strings and comments of particular languages", () => {
  const inside = (text: string, languageId: string) => {
    const { atCursor } = at(text, languageId);
    return atCursor.insideString ? "string" : atCursor.insideComment ? "comment" : "code";
  };

  it.each<[string, string, string]>([
    ["typescriptreact", "const a = <p>Don't {f(║)}</p>;\n", "code"],
    ["ruby", "a = <<~TEXT\n  one ║ two\nTEXT\n", "string"],
    ["rust", 'let a = r#"one " ║ two"#;\n', "string"],
    ["cpp", 'auto a = R"(one " ║ two)";\n', "string"],
    ["python", "a = 'one ║'\n", "string"],
    ["python", "a = f'one {f(║)}'\n", "code"],
    ["python", "a = 'one ║", "string"],
    ["typescript", "const a = `one ${║}`;\n", "code"],
    ["typescript", "const a = `one ${b} ║`;\n", "string"],
    ["typescript", "// one ║\n", "comment"],
    ["typescript", "// one\n║\n", "code"],
    ["typescript", "/* one */ ║\n", "code"],
    ["typescript", "const a = b / c ║;\n", "code"],
  ])("%s %j: %s", (languageId, text, expected) => {
    expect(inside(text, languageId)).toBe(expected);
  });

  it("are told apart from documentation strings", () => {
    expect(at('def f():\n    """Does ║."""\n', "python").inDocumentation).toBe(true);
    expect(at('a = """Does ║."""\n', "python").inDocumentation).toBe(false);
  });
});

describe("an insertion", () => {
  const agrees = (text: string, languageId: string) => {
    const { context, insertion } = marked(text, languageId, trees);
    return context.cursor.tree?.agrees(insertion, closersAfter(insertion, context.cursor));
  };

  it.each<[string, string]>([
    ["typescript", "function f() {\n  ├if (a) {\n    b();\n  }\n  return 1;┤\n}\n"],
    ["typescript", "function f() {\n  a();\n  ├return {┤\n}\n"],
    ["typescript", "const a = ├f(b)┤;\n"],
    ["typescript", "f({ a: ├1, b: [2]┤ });\n"],
    ["typescript", "function f() {├\n  return 1;\n}┤\n"],
    ["python", "def f():├\n    a = 1\n    return a┤\n\n\nb = 2\n"],
    ["python", "def f():\n    ├for a in b:\n        c()┤\n\n\nb = 2\n"],
    [
      "python",
      "class A:\n    def f(self):\n        pass\n\n    ├def g(self):\n        return 1┤\n\n    def h(self):\n        pass\n",
    ],
    ["java", "class A {\n  void f() {\n    ├int a = 1;\n    g(a);┤\n  }\n}\n"],
    ["go", "func f() error {\n\t├if err := g(); err != nil {\n\t\treturn err\n\t}\n\treturn nil┤\n}\n"],
  ])("agrees with the syntax: %s %j", (languageId, text) => {
    expect(agrees(text, languageId)).toBe(true);
  });

  it.each<[string, string]>([
    ["typescript", "const a = ├f(b c)┤;\n"],
    ["typescript", "function f() {\n  ├a();\n}\nfunction g() {┤\n}\n"],
    ["typescript", "if (a) {\n  ├else b();┤\n}\n"],
    ["python", "def f():\n    if a:\n        ├b()\n    c()\nd()┤\n    e()\n"],
    ["python", "x = ├for a in b┤\n"],
    ["java", "class A {\n  void f() {\n    ├int a = ;┤\n  }\n}\n"],
  ])("disagrees with the syntax: %s %j", (languageId, text) => {
    expect(agrees(text, languageId)).toBe(false);
  });

  it("in code with syntax errors disagrees only when it adds another error", () => {
    expect(agrees("const x = = 1;\nfunction f() {\n  ├return 1;┤\n}\n", "typescript")).toBe(true);
    expect(agrees("const x = = 1;\nfunction f() {\n  ├return 1 2;┤\n}\n", "typescript")).toBe(false);
  });
});

it("an incrementally parsed document gives the same result as a freshly parsed one", async () => {
  const text =
    "import a from 'a';\n\nfunction f(b: number) {\n  const c = `x ${b} y`;\n  if (c) {\n    return [b, 1];\n  }\n  return f(b - 1);\n}\n\nclass D {\n  e = 1;\n  f() {\n  }\n}\n";
  const read = (from: SyntaxTrees, prefix: string, suffix: string) => {
    const tree = from.at({ uri: "file:///typed.ts", path: "typed.ts", languageId: "typescript", prefix, suffix });
    const reading = tree?.read({ before: "", closers: "" });
    const result = [reading, tree?.agrees("g(b);", "")];
    tree?.dispose();
    return result;
  };
  for (let end = 1; end < text.length; end++) {
    for (const suffix of ["", "\n}\n"]) {
      const fresh = await loadTrees();
      expect(read(trees, text.slice(0, end), suffix), text.slice(0, end)).toEqual(
        read(fresh, text.slice(0, end), suffix),
      );
      fresh.dispose();
    }
  }
});

it("only a bounded part of a huge file is parsed", () => {
  const line = "const value = compute(1, [2, 3]);\n";
  const window = (lines: number) => {
    const tree = trees.at({
      uri: `file:///${lines}.ts`,
      path: "a.ts",
      languageId: "typescript",
      prefix: line.repeat(lines),
      suffix: line.repeat(lines),
    });
    const length = tree?.length ?? 0;
    tree?.dispose();
    return length;
  };
  expect(window(100)).toBe(200 * line.length);
  expect(window(100_000)).toBeLessThanOrEqual(24_576);
  expect(window(100_000)).toBeGreaterThan(16_384);
});

it("a language without a grammar has no tree", () => {
  expect(trees.at({ uri: "file:///a", path: "a", languageId: "lua", prefix: "", suffix: "" })).toBeUndefined();
});
