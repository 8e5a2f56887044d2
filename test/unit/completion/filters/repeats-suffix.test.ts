// Saying what already stands after the cursor.
import { describe, it } from "vitest";
import { repeatsSuffix } from "../../../../sidecar/completion/filters/repeats-suffix";
import { expectKept, expectRejected, expectUntouched } from "../cursor-marks";

describe("on the cursor's line", () => {
  it("takes off the closers that are there", () => {
    expectKept(repeatsSuffix, "foo(├a, b)┤)", "foo(├a, b┤)");
    expectKept(repeatsSuffix, "foo(├a, b);┤);", "foo(├a, b┤);");
    expectKept(repeatsSuffix, 'foo("├bar")┤")', 'foo("├bar┤")');
  });

  it("keeps a closer that has its own opener", () => {
    expectUntouched(repeatsSuffix, "foo(├bar(a)┤)");
    expectUntouched(repeatsSuffix, "foo(├[a, b]┤)");
  });

  it("leaves to the rest of the line what it closes", () => {
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

  it("takes off words that are there", () => {
    expectKept(repeatsSuffix, "if (├a === b) {┤ === b) {", "if (├a┤ === b) {");
    expectKept(repeatsSuffix, "const ├total = sum┤ = sum;", "const ├total┤ = sum;");
  });

  it("does not split a word", () => {
    expectUntouched(repeatsSuffix, "use(├items┤s.length)");
    expectUntouched(repeatsSuffix, "use(├a.item┤items)");
  });

  it("rejects what is all there", () => {
    expectRejected(repeatsSuffix, "foo(├)┤)", "already stands after the cursor");
    expectRejected(repeatsSuffix, "return ├value;┤value;", "already stands after the cursor");
  });
});

describe("on the lines below", () => {
  it("rejects the next line", () => {
    expectRejected(repeatsSuffix, "\n  ├return value;┤\n\n  return value;\n}", "is the line below");
    expectRejected(repeatsSuffix, "a = 1\nret├urn value┤\nreturn value", "is the line below", "python");
  });

  it("takes off the last lines that are there", () => {
    expectKept(
      repeatsSuffix,
      "def f():\n    ├total = a + b\n    return total┤\n    return total\n",
      "def f():\n    ├total = a + b┤\n    return total\n",
      "python",
    );
    expectKept(repeatsSuffix, "if (a) {\n  ├b();\n}┤\n}", "if (a) {\n  ├b();┤\n}");
  });

  it("keeps the inside of a block of its own", () => {
    expectUntouched(repeatsSuffix, "def f(a):\n    ├if a:\n        return value┤\n    return value\n", "python");
  });

  it("keeps a brace that has its own opener", () => {
    expectUntouched(repeatsSuffix, "{\n  ├if (a) {\n    b();\n  }┤\n}");
  });

  it("keeps a line that another line only begins with", () => {
    expectUntouched(repeatsSuffix, "  ├total = a┤\n  total = a + b\n", "python");
  });
});
