// Open files come first, then their folder and what they import, then the rest.
import { describe, expect, it } from "vitest";
import { importedNames, priorityOf } from "../../../sidecar/workspace/priority";

describe("priority", () => {
  it.each([
    ["import { a } from \"../shop/money\";\nimport b from './stock.js';\n", ["money", "stock"]],
    ['const c = require("./lib/tax.cjs");\n', ["tax"]],
    ["from shop.money import Money\nimport shop.stock as stock\n", ["shop", "money", "stock"]],
    ['#include "parts/engine.h"\n#include <vector>\n', ["engine", "vector"]],
    ["use crate::store::segment;\n", ["store", "segment"]],
    ["import com.example.shop.Basket;\n", ["shop", "Basket"]],
    ["let x = 1;\n", []],
  ])("finds the modules named in %j", (text, names) => {
    expect(importedNames(text)).toEqual(names);
  });

  it("orders open files, neighbours, imported files and the rest", () => {
    const of = priorityOf([
      { uri: "file:///w/src/a.py", text: "from util.dates import parse\n" },
      { uri: "untitled:b", text: "" },
    ]);
    expect(
      [
        "file:///w/src/a.py",
        "file:///w/src/b.py",
        "file:///w/util/dates.py",
        "file:///w/src/deep/c.py",
        "file:///w/other/d.py",
      ].map(of),
    ).toEqual([0, 1, 1, 2, 2]);
    expect(priorityOf([])("file:///w/a.py")).toBe(2);
  });
});
