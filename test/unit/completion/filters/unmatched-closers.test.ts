// Closing brackets whose opening ones the code after the cursor closes.
import { it } from "vitest";
import { unmatchedClosers } from "../../../../sidecar/completion/filters/unmatched-closers";
import { expectKept, expectRejected, expectUntouched } from "../cursor-marks";

it("are cut with what follows them", () => {
  expectKept(unmatchedClosers, "function f() {\n  ├return 1;\n}┤\n}", "function f() {\n  ├return 1;┤\n}");
  expectKept(unmatchedClosers, "foo(├a)); // b┤)", "foo(├a┤)");
});

it("are rejected when there is nothing else", () => {
  expectRejected(unmatchedClosers, "foo(├)┤)", "only closes");
});

it("are kept when a bracket is open", () => {
  expectUntouched(unmatchedClosers, "foo(├a);┤");
  expectUntouched(unmatchedClosers, "foo({ a: ├1 });┤\nbar();");
  expectUntouched(unmatchedClosers, "function f() {\n  if (a) {\n    ├b();\n  }┤\n}");
});

it("of the wrong kind are cut", () => {
  expectKept(unmatchedClosers, "foo([├a);┤", "foo([├a┤");
});

it("in strings and comments do not count", () => {
  expectUntouched(unmatchedClosers, "foo(├'):', a┤)");
  expectUntouched(unmatchedClosers, "a(); // ├b)┤");
});
