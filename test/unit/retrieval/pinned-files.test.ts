// Pinned and banned files, by patterns in the syntax of ignore files.
import { expect, it } from "vitest";
import { FileRules } from "../../../sidecar/retrieval/pinned-files";

const at = (path: string, folder = "/home/me/shop") => ({ uri: `file://${encodeURI(`${folder}/${path}`)}`, path });

it("pinned and banned files have the last pattern that matches them", () => {
  const files = new FileRules({
    pinnedFiles: ["/shop/money.py", "docs/", "!docs/old.md"],
    bannedFiles: ["*.min.js", "generated", "", "# none", "two\nlines"],
  });
  expect(files.pinnedBy(at("shop/money.py"))).toBe("/shop/money.py");
  expect(files.pinnedBy(at("lib/shop/money.py"))).toBeUndefined();
  expect(files.pinnedBy(at("docs/deep/new.md"))).toBe("docs/");
  expect(files.bannedBy(at("web/app.min.js"))).toBe("*.min.js");
  expect(files.bannedBy(at("web/generated/api.ts"))).toBe("generated");
  expect(files.bannedBy(at("none"))).toBeUndefined();
  expect(files.bannedBy(at("two"))).toBeUndefined();
  expect(files.bannedBy(at("web/app.min.js"))).toBe("*.min.js");
});

it("files that are pinned and banned are banned", () => {
  const files = new FileRules({ pinnedFiles: ["shop/"], bannedFiles: ["shop/secret.py"] });
  expect(files.pinnedBy(at("shop/secret.py"))).toBeUndefined();
  expect(files.pinnedBy(at("shop/money.py"))).toBe("shop/");
});

it("no file is pinned or banned by default", () => {
  const files = new FileRules({});
  expect([files.hasPins, files.hasBans, files.pinnedBy(at("a")), files.bannedBy(at("\u{1f600}/é.py"))]).toEqual([
    false,
    false,
    undefined,
    undefined,
  ]);
  expect(new FileRules({ bannedFiles: ["é.py"] }).bannedBy(at("\u{1f600}/é.py"))).toBe("é.py");
});

it("a pattern that begins with ./ and a folder's name applies to that folder only", () => {
  const files = new FileRules({
    pinnedFiles: ["./library/src/a.py", "docs/", "!./app/docs/", "./whole folder"],
    bannedFiles: ["./my [app]/gen/*.py"],
  });
  expect(files.pinnedBy(at("src/a.py", "/w/library"))).toBe("./library/src/a.py");
  expect(files.pinnedBy(at("src/a.py", "/w/app"))).toBeUndefined();
  expect(files.pinnedBy(at("library/src/a.py", "/w/app"))).toBeUndefined();
  expect(files.pinnedBy(at("src/a.py", "/w/library/deep"))).toBeUndefined();
  expect(files.pinnedBy(at("docs/b.md", "/w/library"))).toBe("docs/");
  expect(files.pinnedBy(at("docs/b.md", "/w/app"))).toBeUndefined();
  expect(files.pinnedBy(at("deep/c.md", "/w/whole folder"))).toBe("./whole folder");
  expect(files.bannedBy({ uri: "file:///c%3A/my%20a/gen/x.py", path: "gen/x.py" })).toBe(undefined);
  expect(
    new FileRules({ bannedFiles: ["./my a/gen/*.py"] }).bannedBy({
      uri: "file:///c%3A/my%20a/gen/x.py",
      path: "gen/x.py",
    }),
  ).toBe("./my a/gen/*.py");
});

it("a pattern for one folder does not apply where the folder is unknown", () => {
  const files = new FileRules({ bannedFiles: ["./library/"] });
  for (const uri of ["untitled:a.py", "file:///w/library/b.py", "file:///w/%E0%A4%A/a.py"])
    expect(files.bannedBy({ uri, path: "a.py" })).toBeUndefined();
  expect(files.bannedBy({ uri: "file:///w/library/a.py", path: "a.py" })).toBe("./library/");
});
