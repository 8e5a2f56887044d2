// The filters together, in their order.
import { describe, expect, it } from "vitest";
import { applyFilters, filters } from "../../../../sidecar/completion/filters/all";
import { marked } from "../cursor-marks";

function run(text: string, languageId?: string) {
  const { context, insertion } = marked(text, languageId);
  return applyFilters(insertion, context);
}

it("names the filter with the reason", () => {
  expect(run("a = 1;├  ┤")).toEqual({ reject: "empty: is empty" });
  expect(run("foo(├)┤)")).toEqual({ reject: "repeats-suffix: already stands after the cursor" });
});

it("passes each filter the text that the one before it left", () => {
  expect(run("def f():\n    ├    total = a  \n    return total\n┤\n    return total", "python")).toEqual({
    text: "total = a",
  });
});

describe("a correct suggestion", () => {
  it.each([
    ["typescript", "const a = ├b(c);┤"],
    ["typescript", "f({ a: ├1, b: [2] ┤})".replace(" ┤", "┤ ")],
    ["python", "def f(a):├\n    return a┤"],
    ["python", "class A:\n    ├def f(self):\n        return 1┤\n\n    def g(self):\n        pass"],
    ["go", "func f() error {\n\t├if err := g(); err != nil {\n\t\treturn err\n\t}\n\treturn nil┤\n}"],
    ["rust", "fn f<'a>(x: &'a str) -> &'a str {\n    ├x.trim()┤\n}"],
    ["ruby", "def f\n  ├items.each do |item|\n    puts item\n  end┤\nend"],
  ])("passes all filters: %s %j", (languageId, text) => {
    expect(run(text, languageId)).toEqual({ text: marked(text, languageId).insertion });
  });
});

it("a suggestion that passed all filters passes them again", () => {
  for (const text of ["foo(├a, b);┤);", "├print(value)\nprint(value)┤", "x = ├  y  ┤"]) {
    const { context, insertion } = marked(text);
    const once = applyFilters(insertion, context);
    if (!("text" in once)) throw new Error(`rejected: ${once.reject}`);
    expect(applyFilters(once.text, context)).toEqual(once);
  }
});

it("has a name for each filter", () => {
  expect(filters.every((filter) => /^[a-z-]+$/.test(filter.name))).toBe(true);
});
