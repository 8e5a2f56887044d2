// Which files an open file imports, by the names in its import statements.
import { describe, expect, it } from "vitest";
import { allImportStatements } from "../../../sidecar/languages/import-statements";
import { Imports } from "../../../sidecar/languages/imports";

const imports = (path: string, prefix: string) => {
  const of = new Imports(path, allImportStatements(prefix));
  return (...paths: string[]) => paths.filter((each) => of.has(each));
};

describe("imported are", () => {
  it("Python's modules, wherever the sources begin, and modules imported from a package", () => {
    const among = imports(
      "src/shop/cart.py",
      "import os, shop.money as m\nfrom shop.stock import Stock\nfrom shop import (\n    tax,  # of goods\n    fees as f,\n)\n",
    );
    expect(
      among("src/shop/money.py", "shop/stock.py", "src/shop/tax.py", "src/shop/fees.py", "src/shop/__init__.py"),
    ).toHaveLength(5);
    expect(
      among(
        "src/shop/f.py",
        "src/shop/goods.py",
        "src/workshop/money.py",
        "src/money.py",
        "src/shop/money_test.py",
        "shop/stock/deep.py",
      ),
    ).toEqual([]);
  });

  it("Python's modules relative to the file, and no others with the same name", () => {
    const among = imports(
      "src/shop/deep/cart.py",
      "from . import near\nfrom .close import x\nfrom ..money import Money\nfrom ... import top\n",
    );
    expect(among("src/shop/deep/near.py", "src/shop/deep/close.py", "src/shop/money.py", "src/top.py")).toHaveLength(4);
    expect(among("src/shop/near.py", "lib/src/shop/money.py", "src/shop/top.py")).toEqual([]);
  });

  it("what scripts import: relative, by alias, required, re-exported, a folder's index", () => {
    const among = imports(
      "web/src/cart/cart.ts",
      `import { a } from "./money";\nimport type { B } from "../stock.js";\nimport "../style";\nexport { c } from "./lines/index";\nconst d = require("../../lib");\nimport e from "@/tax/rates";\nimport {\n  f,\n} from "src/fees";\nimport react from "react";\n`,
    );
    expect(
      among(
        "web/src/cart/money.ts",
        "web/src/stock.ts",
        "web/src/style.d.ts",
        "web/src/cart/lines/index.tsx",
        "web/lib/index.js",
        "web/src/tax/rates.ts",
        "web/src/fees.ts",
      ),
    ).toHaveLength(7);
    expect(among("web/react.ts", "web/src/money.ts", "web/src/cart/money.test.ts", "web/src/lines.ts")).toEqual([]);
  });

  it("Java's classes, also by static imports, and whole packages", () => {
    const among = imports(
      "app/src/main/java/org/shop/Cart.java",
      "package org.shop;\n\nimport org.shop.money.Money;\nimport static org.shop.Tax.rate;\nimport static org.shop.Fees.*;\nimport org.shop.stock.*;\n",
    );
    const main = "app/src/main/java/org/shop";
    expect(
      among(`${main}/money/Money.java`, `${main}/Tax.java`, `${main}/Fees.java`, `${main}/stock/Stock.java`),
    ).toHaveLength(4);
    expect(among(`${main}/Money.java`, `${main}/money/Moneys.java`, `${main}/stock/deep/Shelf.java`)).toEqual([]);
  });

  it("included headers and sources with the same name, and modules of other languages", () => {
    expect(
      imports(
        "src/cart.cpp",
        `#include "money.h"\n#include "../lib/tax.hpp"\n#include <vector>\n#include <shop/stock.h>\n`,
      )("src/money.h", "src/money.cpp", "lib/tax.hpp", "include/shop/stock.h", "src/vector.h"),
    ).toHaveLength(4);
    expect(
      imports("src/cart.rs", "use crate::shop::money::Money;\n")(
        "src/shop/money.rs",
        "src/shop/money/mod.rs",
        "src/money.rs",
      ),
    ).toHaveLength(2);
    expect(
      imports("cart.go", `import (\n\t"fmt"\n\t"example.org/app/shop/money"\n)\n`)(
        "shop/money/money.go",
        "shop/cart.go",
        "fmt/x.go",
      ),
    ).toEqual(["shop/money/money.go"]);
    expect(imports("src/Cart.php", "use App\\Shop\\Money;\n")("src/Shop/Money.php", "src/Shop/Stock.php")).toEqual([
      "src/Shop/Money.php",
    ]);
  });

  it("no files without an import statement, or with text that only looks like one", () => {
    expect(imports("a.py", "")("b.py", "a.py")).toEqual([]);
    expect(imports("a.py", `text = "from b import c"\n# import b\n`)("b.py")).toEqual([]);
    expect(imports("notes.md", "import b from here\n")("b.py", "here.py")).toEqual([]);
  });
});
