// The whole index: fragments of all folders are found, in open files first, and unsaved text in the place of files.
import { readdir, rename, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { vectorKey } from "../../../sidecar/workspace/store/keys";
import { emptyFolder, folderWith } from "./folder";
import { alpha, best, beta, contents, gamma, indexed, make, manyFiles, onDisk, uriOf } from "./toy-index";
import { toyNeed } from "./toy-model";

describe("searching", () => {
  it("finds fragments with their lines and text", async () => {
    const root = await folderWith({ "a.py": `${alpha}\n\n${beta}`, "sub dir/b+ü.py": gamma });
    const { index } = await indexed(root, await emptyFolder());
    expect(index.fragmentCount).toBe(3);
    expect(index.counts()).toMatchObject({ files: 2, fragments: 3, embedded: 3, excluded: {} });
    expect(index.counts().storeBytes).toBeGreaterThan(0);
    const [hit] = index.search(toyNeed("sub dir/b+ü.py", gamma.trimEnd()), 2);
    expect(hit?.fragment).toEqual({
      uri: `${uriOf(root)}/sub%20dir/b%2B%C3%BC.py`,
      path: "sub dir/b+ü.py",
      startLine: 1,
      endLine: 3,
      text: gamma.trimEnd(),
    });
    expect(hit?.score).toBeCloseTo(1, 4);
    expect(best(index, "a.py", beta.trimEnd())).toBe("a.py:6-8");
    expect(index.vectorIndex).toMatchObject({ name: "faiss" });
  });

  it.each(["(shop)", "%28shop%29"])("gives fragments the same URIs in a folder written as %s", async (form) => {
    const parent = await folderWith({ "(shop)/[a]/b.py": alpha });
    const { index } = make(await emptyFolder());
    await index.setFolders([{ uri: `${uriOf(parent)}/${form}/`, name: "shop" }]);
    await index.reindex();
    const [hit] = index.search(toyNeed("[a]/b.py", alpha.trimEnd()), 1);
    expect(hit?.fragment.uri).toBe(`${uriOf(parent)}/%28shop%29/%5Ba%5D/b.py`);
  });

  it("finds the code of notebooks by its lines in the file, and restores it", async () => {
    const source = alpha.trimEnd().split(/(?<=\n)/);
    const cells = [{ cell_type: "code", metadata: {}, outputs: [], source }];
    const json = JSON.stringify({ cells, metadata: {} }, undefined, 1);
    const root = await folderWith({ "book.ipynb": json });
    const storagePath = await emptyFolder();
    const first = json.split("\n").findIndex((line) => line.includes('"source"')) + 2;
    for (const start of [1, 2]) {
      const { index, read } = await indexed(root, storagePath);
      const place = `book.ipynb:${first}-${first + source.length - 1}`;
      expect(best(index, "book.ipynb", alpha.trimEnd())).toBe(place);
      expect(read).toEqual(start === 1 ? ["book.ipynb"] : []);
      await index.dispose();
    }
  });

  it("gives the same hits with the flat index", async () => {
    const root = await folderWith(manyFiles(40));
    const storagePath = await emptyFolder();
    const { index } = await indexed(root, storagePath);
    const { index: flat } = await indexed(root, storagePath, { preferredIndex: "flat" });
    expect(flat.vectorIndex.name).toBe("flat");
    expect(contents(flat)).toEqual(contents(index));
  });

  it("finds nothing without folders, and in an empty, missing or virtual folder", async () => {
    const { index, warnings } = make(await emptyFolder());
    const need = toyNeed("a", "b c d");
    expect(index.search(need, 5)).toEqual([]);
    expect(await index.reindex()).toMatchObject({ files: 0, fragments: 0 });
    await index.setFolders([
      { uri: uriOf(await emptyFolder()), name: "empty" },
      { uri: uriOf("/no/such/folder"), name: "missing" },
      { uri: "vscode-vfs://github/a/b", name: "far" },
    ]);
    const told: [number, number][] = [];
    const counts = await index.reindex({ onProgress: (done, total) => told.push([done, total]) });
    expect(counts).toMatchObject({ files: 0, fragments: 0, excluded: { unreadable: 1 } });
    expect(told.at(-1)).toEqual([0, 0]);
    expect(warnings).toEqual([expect.stringContaining("/no/such/folder")]);
    expect(index.search(need, 5)).toEqual([]);
    expect(() => index.search(new Float32Array(3), 1)).toThrow(RangeError);
  });
});

describe("folders", () => {
  it("can be added and removed, also one inside another", async () => {
    const outer = await folderWith({ "a.py": alpha, "inner/b.py": beta });
    const other = await folderWith({ "c.py": gamma });
    const { index, seen } = make(await emptyFolder());
    await index.setFolders([
      { uri: uriOf(outer), name: "outer" },
      { uri: uriOf(outer, "inner"), name: "inner" },
      { uri: uriOf(other), name: "other" },
    ]);
    await index.reindex();
    expect(index.counts()).toMatchObject({ files: 3, fragments: 3 });
    // A file belongs to the innermost folder.
    expect(best(index, "b.py", beta.trimEnd())).toBe("b.py:1-3");
    await index.setFolders([{ uri: uriOf(other), name: "other" }]);
    expect(index.counts()).toMatchObject({ files: 1, fragments: 1 });
    expect(best(index, "b.py", beta.trimEnd())).toBeUndefined();
    await index.setFolders([
      { uri: uriOf(outer), name: "outer" },
      { uri: uriOf(other), name: "other" },
    ]);
    await index.reindex();
    expect(index.counts()).toMatchObject({ files: 3, fragments: 3 });
    expect(best(index, "inner/b.py", beta.trimEnd())).toBe("inner/b.py:1-3");
    // Only the file whose path changed is embedded again.
    expect(seen).toHaveLength(4);
  });

  it("that cannot be read are excluded, and restored without reading their files when they can be", async () => {
    const root = await folderWith(manyFiles(5));
    const { index, seen, read, warnings } = await indexed(root, await emptyFolder());
    const before = contents(index);
    await rename(root, `${root}-away`);
    expect(await index.reindex()).toMatchObject({ files: 0, fragments: 0, excluded: { unreadable: 1 } });
    expect(warnings).toEqual([expect.stringContaining("could not be read")]);
    await rename(`${root}-away`, root);
    expect(await index.reindex()).toMatchObject({ files: 5, fragments: 10, excluded: {} });
    expect(contents(index)).toEqual(before);
    expect(seen).toHaveLength(10);
    expect(read).toHaveLength(5);
  });

  it("with equal fragments under equal paths embed them once, and each folder's are found", async () => {
    const one = await folderWith({ "a.py": alpha });
    const two = await folderWith({ "a.py": alpha });
    const { index, seen } = make(await emptyFolder());
    await index.setFolders([
      { uri: uriOf(one), name: "one" },
      { uri: uriOf(two), name: "two" },
    ]);
    await index.reindex();
    expect(seen).toHaveLength(1);
    expect(
      index
        .search(toyNeed("a.py", alpha.trimEnd()), 5)
        .map(({ fragment }) => fragment.uri)
        .sort(),
    ).toEqual([uriOf(one, "a.py"), uriOf(two, "a.py")].sort());
  });
});

describe("the order of indexing", () => {
  it("is open files, then their folders and imports, then the rest by time", async () => {
    const files = {
      "z/open.py": `from shop.money import Money\n${alpha}`,
      "z/beside.py": beta,
      "shop/money.py": gamma,
      "a/old.py": alpha,
      "a/new.py": beta,
    };
    const root = await folderWith(files);
    const now = Date.now();
    for (const [at, path] of ["a/old.py", "z/open.py", "z/beside.py", "shop/money.py", "a/new.py"].entries())
      await utimes(join(root, path), new Date(), new Date(now - 60_000 + at * 1000));
    const { index, read } = make(await emptyFolder());
    await index.setFolders([{ uri: uriOf(root), name: "test" }]);
    await index.reindex({ open: [{ uri: uriOf(root, "z/open.py"), text: files["z/open.py"] }] });
    expect(read).toEqual(["z/open.py", "shop/money.py", "z/beside.py", "a/new.py", "a/old.py"]);
  });
});

describe("unsaved text", () => {
  it("is found in the place of the file until it is saved or discarded, and is not stored", async () => {
    const root = await folderWith({ ".gitignore": "no.py\n", "a.py": alpha, "b.py": beta, "no.py": alpha });
    const storagePath = await emptyFolder();
    const { index, seen } = await indexed(root, storagePath);
    await index.updateBuffer(uriOf(root, "a.py"), `${gamma}\n\n${alpha}`);
    expect(best(index, "a.py", gamma.trimEnd())).toBe("a.py:1-3");
    expect(best(index, "a.py", alpha.trimEnd())).toBe("a.py:6-8");
    expect(seen).toHaveLength(3);
    await index.updateBuffer(uriOf(root, "no.py"), gamma);
    await index.updateBuffer("untitled:x", gamma);
    await index.reindex();
    expect(best(index, "a.py", gamma.trimEnd())).toBe("a.py:1-3");
    expect(index.fragmentCount).toBe(3);
    await index.dispose();
    const second = await indexed(root, storagePath);
    expect(best(second.index, "a.py", gamma.trimEnd())).toBeUndefined();
    expect(best(second.index, "a.py", alpha.trimEnd())).toBe("a.py:1-3");
    expect(second.read).toEqual([]);
    await second.index.updateBuffer(uriOf(root, "a.py"), gamma);
    await second.index.updateBuffer(uriOf(root, "a.py"), undefined);
    expect(best(second.index, "a.py", gamma.trimEnd())).toBeUndefined();
    expect(best(second.index, "a.py", alpha.trimEnd())).toBe("a.py:1-3");
    expect(second.seen).toEqual([]);
  });
});

describe("clearing", () => {
  it("deletes everything, also on disk, and the next run indexes everything again", async () => {
    const root = await folderWith(manyFiles(10));
    const storagePath = await emptyFolder();
    await (await indexed(root, storagePath, { hash: "d".repeat(64) })).index.dispose();
    const { index, seen } = await indexed(root, storagePath);
    const before = contents(index);
    await index.clear();
    expect(index.counts()).toMatchObject({ files: 0, fragments: 0 });
    // The size of empty tables.
    expect(index.counts().storeBytes).toBeLessThan(50_000);
    expect(await onDisk(storagePath, seen.map(vectorKey))).toEqual([]);
    expect(await readdir(storagePath)).toHaveLength(1);
    await index.reindex();
    expect(contents(index)).toEqual(before);
    expect(seen).toHaveLength(40);
    await index.dispose();
    expect((await indexed(root, storagePath)).seen).toEqual([]);
  });
});
