// Where suggestions end. The text between ├ and ┤ is what the model generates.
import { describe, expect, it } from "vitest";
import { cutAtLimit, cutRepetition, findStop, loopCut } from "../../../../sidecar/completion/decoding/stop";
import { marked } from "../cursor-marks";

/** Feeds the text a few characters at a time, as a model does; returns the kept text and the stop reason. */
function stopAt(text: string, languageId?: string, step = 1): [kept: string, reason: string] {
  const { context, insertion } = marked(text, languageId);
  for (let length = step; length < insertion.length + step; length += step) {
    const stop = findStop(insertion.slice(0, length), context.cursor);
    if (stop !== undefined) return [insertion.slice(0, stop.length), stop.reason];
  }
  return [insertion, "none"];
}

describe("a suggestion of one line", () => {
  it("ends at its newline where code follows the cursor", () => {
    expect(stopAt("foo(├a, [\n1]┤)")).toEqual(["a, [", "end-of-statement"]);
  });

  it("ends at a bracket that the code after the cursor closes", () => {
    expect(stopAt("foo(├a, (b))┤);")).toEqual(["a, (b)", "end-of-statement"]);
  });

  it("ends at the end of a line comment", () => {
    expect(stopAt("// adds ├one\nfoo()┤")).toEqual(["one", "end-of-statement"]);
  });
});

describe("a suggestion of one statement", () => {
  it("ends at its newline", () => {
    expect(stopAt("const a = ├b + c;\nconst d┤")).toEqual(["b + c;", "end-of-statement"]);
  });

  it("continues while one of its own brackets is open", () => {
    expect(stopAt("const a = ├[\n  1,\n];\nfoo┤")).toEqual(["[\n  1,\n];", "end-of-statement"]);
    expect(stopAt("const a = ├{\n  b: 1,\n};\nfoo┤")).toEqual(["{\n  b: 1,\n};", "end-of-statement"]);
  });

  it("continues while a bracket opened before the cursor is open", () => {
    expect(stopAt("foo(a, ├b,\n  c);\nbar┤")).toEqual(["b,\n  c);", "end-of-statement"]);
  });

  it("ends at its newline when the code below closes the bracket", () => {
    expect(stopAt("foo(\n  a,\n  ├b,\n  c┤\n);")).toEqual(["b,", "end-of-statement"]);
    expect(stopAt("foo(\n  a, ├b,\n  c┤\n);")).toEqual(["b,", "end-of-statement"]);
  });

  it("ends where a new statement begins although a bracket is open", () => {
    expect(stopAt("f([a.├b\nimport c\nimport d┤", "python")).toEqual(["b", "end-of-statement"]);
    expect(stopAt("f(├a,\n  b\n  .c(),\n)\nd┤")).toEqual(["a,\n  b\n  .c(),\n)", "end-of-statement"]);
    expect(stopAt("x = [├a\n     for a in b\n     if c]\nd┤", "python")).toEqual([
      "a\n     for a in b\n     if c]",
      "end-of-statement",
    ]);
  });

  it("ends with the header of a block", () => {
    expect(stopAt("if (├a) {\n  b();┤")).toEqual(["a) {", "end-of-statement"]);
    expect(stopAt("func f├(a int) error {\n\tb┤", "go")).toEqual(["(a int) error {", "end-of-statement"]);
    expect(stopAt("fn f├(a: u8) -> u8 {\n    a┤", "rust")).toEqual(["(a: u8) -> u8 {", "end-of-statement"]);
    expect(stopAt("def f├(a):\n    return a┤", "python")).toEqual(["(a):", "end-of-statement"]);
  });

  it("continues through a template string and after a backslash", () => {
    expect(stopAt("const a = ├`x\ny`;\nz┤")).toEqual(["`x\ny`;", "end-of-statement"]);
    expect(stopAt("a = ├b + \\\n  c\nd┤", "python")).toEqual(["b + \\\n  c", "end-of-statement"]);
  });

  it("continues after a decorator or an annotation", () => {
    expect(stopAt("class A {\n  b;\n  ├@Override\n  public void f() {\n    g();┤\n}", "java")).toEqual([
      "@Override\n  public void f() {",
      "end-of-statement",
    ]);
    expect(stopAt("a = 1\n├@property\ndef f(self):\n    pass┤", "python")).toEqual([
      "@property\ndef f(self):",
      "end-of-statement",
    ]);
  });

  it("continues to its semicolon in languages that require one", () => {
    expect(stopAt("a();\n├b\n    .c()\n    .d();\ne();┤\n}", "java")).toEqual([
      "b\n    .c()\n    .d();",
      "end-of-statement",
    ]);
    expect(stopAt("fn f() {\n    a();\n    ├b.c()\n}\n┤\n}", "rust")).toEqual(["b.c()\n", "end-of-statement"]);
    expect(stopAt("├#include <a>\n#include <b>\n┤", "cpp")).toEqual(["#include <a>", "end-of-statement"]);
    expect(stopAt("enum A {\n  B,\n  ├C,\n  D,\n┤}", "java")).toEqual(["C,", "end-of-statement"]);
    expect(stopAt("a()\n├b()\nc()┤", "typescript")).toEqual(["b()", "end-of-statement"]);
  });

  it("does not count brackets in strings", () => {
    expect(stopAt('log(├"(");\nfoo┤')).toEqual(['"(");', "end-of-statement"]);
  });
});

describe("the rest of the cursor's line", () => {
  it("ends the suggestion that reaches it", () => {
    expect(stopAt("const ├total = sum; const b = 1;┤ = sum;")).toEqual(["total = sum;", "end-of-statement"]);
    expect(stopAt("f(├a, c) || g(a, c)┤, c)")).toEqual(["a, c", "end-of-statement"]);
    expect(stopAt("const a = '├b' + c;┤' + c;")).toEqual(["b' + c;", "end-of-statement"]);
  });

  it("is not mistaken for an equal part of the suggestion", () => {
    expect(stopAt("f(├[a, b], c┤, d)")[1]).toBe("none");
    expect(stopAt("return ├values.value┤value;")[1]).toBe("none");
    expect(stopAt("{ a: ├[1, 2], b┤,")).toEqual(["[1, 2],", "end-of-statement"]);
  });
});

describe("a suggestion of a block", () => {
  it("ends before the line that leaves it", () => {
    const text = "\n    def f(a):\n        ├b = a\n        return b\n    g()┤";
    expect(stopAt(text, "python")).toEqual(["b = a\n    return b", "end-of-block"]);
  });

  it("ends before a brace that the code after the cursor contains", () => {
    expect(stopAt("function f() {\n  ├return 1;\n}\n┤\n}")).toEqual(["return 1;", "end-of-block"]);
  });

  it("ends with the brace that is missing", () => {
    expect(stopAt("function f() {\n  ├return 1;\n}\nfunction g() {┤")).toEqual(["return 1;\n}", "end-of-block"]);
    expect(stopAt("it('a', () => {├\n  b();\n});\nit(┤")).toEqual(["\n  b();\n});", "end-of-block"]);
  });

  it("ends with the word that is missing", () => {
    expect(stopAt("def f\n  ├g\nend\ndef h┤", "ruby")).toEqual(["g\nend", "end-of-block"]);
    expect(stopAt("def f\n  ├g\nend\n┤\nend", "ruby")).toEqual(["g", "end-of-block"]);
    expect(stopAt("def f\n  ├g\nendless = 1\n┤", "ruby")).toEqual(["g", "end-of-block"]);
  });

  it("continues through nested blocks", () => {
    expect(stopAt("function f() {\n  ├if (a) {\n    b();\n  } else {\n    c();\n  }\n}\n┤\n}")).toEqual([
      "if (a) {\n    b();\n  } else {\n    c();\n  }",
      "end-of-block",
    ]);
  });

  it("begins on the next line after an opener", () => {
    expect(stopAt("def f(a):├\n    return a\n\n\ndef g┤", "python")).toEqual(["\n    return a", "end-of-block"]);
  });

  it("ends at a blank line", () => {
    expect(stopAt("def f():\n    ├a()\n\n    b()┤", "python")).toEqual(["a()", "end-of-block"]);
  });

  it("after a comment ends with its construct", () => {
    expect(stopAt("# Gives one.\n├def f():\n    return 1\nx = f()\n┤", "python")).toEqual([
      "def f():\n    return 1",
      "end-of-block",
    ]);
    expect(stopAt("# Asks b.\n├if b:\n    c()\nelse:\n    d()\ne()\n┤", "python")).toEqual([
      "if b:\n    c()\nelse:\n    d()",
      "end-of-block",
    ]);
  });

  it("ends with a block on one line", () => {
    expect(stopAt("const f = () => {├ return 1; };\nfoo┤")).toEqual([" return 1; };", "end-of-block"]);
  });

  it("does not end before the next line is known", () => {
    expect(stopAt("def f():\n    ├a()\n    ┤", "python")[1]).toBe("none");
  });
});

it("a suggestion ends at the same place however the text is cut into tokens", () => {
  const text = "function f() {\n  ├if (a) {\n    b();\n  }\n  return 2;\n}\nmore┤\n}";
  for (const step of [1, 2, 3, 5, 100]) expect(stopAt(text, "typescript", step)).toEqual(stopAt(text));
});

describe("loops", () => {
  const times = (count: number, ...period: number[]) => Array.from({ length: count }, () => period).flat();

  it("are cut after their first iteration", () => {
    expect(loopCut([9, 9, 8, ...times(12, 1)])).toBe(4);
    expect(loopCut([9, ...times(6, 1, 2)])).toBe(3);
    expect(loopCut([9, ...times(3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)])).toBe(11);
  });

  it("are not found in text that only looks repetitive", () => {
    expect(loopCut([])).toBeUndefined();
    expect(loopCut(times(11, 1))).toBeUndefined();
    expect(loopCut([...times(5, 1, 2), 3])).toBeUndefined();
  });
});

describe("a text cut off", () => {
  const atLimit = (text: string) => {
    const { context, insertion } = marked(text);
    return cutAtLimit(insertion, context.cursor);
  };
  const whereItRepeats = (text: string, length: number) => {
    const { context, insertion } = marked(text);
    return cutRepetition(insertion, length, context.cursor);
  };

  it("at the token limit loses its incomplete last line if it has others", () => {
    expect(atLimit("f() {\n  ├a();\n  b(┤")).toBe("a();");
  });

  it("at the token limit loses the last word of its only line, which may be incomplete", () => {
    expect(atLimit("f() {\n  ├a + b┤")).toBe("a +");
    expect(atLimit("f(├a, firs┤)")).toBe("a,");
    expect(atLimit("f(├firs┤)")).toBe("");
    // The letters of a word may have combining marks.
    expect(atLimit("f(├a, nai\u0308ve┤)")).toBe("a,");
  });

  it("does not end with an opening bracket or quote", () => {
    expect(atLimit("f() {\n  ├a(┤")).toBe("a");
    expect(whereItRepeats("f(├'a', 'a', 'a'┤)", 6)).toBe("'a',");
    expect(whereItRepeats("├('a', 'b'), ('a', 'b')┤", 14)).toBe("('a', 'b'),");
  });

  it("where it repeats itself ends with a whole line if it has several", () => {
    expect(whereItRepeats("├ab();\nab();\nab();┤", 8)).toBe("ab();");
  });

  it("where it repeats itself ends with a whole word", () => {
    expect(whereItRepeats("f(├first, last, first, last┤)", 15)).toBe("first, last, first");
    expect(whereItRepeats("f(├first, last, first, last┤)", 11)).toBe("first, last");
    expect(whereItRepeats("f(├nai\u0308ve, last, nai\u0308ve┤)", 3)).toBe("nai\u0308ve");
  });
});

it("a suggestion behind an attribute ends where its function stands already, and goes on to it otherwise", () => {
  expect(stopAt("#[test]├\nfn a() {┤\nfn b() {\n}\n", "rust")).toEqual(["", "end-of-statement"]);
  expect(stopAt("#[test]├\nfn a() {\n    b();┤\n", "rust")[0]).toContain("fn a()");
});

it("a suggestion behind a decorator ends where its definition stands already", () => {
  expect(stopAt("class A:\n    @property├\n    def b(self):┤\n    def c(self):\n        pass", "python")).toEqual([
    "",
    "end-of-statement",
  ]);
});
