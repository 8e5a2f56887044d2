// Suggestions that repeat the code after the cursor.
import { describe, it } from "vitest";
import { repeatsSuffix } from "../../../../sidecar/completion/filters/repeats-suffix";
import { expectKept, expectRejected, expectUntouched } from "../cursor-marks";

describe("on the cursor's line", () => {
  it("removes closing brackets that are already there", () => {
    expectKept(repeatsSuffix, "foo(├a, b)┤)", "foo(├a, b┤)");
    expectKept(repeatsSuffix, "foo(├a, b);┤);", "foo(├a, b┤);");
    expectKept(repeatsSuffix, 'foo("├bar")┤")', 'foo("├bar┤")');
  });

  it("keeps a closing bracket whose opening one it contains", () => {
    expectUntouched(repeatsSuffix, "foo(├bar(a)┤)");
    expectUntouched(repeatsSuffix, "foo(├[a, b]┤)");
  });

  it("is cut before closing brackets of the rest of the line", () => {
    expectKept(repeatsSuffix, "foo(├[a, b]┤]", "foo(├[a, b┤]");
    expectKept(repeatsSuffix, "sum = ├add(a, b);┤, b);", "sum = ├add(a┤, b);");
    expectKept(
      repeatsSuffix,
      "text.push(├reader.peek(at - start.get())┤.get()));",
      "text.push(├reader.peek(at - start┤.get()));",
    );
    expectKept(
      repeatsSuffix,
      'parser.├add("path", kind="file")┤="file")',
      'parser.├add("path", kind┤="file")',
      "python",
    );
    expectKept(
      repeatsSuffix,
      'log.├info("Message: %s", text)┤: %s", text)',
      'log.├info("Message┤: %s", text)',
      "python",
    );
    expectKept(repeatsSuffix, "client = ├create({┤{\n  a: 1,\n});", "client = ├create(┤{\n  a: 1,\n});");
    expectKept(repeatsSuffix, ".name(├t('a.b'))┤'))", ".name(├t('a.b┤'))");
  });

  it("removes words that are already there", () => {
    expectKept(repeatsSuffix, "if (├a === b) {┤ === b) {", "if (├a┤ === b) {");
    expectKept(repeatsSuffix, "const ├total = sum┤ = sum;", "const ├total┤ = sum;");
  });

  it("does not split a word", () => {
    expectUntouched(repeatsSuffix, "use(├items┤s.length)");
    expectUntouched(repeatsSuffix, "use(├a.item┤items)");
  });

  it("rejects a text that begins with the word after the cursor but does not lead to it", () => {
    expectRejected(repeatsSuffix, "if (├items.empty() and ┤items.length)", "already stands after the cursor");
    expectRejected(repeatsSuffix, "// ├the list of names, ┤the list of items", "already stands after the cursor");
    expectUntouched(repeatsSuffix, "// ├the names and ┤the list of items");
    expectKept(repeatsSuffix, "[book.├author == author┤author]", "[book.├author == ┤author]");
  });

  it("rejects a text that is entirely there", () => {
    expectRejected(repeatsSuffix, "foo(├)┤)", "already stands after the cursor");
    expectRejected(repeatsSuffix, "return ├value;┤value;", "already stands after the cursor");
  });
});

describe("on the lines below", () => {
  it("rejects the next line", () => {
    expectRejected(repeatsSuffix, "\n  ├return value;┤\n\n  return value;\n}", "is the line below");
    expectRejected(repeatsSuffix, "a = 1\nret├urn value┤\nreturn value", "is the line below", "python");
  });

  it("removes last lines that are already there", () => {
    expectKept(
      repeatsSuffix,
      "def f():\n    ├total = a + b\n    return total┤\n    return total\n",
      "def f():\n    ├total = a + b┤\n    return total\n",
      "python",
    );
    expectKept(repeatsSuffix, "if (a) {\n  ├b();\n}┤\n}", "if (a) {\n  ├b();┤\n}");
  });

  it("cuts the next line and what follows it", () => {
    expectKept(repeatsSuffix, "  ├save(a);\n  load(b);\n  show(c);┤\n  load(b);\n", "  ├save(a);┤\n  load(b);\n");
  });

  it("keeps equal lines inside a new block", () => {
    expectUntouched(repeatsSuffix, "def f(a):\n    ├if a:\n        return value┤\n    return value\n", "python");
  });

  it("keeps a brace whose opening one it contains", () => {
    expectUntouched(repeatsSuffix, "{\n  ├if (a) {\n    b();\n  }┤\n}");
  });

  it("keeps a line that is only the beginning of the next line", () => {
    expectUntouched(repeatsSuffix, "  ├total = a┤\n  total = a + b\n", "python");
  });
});
