// Indentation that is already before the cursor.
import { it } from "vitest";
import { indentation } from "../../../../sidecar/completion/filters/indentation";
import { expectKept, expectUntouched } from "../cursor-marks";

it("is not inserted again on an indented line", () => {
  expectKept(indentation, "def f():\n    ├    return a┤", "def f():\n    ├return a┤", "python");
  expectKept(indentation, "{\n  a();\n  ├  b();┤\n}", "{\n  a();\n  ├b();┤\n}");
});

it("is not inserted after a space within a line", () => {
  expectKept(indentation, "return ├ a┤", "return ├a┤");
});

it("is inserted where the block needs it", () => {
  expectUntouched(indentation, "def f():\n├    return a┤", "python");
  expectUntouched(indentation, "class A:\n    def f():\n    ├    return a┤", "python");
  expectUntouched(indentation, "def f():├\n    return a┤", "python");
});

it("stays where the line begins with a word", () => {
  expectUntouched(indentation, "return├ a┤");
});
