// Open files are indexed first, then their folders and what they import, then the rest.
import { describe, expect, it } from "vitest";
import { priorityOf } from "../../../sidecar/workspace/priority";

describe("priority", () => {
  it.each([
    ["file:///w/src/a.ts", 'import { a } from "../shop/money";\n', "file:///w/shop/money.ts"],
    ["file:///w/src/a.js", 'const c = require("./lib/tax.cjs");\n', "file:///w/src/lib/tax.cjs"],
    ["file:///w/src/a.py", "import shop.stock as stock\n", "file:///w/lib/shop/stock.py"],
    ["file:///w/src/a.cpp", '#include "parts/engine.h"\n', "file:///w/include/parts/engine.h"],
    ["file:///w/src/a.rs", "use crate::store::segment;\n", "file:///w/core/store/segment.rs"],
    ["file:///w/src/A.java", "import com.example.shop.Basket;\n", "file:///w/lib/com/example/shop/Basket.java"],
    ["file:///w/a%20b/src/a.ts", 'import { a } from "../shop/money";\n', "file:///w/a b/shop/money.ts"],
  ])("of a file that the open %s imports comes before the rest", (uri, text, imported) => {
    const priority = priorityOf([{ uri, text }]);
    expect([uri, imported, "file:///w/other/d.py"].map(priority)).toEqual([0, 1, 2]);
  });

  it("of open files is first, of their neighbours and imports second", () => {
    const priority = priorityOf([
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
      ].map(priority),
    ).toEqual([0, 1, 1, 2, 2]);
  });

  it("is the same for all files when none is open", () => {
    expect(priorityOf([])("file:///w/a.py")).toBe(2);
  });
});
