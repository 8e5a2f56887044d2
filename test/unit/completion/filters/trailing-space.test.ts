// White space at the end of lines.
import { it } from "vitest";
import { trailingSpace } from "../../../../sidecar/completion/filters/trailing-space";
import { expectKept, expectUntouched } from "../cursor-marks";

it("comes off the end and off the ends of lines", () => {
  expectKept(trailingSpace, "f(├a)  \n  \n┤", "f(├a)┤");
  expectKept(trailingSpace, "├if (a) {  \n\tb();\t\n}┤", "├if (a) {\n\tb();\n}┤");
});

it("stays at the start and between words", () => {
  expectUntouched(trailingSpace, "return├ a + b┤");
});

it("stays, as one space, before what stands right after the cursor", () => {
  expectKept(trailingSpace, "const a = ├await  ┤load();", "const a = ├await ┤load();");
  expectKept(trailingSpace, "const a = ├await ┤ load();", "const a = ├await┤ load();");
});
