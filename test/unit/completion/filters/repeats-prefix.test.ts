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

it("rejects the end of the line just typed, as it would be right after it was accepted", () => {
  expectRejected(repeatsPrefix, "const total = items.map(price)├.map(price)┤", "end of the line just typed");
  expectRejected(repeatsPrefix, "a = save(file);├save(file);\nload(file);┤", "end of the line just typed");
});

it("cuts the lines above where the suggestion begins with all of them again", () => {
  expectKept(repeatsPrefix, "open(file);\nread(file);├\nopen(file);\nread(file);┤", "open(file);\nread(file);├┤");
  expectKept(repeatsPrefix, "open(file);\nread(├file);\nopen(file);\nread(file);┤", "open(file);\nread(├file);┤");
  expectUntouched(repeatsPrefix, "open(file);\nread(file);├\nopen(file);\nclose(file);┤");
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
