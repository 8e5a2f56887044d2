// Brackets and quotes in balance with the code on both sides.
import { describe, it } from "vitest";
import { unbalancedRest } from "../../../../sidecar/completion/filters/unbalanced-rest";
import { expectKept, expectRejected, expectUntouched } from "../cursor-marks";

describe("closers", () => {
  it("are cut when the code after the cursor closes the bracket", () => {
    expectKept(unbalancedRest, "function f() {\n  ├return 1;\n}┤\n}", "function f() {\n  ├return 1;┤\n}");
    expectKept(unbalancedRest, "foo(├a)); // b┤)", "foo(├a┤)");
  });

  it("are rejected when there is nothing else", () => {
    expectRejected(unbalancedRest, "foo(├)┤)", "only closes");
  });

  it("are kept when a bracket is open", () => {
    expectUntouched(unbalancedRest, "foo(├a);┤");
    expectUntouched(unbalancedRest, "foo({ a: ├1 });┤\nbar();");
    expectUntouched(unbalancedRest, "function f() {\n  if (a) {\n    ├b();\n  }┤\n}");
  });

  it("of the wrong kind are cut", () => {
    expectKept(unbalancedRest, "foo([├a);┤", "foo([├a┤");
  });
});

describe("openers", () => {
  it("must be closed by the suggestion or the rest of the line", () => {
    expectRejected(unbalancedRest, "const a = ├b(c, d┤", "leaves ( open");
    expectRejected(unbalancedRest, "const a = ├[b, c┤\n;", "leaves [ open");
    expectUntouched(unbalancedRest, "const a = ├b(c┤);");
  });

  it("may be closed by an unmatched closing bracket below", () => {
    expectUntouched(unbalancedRest, "const a = ├b(c,┤\n  d);\n");
    expectRejected(unbalancedRest, "f(\n  ├b(c,┤\n);\n", "leaves ( open");
  });

  it("may stay open at the end of the text or of a block's header", () => {
    expectUntouched(unbalancedRest, "├if (a) {┤");
    expectUntouched(unbalancedRest, "├if (a) {\n  b();┤");
    expectUntouched(unbalancedRest, "const a = ├b(┤");
    expectUntouched(unbalancedRest, "├app.get('/', (request) => {┤");
  });

  it("that stay unclosed cut only their own line and the lines below", () => {
    expectKept(unbalancedRest, "├a = b()\nc = d(e,\n      f┤", "├a = b()┤", "python");
  });
});

describe("quotes", () => {
  it("must be closed", () => {
    expectRejected(unbalancedRest, "const a = ├'b┤", "leaves a string open");
    expectUntouched(unbalancedRest, "const a = ├'b'┤");
    expectUntouched(unbalancedRest, "const a = '├b┤'");
    expectUntouched(unbalancedRest, "const a = '├b';┤");
  });

  it("may be closed on a later line if the language allows it", () => {
    expectUntouched(unbalancedRest, "const a = `${├b} and┤\n c`;");
    expectRejected(unbalancedRest, "const a = ├'b┤\n';", "leaves a string open");
  });

  it("do not count in comments and unknown languages", () => {
    expectUntouched(unbalancedRest, "├// it's fine┤");
    expectUntouched(unbalancedRest, "├it's fine┤", "plaintext");
  });

  it("hide the brackets inside them", () => {
    expectUntouched(unbalancedRest, 'log(├":(");┤');
  });
});
