// Suggestions that would leave the document more broken than it is: closed, cut, or rejected.
import { afterAll, beforeAll, describe, it } from "vitest";
import { fitsDocument } from "../../../../sidecar/completion/filters/fits-document";
import type { SyntaxTrees } from "../../../../sidecar/completion/syntax/tree";
import { expectKept, expectRejected, expectUntouched, loadTrees } from "../cursor-marks";

let trees: SyntaxTrees;
beforeAll(async () => {
  trees = await loadTrees();
});
afterAll(() => trees.dispose());

/** With the syntax tree. */
const kept = (before: string, after: string, languageId?: string) =>
  expectKept(fitsDocument, before, after, languageId, trees);
const untouched = (text: string, languageId?: string) => expectUntouched(fitsDocument, text, languageId, trees);
const rejected = (text: string, reason: string, languageId?: string) =>
  expectRejected(fitsDocument, text, reason, languageId, trees);

describe("before a word", () => {
  it("a suggestion gets the space that it lacks", () => {
    kept("const a = ├await┤load(b);", "const a = ├await ┤load(b);");
    kept("# reads ├the list of┤items", "# reads ├the list of ┤items", "python");
    kept("# reads ├the list;┤items", "# reads ├the list; ┤items", "python");
    kept("const a = ├b +┤c;", "const a = ├b + ┤c;");
    kept("f(├a,┤b);", "f(├a, ┤b);");
  });

  it("a suggestion is cut so that no words grow together", () => {
    kept("const total = ├10 + items┤items.length;", "const total = ├10 + ┤items.length;");
    kept("return ├self.width┤width * height\n", "return ├self.┤width * height\n", "python");
    kept("const a = ├await url.read(url);┤load(url);", "const a = ├await ┤load(url);");
    kept("├config.save(a);┤load(url);", "├config.┤load(url);");
    rejected("const total = ├0┤items.length;", "grows together");
    rejected(
      "class A {\n  public ├String name┤String getName() {\n    return name;\n  }\n}\n",
      "grows together",
      "java",
    );
  });

  it("a suggestion ends no statement", () => {
    rejected("├save();┤load();", "ends a statement");
    rejected("const a = ├0;┤b;", "ends a statement");
  });

  it("a suggestion that leaves the line whole is kept", () => {
    untouched("const a = ├new ┤Map();");
    untouched("self.├items.┤append(a)", "python");
  });
});

describe("brackets", () => {
  it("that the rest of the line closes for others are cut or closed", () => {
    kept("a(b(c.├d(e.┤).f, g);", "a(b(c.├d(e)┤).f, g);");
    kept("a(b.├c(┤);", "a(b.├c()┤);");
    kept("print(os.├path.join(a, b┤)\n", "print(os.├path.join(a, b)┤)\n", "python");
  });

  it("of a block are closed on a line of their own", () => {
    kept("function f() {\n  ├if (a) {┤\n}\n", "function f() {\n  ├if (a) {\n  }┤\n}\n");
    kept(
      "function f() {\n  ├a();\n  if (b) {\n    c();┤\n}\n",
      "function f() {\n  ├a();\n  if (b) {\n    c();\n  }┤\n}\n",
    );
    kept("├app.get('/', (request) => {┤\n", "├app.get('/', (request) => {\n})┤\n");
  });

  it("that are words are closed as well", () => {
    kept("class A\n  ├def b(c)┤\nend\n", "class A\n  ├def b(c)\n  end┤\nend\n", "ruby");
  });

  it("of an expression are closed where they stand", () => {
    kept("const a = ├b(c, d┤\n", "const a = ├b(c, d)┤\n");
    kept("fn f() {\n    ├a(b, c┤\n}\n", "fn f() {\n    ├a(b, c)┤\n}\n", "rust");
    kept("const a = ├[b, c,┤\n", "const a = ├[b, c]┤\n");
  });

  it("may be left to closers below that close nothing else", () => {
    untouched("const a = ├b(c,┤\n  d);\n");
    untouched("├if (a) {┤\n  b();\n}\n");
    untouched("if (├a) {┤\n");
  });

  it("in comments and strings are closed or cut as well", () => {
    kept("# uses the (fast‖├ path) of┤) one\n".replace("‖", ""), "# uses the (fast├ path┤) one\n", "python");
    kept("// reads ├all (but one┤\n", "// reads ├all (but one)┤\n");
    kept("const a = 'b(├c)┤)';\n", "const a = 'b(├c┤)';\n");
    kept("it('is (not├, else) here) there┤)', () => {\n});\n", "it('is (not├, else┤)', () => {\n});\n");
    untouched("/* reads (all\n * but ├one) or two┤\n */\n");
    kept("/* reads\n * ├all) but {┤\n */\n", "/* reads\n * ├all┤\n */\n");
    kept("const a = 1;├ // one (of┤\n", "const a = 1;├ // one┤\n");
    untouched("// reads ├all (but one)┤\n");
  });

  it("are closed by brackets alone in a language without a grammar", () => {
    expectKept(fitsDocument, "a() {\n  ├b();\n  c(d {┤\n}\n", "a() {\n  ├b();\n  c(d {\n  })┤\n}\n", "dart");
  });
});

describe("strings and comments", () => {
  it("of one line are closed", () => {
    kept("const a = ├'b┤\n", "const a = ├'b'┤\n");
    kept("├print(f'a┤\n", "├print(f'a')┤\n", "python");
    untouched("const a = '├b┤'");
    untouched("├// it's fine┤\n");
  });

  it("of several lines are closed, though another one begins below", () => {
    const below = '\n    return a\n\n\ndef g():\n    """Gives one."""\n    return 1\n';
    kept(
      `def f(a):\n    ├"""Gives a.\n\n    :param a: it┤${below}`,
      `def f(a):\n    ├"""Gives a.\n\n    :param a: it\n    """┤${below}`,
      "python",
    );
    kept(`def f(a):\n    ├"""Gives a.┤${below}`, `def f(a):\n    ├"""Gives a."""┤${below}`, "python");
    kept("├/** Adds┤\nf();\n/* b */\n", "├/** Adds */┤\nf();\n/* b */\n");
  });

  it("may be left to what ends them below", () => {
    untouched("const a = `${├b} and┤\n c`;");
  });

  it("hide their brackets", () => {
    untouched('log(├":(");┤');
  });
});

describe("lines", () => {
  it("that close the surrounding block and open another are cut", () => {
    kept("function f() {\n  ├a();\n}\nfunction g() {┤\n}\n", "function f() {\n  ├a();┤\n}\n");
  });

  it("indented less than the block are cut", () => {
    kept(
      "def f():\n    if a:\n        ├b()\n    c()\nd()┤\n    e()\n",
      "def f():\n    if a:\n        ├b()┤\n    e()\n",
      "python",
    );
  });

  it("with a syntax error are cut", () => {
    kept("def f():├\n    a = 1\n    b = = 2┤\n", "def f():├\n    a = 1┤\n", "python");
    kept("├a()\nc = d(e, ,\n      f┤\n", "├a()\nc = d(e)┤\n", "python");
  });

  it("whose end was just typed are not suggested again", () => {
    rejected("const total = 10 + ├10 + ┤items.length;", "end of the line just typed");
    untouched("f(0, ├0,┤ 0);");
  });

  it("that are the line above or below are rejected", () => {
    rejected("  total += item.price;\n  total += ├item.┤price;\n", "line above");
    rejected("  total += ├item.┤price;\n  total += item.price;\n", "line below");
  });

  it("inside the block are kept", () => {
    untouched("function f() {├\n  if (a) {\n    b();\n  }\n  return c;┤\n}\n");
    untouched("class A {\n  ├f() {\n    return 1;\n  }┤\n}\n");
    untouched("def f(a):├\n    b = a\n    return b┤\n\n\nc = 1\n", "python");
  });

  it("with a closing bracket that was missing are kept", () => {
    untouched("function f() {├\n  return 1;\n}┤\n");
    untouched("it('a', () => {├\n  b();\n});┤\n");
  });

  it("that add no error to code with errors are kept", () => {
    untouched("const x = = 1;\nfunction f() {├\n  a();\n  b();┤\n}\n");
  });
});

describe("between a decorator and its definition", () => {
  it.each([
    ["python", "class A:\n    @property\n    ├def b(self):┤\n    def c(self):\n        return 1\n"],
    ["python", "class A:\n    @property├\n    def b(self):┤\n    def c(self):\n        return 1\n"],
    ["java", "class A {\n\t@Override\n\t├public void b() {\n\t}┤\n\tpublic void c() {\n\t\td();\n\t}\n}\n"],
    ["rust", "#[test]├\nfn a() {\n}┤\nfn b() {\n    c();\n}\n"],
    ["typescript", "class A {\n  @Input()\n  ├b: string;┤\n  c: string;\n}\n"],
    ["csharp", "class A {\n    [Fact]\n    ├public void B() {\n    }┤\n    public void C() {\n    }\n}\n"],
  ])("no other definition is suggested: %s %j", (languageId, text) => {
    rejected(text, "between a decorator", languageId);
  });

  it("another decorator is kept", () => {
    untouched("class A:\n    @property\n    ├@cached┤\n    def c(self):\n        return 1\n", "python");
  });
});
