// Pinned and banned files, by patterns in the syntax of ignore files.
import { expect, it } from "vitest";
import { ChosenFiles } from "../../../sidecar/retrieval/chosen-files";

it("are told by the pattern that says so, the last one that is about them", () => {
  const files = new ChosenFiles({ pinnedFiles: ["/shop/money.py", "docs/", "!docs/old.md"], bannedFiles: ["*.min.js", "generated", "", "# none", "two\nlines"] });
  expect(files.pinnedBy("shop/money.py")).toBe("/shop/money.py");
  expect(files.pinnedBy("lib/shop/money.py")).toBeUndefined();
  expect(files.pinnedBy("docs/deep/new.md")).toBe("docs/");
  expect(files.bannedBy("web/app.min.js")).toBe("*.min.js");
  expect(files.bannedBy("web/generated/api.ts")).toBe("generated");
  expect(files.bannedBy("none")).toBeUndefined();
  expect(files.bannedBy("two")).toBeUndefined();
  expect(files.bannedBy("web/app.min.js")).toBe("*.min.js");
});

it("are banned where they are pinned too", () => {
  const files = new ChosenFiles({ pinnedFiles: ["shop/"], bannedFiles: ["shop/secret.py"] });
  expect(files.pinnedBy("shop/secret.py")).toBeUndefined();
  expect(files.pinnedBy("shop/money.py")).toBe("shop/");
});

it("are none by default, whatever the path", () => {
  const files = new ChosenFiles({});
  expect([files.hasPins, files.hasBans, files.pinnedBy("a"), files.bannedBy("\u{1f600}/é.py")]).toEqual([false, false, undefined, undefined]);
  expect(new ChosenFiles({ bannedFiles: ["é.py"] }).bannedBy("\u{1f600}/é.py")).toBe("é.py");
});
