// Explanations for folders in folders, file names of every kind, and fragments in the index.
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { code, indexedPaths, indexOf, uriOf } from "./explained";
import { emptyFolder, folderWith, repositoryFiles, write } from "./folder";
import { toyNeed } from "./toy-model";

describe("folders in folders", () => {
  it("a nested repository has its own rules, and a nested workspace folder is always indexed", async () => {
    const root = await folderWith({
      ...repositoryFiles(),
      ".gitignore": "*.gen.ts\n/packages/ignored/\n",
      "a.gen.ts": code("a"),
      ...repositoryFiles("nested/"),
      "nested/.gitignore": "own.ts\n",
      "nested/a.gen.ts": code("b"),
      "nested/own.ts": code("c"),
      "packages/ignored/d.ts": code("d"),
      "packages/ignored/e.gen.ts": code("e"),
    });
    const { index } = await indexOf([{ root }, { root: join(root, "packages", "ignored") }]);
    expect([...indexedPaths(index)].sort()).toEqual([
      uriOf(root, "nested", "a.gen.ts"),
      uriOf(root, "packages", "ignored", "d.ts"),
      uriOf(root, "packages", "ignored", "e.gen.ts"),
    ]);
  });

  it("the same folder with two forms of its address is indexed once", async () => {
    const root = await folderWith({ "a.ts": code("a") });
    const { index } = await indexOf([{ root }]);
    await index.setFolders([
      { uri: uriOf(root), name: "a" },
      { uri: `${uriOf(root)}/`, name: "b" },
    ]);
    await index.reindex();
    expect(index.counts()).toMatchObject({ files: 1, fragments: 1 });
    await index.setFolders([{ uri: `${uriOf(root)}/`, name: "b" }]);
    await index.reindex();
    expect(index.counts()).toMatchObject({ files: 1, fragments: 1 });
  });

  it("symbolic links are not followed, and the files they point to are indexed once", async () => {
    const root = await folderWith({ "a/b/c.ts": code("c") });
    await symlink(root, join(root, "a", "b", "up"));
    await symlink("../b", join(root, "a", "b", "self"));
    await symlink(join(root, "a", "b", "c.ts"), join(root, "copy.ts"));
    await symlink("circle", join(root, "circle"));
    const { index } = await indexOf([{ root }]);
    expect(index.counts()).toMatchObject({ files: 1, excluded: { "symbolic link": 4 } });
    expect(await index.why(uriOf(root, "a", "b", "up", "a", "b", "c.ts"))).toMatchObject({
      state: "left-out",
      reason: "symbolic link",
      at: "a/b/up",
    });
    expect(await index.why(uriOf(root, "circle", "x"))).toMatchObject({ state: "left-out", at: "circle" });
  });
});

describe("file names of every kind", () => {
  const long = `${"é".repeat(126)}.ts`;
  const names = [
    "with space.ts",
    " lead.ts",
    "🙂 smile.ts",
    "line\nbreak.ts",
    "tab\t.ts",
    long,
    "caf\u00e9.ts",
    "cafe\u0301.ts",
    "per%20cent.ts",
    "hash#.ts",
    "what?.ts",
    "back\\slash.ts",
    "quote\"'.ts",
    "\u202Eltr.ts",
    "[x]{y}.ts",
  ];

  it("are listed, found, ignored, updated and explained by their exact name", async () => {
    expect(Buffer.byteLength(long)).toBe(255);
    const root = await folderWith(
      Object.fromEntries(names.map((name, i) => [`in ${name.slice(0, 100)}/${name}`, code(`name${i}`)])),
    );
    const { index } = await indexOf([{ root }]);
    expect(index.counts()).toMatchObject({ files: names.length, fragments: names.length, excluded: {} });
    for (const [i, name] of names.entries()) {
      const path = `in ${name.slice(0, 100)}/${name}`;
      const [hit] = index.search(toyNeed(path, code(`name${i}`).trimEnd()), 1);
      expect(hit?.fragment).toMatchObject({
        path,
        uri: uriOf(root, path).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`),
      });
      expect(await index.why(hit?.fragment.uri ?? "")).toMatchObject({ path, state: "indexed" });
      expect((await index.why(uriOf(root, path))).message.split("\n")).toHaveLength(1);
    }
    await writeFile(join(root, ".gitignore"), "*\\**\nline?break.ts\n");
    await write(root, { ".selfracgignore": "line?break.ts\n🙂*\ncaf\u00e9.ts\n" });
    await index.reindex();
    // Folders whose names begin with "in" are not below it, and the decomposed form is another name.
    expect(index.counts()).toMatchObject({ files: names.length - 3, excluded: { ignored: 3, data: 2 } });
    expect(await index.why(uriOf(root, "in line\nbreak.ts", "line\nbreak.ts"))).toMatchObject({
      state: "left-out",
      rule: { line: 1, pattern: "line?break.ts" },
    });
    expect(await index.why(uriOf(root, "in cafe\u0301.ts", "cafe\u0301.ts"))).toMatchObject({ state: "indexed" });
    await rm(join(root, "in with space.ts", "with space.ts"));
    await index.updateFile(uriOf(root, "in with space.ts", "with space.ts"));
    expect(index.counts().files).toBe(names.length - 4);
  });

  it("that are not UTF-8 are excluded and counted", async () => {
    const root = await folderWith({ "good.ts": code("good") });
    await writeFile(Buffer.concat([Buffer.from(`${root}/bad`), Buffer.of(0xff), Buffer.from(".ts")]), code("bad"));
    await mkdir(Buffer.concat([Buffer.from(`${root}/folder`), Buffer.of(0xfe)]));
    const { index } = await indexOf([{ root }]);
    expect(index.counts()).toMatchObject({ files: 1, excluded: { unreadable: 2 } });
  });
});

describe("fragments in the index", () => {
  it("that are equal are embedded and stored once, and found in each file", async () => {
    const same = `function twice(input) {\n  const doubled = input * 2;\n  const more = doubled + 1;\n  return more;\n}\n`;
    const other = Array.from({ length: 18 }, (_, i) => `const value${i} = compute${i}(input${i});`).join("\n");
    const root = await folderWith({ "a.js": `${same}\n\n${other}\n\n\n${same}` });
    const { index, seen } = await indexOf([{ root }]);
    const hits = index.search(toyNeed("a.js", same.trimEnd()), 10).filter(({ score }) => score > 0.999);
    expect(hits.map(({ fragment }) => fragment.startLine).sort((a, b) => a - b)).toEqual([1, 28]);
    expect(seen.map((tokens) => tokens.join()).filter((each, i, all) => all.indexOf(each) !== i)).toEqual([]);
    expect(seen).toHaveLength(index.fragmentCount - 1);
  });

  it("have path and scope, also after a restart", async () => {
    const body = Array.from({ length: 40 }, (_, i) => `        self.add(${i})`).join("\n");
    const root = await folderWith({ "bank/account.py": `class Account:\n    def total(self):\n${body}\n` });
    const storagePath = await emptyFolder();
    const scopes = async (): Promise<unknown[]> => {
      const { index, seen } = await indexOf([{ root }], { storagePath });
      const found = index
        .search(toyNeed("x", "y"), 100)
        .map(({ fragment }) => fragment)
        .sort((a, b) => a.startLine - b.startLine);
      await index.dispose();
      return [...found.map(({ path, startLine, scope }) => [path, startLine, scope]), seen.length];
    };
    const first = await scopes();
    expect(first.at(-2)).toEqual(["bank/account.py", expect.any(Number), ["class Account", "def total(self)"]]);
    expect(await scopes()).toEqual([...first.slice(0, -1), 0]);
  });
});
