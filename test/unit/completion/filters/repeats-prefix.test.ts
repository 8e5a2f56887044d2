// Suggestions that repeat the code before the cursor.
import { it } from "vitest";
import { repeatsPrefix } from "../../../../sidecar/completion/filters/repeats-prefix";
import { expectKept, expectRejected, expectUntouched } from "../cursor-marks";

it("rejects the line above", () => {
  expectRejected(repeatsPrefix, "  total += item.price;\n  ├total += item.price;┤", "is the line above");
  expectRejected(repeatsPrefix, "  total += item.price;\n  total += ├item.price;┤", "is the line above");
});

it("rejects the lines above", () => {
  expectRejected(repeatsPrefix, "open(file);\nread(file);\n├open(file);\nread(file);┤", "is the 2 lines above");
});

it("removes a repetition of the line just typed", () => {
  expectKept(repeatsPrefix, "const total = ├const total = sum(a);┤", "const total = ├sum(a);┤");
  expectRejected(repeatsPrefix, "const total =├ const total =┤", "the line just typed");
});

it("cuts repeated lines", () => {
  expectKept(repeatsPrefix, "├print(value)\nprint(value)\nprint(value)┤", "├print(value)┤", "python");
  expectKept(
    repeatsPrefix,
    "print(└├first)\nprint(second)\nprint(second)┤".replace("└", ""),
    "print(├first)\nprint(second)┤",
    "python",
  );
});

it("keeps lines that are often repeated, such as closing brackets", () => {
  expectUntouched(repeatsPrefix, "    }\n  ├}┤");
  expectUntouched(repeatsPrefix, "├  }\n}\n}┤");
});

it("keeps a line that only resembles the one above", () => {
  expectUntouched(repeatsPrefix, "  total += item.price;\n  ├total += item.tax;┤");
});

it("keeps a short word that begins alike", () => {
  expectUntouched(repeatsPrefix, "a.b├a.b┤");
});
