// The whole index: it follows the files, survives restarts and kills, and can be searched at any time.
import { execFileSync, spawn } from "node:child_process";
import { mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { IndexCounts } from "../../../sidecar/protocol";
import { LineChunker } from "../../../sidecar/workspace/chunking/line-chunker";
import type { WorkspaceIndexOptions } from "../../../sidecar/workspace/index-options";
import { vectorKey } from "../../../sidecar/workspace/store/keys";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import { cpuTime } from "../cpu-time";
import { emptyFolder, folderWith, write } from "./folder";
import { toyBackbone, toyFormat, toyNeed } from "./toy-model";

interface Made {
  readonly index: WorkspaceIndex;
  /** Token lists embedded. */
  readonly seen: (readonly number[])[];
  readonly warnings: string[];
  /** Paths chunked, thus read. */
  readonly read: string[];
}

const open: WorkspaceIndex[] = [];

afterEach(async () => {
  for (const index of open.splice(0)) await index.dispose();
});

/** Chunks by lines and records which files were read. */
class NotingChunker extends LineChunker {
  readonly paths: string[] = [];

  override chunk(path: string, text: string): ReturnType<LineChunker["chunk"]> {
    this.paths.push(path);
    return super.chunk(path, text);
  }
}

function make(
  storagePath: string,
  options: Partial<WorkspaceIndexOptions> & { hash?: string; delayMs?: number } = {},
): Made {
  const { hash, delayMs, ...rest } = options;
  const { backbone, seen } = toyBackbone({
    ...(hash !== undefined && { hash }),
    ...(delayMs !== undefined && { delayMs }),
  });
  const warnings: string[] = [];
  const chunker = new NotingChunker();
  const log = { info: () => {}, warn: (message: string) => void warnings.push(message) };
  const index = new WorkspaceIndex({ backbone, promptFormat: toyFormat, storagePath, chunker, log, ...rest });
  open.push(index);
  return { index, seen, warnings, read: chunker.paths };
}

const uriOf = (...parts: string[]): string => pathToFileURL(join(...parts)).href;

async function indexed(root: string, storagePath: string, options: Parameters<typeof make>[1] = {}): Promise<Made> {
  const made = make(storagePath, options);
  await made.index.setFolders([{ uri: uriOf(root), name: "test" }]);
  await made.index.reindex();
  return made;
}

/** Path and lines of the best fragment for this text. */
function best(index: WorkspaceIndex, path: string, text: string): string | undefined {
  const [hit] = index.search(toyNeed(path, text), 1);
  return hit === undefined || hit.score < 0.99
    ? undefined
    : `${hit.fragment.path}:${hit.fragment.startLine}-${hit.fragment.endLine}`;
}

/** All fragments that can be found, sorted. */
function contents(index: WorkspaceIndex): string[] {
  return index
    .search(toyNeed("x", "anything at all"), 100_000)
    .map(
      ({ fragment, score }) =>
        `${fragment.path}:${fragment.startLine}-${fragment.endLine} ${score.toFixed(5)} ${fragment.text}`,
    )
    .sort();
}

/** The texts that are in some file of the folder, as they are or as 16-bit characters. */
async function onDisk(folder: string, texts: readonly string[]): Promise<string[]> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const bytes = Buffer.concat(await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name)))));
  return texts.filter((text) => bytes.includes(text) || bytes.includes(Buffer.from(text, "utf16le")));
}

const alpha = "def alpha(x):\n    first = x + 1\n    return first\n";
const beta = "def beta(y):\n    second = y * 2\n    return second\n";
const gamma = "def gamma(z):\n    third = z - 3\n    return third\n";

function manyFiles(count: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `src/part${i % 7}/file${i}.py`,
      `${alpha.replaceAll("alpha", `alpha${i}`)}\n\n${beta.replaceAll("beta", `beta${i}`)}`,
    ]),
  );
}

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

  it("gives the same hits with the flat index", async () => {
    const root = await folderWith(manyFiles(40));
    const storagePath = await emptyFolder();
    const { index } = await indexed(root, storagePath);
    const { index: flat } = await indexed(root, storagePath, { preferredIndex: "flat" });
    expect(flat.vectorIndex.name).toBe("flat");
    expect(contents(flat)).toEqual(contents(index));
  });

  it("finds nothing without folders, in an empty folder, and in a folder that is missing or not on this disk", async () => {
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
    expect(warnings).toHaveLength(2);
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

describe("a second start", () => {
  it("reads and embeds nothing, and finds the same fragments", async () => {
    const root = await folderWith({
      ...manyFiles(30),
      "logo.ts": Uint8Array.of(1, 0, 2),
      "large.py": "x = 1\n".repeat(200_000),
    });
    const storagePath = await emptyFolder();
    const first = await indexed(root, storagePath);
    expect(first.seen.length).toBe(60);
    const before = contents(first.index);
    await first.index.dispose();
    const second = await indexed(root, storagePath);
    expect(second.seen).toEqual([]);
    expect(second.read).toEqual([]);
    expect(second.warnings).toEqual([]);
    expect(contents(second.index)).toEqual(before);
    expect(second.index.counts()).toMatchObject({
      files: 30,
      fragments: 60,
      embedded: 0,
      excluded: { binary: 1, "too large": 1 },
    });
  });

  it("finds the same among many fragments as before, and as a new index finds", async () => {
    const text = (i: number): string =>
      Array.from({ length: 200 }, (_, line) => `value_${i}_${line} = compute(${i * line})`).join("\n");
    const root = await folderWith(
      Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`part${i % 13}/file${i}.py`, text(i)])),
    );
    const storagePath = await emptyFolder();
    const { index: first } = await indexed(root, storagePath);
    const before = contents(first);
    await first.dispose();
    const { index: second, seen, read } = await indexed(root, storagePath);
    expect([seen, read]).toEqual([[], []]);
    expect(contents(second)).toEqual(before);
    const { index: anew } = await indexed(root, await emptyFolder(), { preferredIndex: "flat" });
    for (const lines of ["value_3_7 = compute(21)", "compute(5000)", "def other(): pass"]) {
      const [hits, right] = [second, anew].map((index) => index.search(toyNeed("part3/file3.py", lines), 20));
      expect(hits).toHaveLength(20);
      for (const [at, { score }] of (hits ?? []).entries())
        expect(Math.abs(score - (right?.[at]?.score ?? NaN))).toBeLessThan(3e-5);
    }
  });

  it("reads only changed files, and embeds only their new fragments", async () => {
    const root = await folderWith({ "a.py": `${alpha}\n\n${beta}`, "b.py": gamma, "c.py": alpha });
    const storagePath = await emptyFolder();
    await (await indexed(root, storagePath)).index.dispose();
    await write(root, { "a.py": `# moved down\n\n\n${alpha}\n\n${gamma}` });
    await rm(join(root, "b.py"));
    await utimes(join(root, "c.py"), new Date(), new Date(Date.now() + 5000));
    const { index, seen, read } = await indexed(root, storagePath);
    expect(read.sort()).toEqual(["a.py", "c.py"]);
    expect(best(index, "a.py", gamma.trimEnd())).toBe("a.py:9-11");
    expect(seen.length).toBeLessThanOrEqual(2);
    expect(best(index, "b.py", gamma.trimEnd())).toBeUndefined();
    expect(best(index, "a.py", beta.trimEnd())).toBeUndefined();
    expect(best(index, "c.py", alpha.trimEnd())).toBe("c.py:1-3");
  });

  it("reads the text from the files, and reads a file again when its text differs at the same size and time", async () => {
    const root = await folderWith({ "a.py": alpha, "b.py": beta });
    const storagePath = await emptyFolder();
    const time = new Date("2024-01-01T10:00:00.123Z");
    await utimes(join(root, "a.py"), time, time);
    const { index: running } = await indexed(root, storagePath);
    const change = async (name: string): Promise<void> => {
      await write(root, { "a.py": alpha.replace("alpha", name) });
      await utimes(join(root, "a.py"), time, time);
    };
    await change("alphb");
    await running.reindex();
    expect(best(running, "a.py", alpha.replace("alpha", "alphb").trimEnd())).toBe("a.py:1-3");
    await running.dispose();
    await change("alphc");
    const { index, read } = await indexed(root, storagePath);
    expect(read).toEqual(["a.py"]);
    expect(contents(index)).toHaveLength(2);
    expect(best(index, "a.py", alpha.replace("alpha", "alphc").trimEnd())).toBe("a.py:1-3");
  });

  it("with another model embeds everything, and the first model's index is unchanged", async () => {
    const root = await folderWith(manyFiles(5));
    const storagePath = await emptyFolder();
    await (await indexed(root, storagePath)).index.dispose();
    const other = await indexed(root, storagePath, { hash: "b".repeat(64) });
    expect(other.seen).toHaveLength(10);
    await other.index.dispose();
    expect((await indexed(root, storagePath)).seen).toEqual([]);
  });

  it("follows the current ignore files", async () => {
    const root = await folderWith({ ".gitignore": "", "a.py": alpha, "gen/b.py": beta });
    const storagePath = await emptyFolder();
    const { index } = await indexed(root, storagePath);
    expect(index.counts().files).toBe(2);
    await write(root, { ".selfracgignore": "gen/\n" });
    await index.reindex();
    expect(best(index, "gen/b.py", beta.trimEnd())).toBeUndefined();
    await rm(join(root, ".selfracgignore"));
    await index.reindex();
    expect(best(index, "gen/b.py", beta.trimEnd())).toBe("gen/b.py:1-3");
  });
});

describe("an update of one file", () => {
  it("can be found when the update resolves", async () => {
    const root = await folderWith({ "a.py": `${alpha}\n\n${beta}` });
    const { index, seen } = await indexed(root, await emptyFolder());
    await write(root, { "a.py": `${gamma}\n\n${alpha}\n\n${beta}`, "new/b.py": gamma });
    await index.updateFile(uriOf(root, "a.py"));
    await index.updateFile(uriOf(root, "new", "b.py"));
    expect(best(index, "a.py", gamma.trimEnd())).toBe("a.py:1-3");
    expect(best(index, "a.py", alpha.trimEnd())).toBe("a.py:6-8");
    expect(best(index, "new/b.py", gamma.trimEnd())).toBe("new/b.py:1-3");
    expect(index.fragmentCount).toBe(4);
    expect(seen).toHaveLength(4);
  });

  it("is noticed although the disk's times are too coarse to show it", async () => {
    const root = await folderWith({ "a.py": alpha });
    // In the future, so that it is the current second however slow the test runs.
    const second = Math.floor(Date.now() / 1000) + 600;
    await utimes(join(root, "a.py"), second, second);
    const { index } = await indexed(root, await emptyFolder());
    const change = async (name: string): Promise<void> => {
      await write(root, { "a.py": alpha.replace("alpha", name) });
      await utimes(join(root, "a.py"), second, second);
    };
    await change("alphb");
    await index.reindex();
    expect(best(index, "a.py", alpha.replace("alpha", "alphb").trimEnd())).toBe("a.py:1-3");
    await change("alphc");
    await index.updateFile(uriOf(root, "a.py"));
    expect(best(index, "a.py", alpha.replace("alpha", "alphc").trimEnd())).toBe("a.py:1-3");
  });

  it("does not wait for the indexing of all files", async () => {
    const root = await folderWith(manyFiles(400));
    const { index } = make(await emptyFolder(), { delayMs: 15 });
    await index.setFolders([{ uri: uriOf(root), name: "test" }]);
    let over = false;
    const stop = new AbortController();
    const begun = new Promise<void>(
      (resolve) =>
        void index
          .reindex({ signal: stop.signal, onProgress: (done) => done > 0 && resolve() })
          .catch(() => {})
          .finally(() => (over = true)),
    );
    await begun;
    await write(root, { "saved.py": gamma });
    await index.updateFile(uriOf(root, "saved.py"));
    expect(best(index, "saved.py", gamma.trimEnd())).toBe("saved.py:1-3");
    expect(over).toBe(false);
    stop.abort();
  });

  it("removes deleted files and folders, also when the update finds them deleted", async () => {
    const root = await folderWith({ "a.py": alpha, "d/b.py": beta, "d/e/c.py": gamma, "dd.py": beta });
    const { index } = await indexed(root, await emptyFolder());
    index.removeFile(uriOf(root, "d"));
    expect(contents(index).map((line) => line.split(":")[0])).toEqual(["a.py", "dd.py"]);
    await rm(join(root, "a.py"));
    await index.updateFile(uriOf(root, "a.py"));
    expect(index.counts()).toMatchObject({ files: 1, fragments: 1 });
    index.removeFile(uriOf(root, "never.py"));
    index.removeFile("untitled:Untitled-1");
    await index.updateFile(uriOf("/elsewhere/x.py"));
    expect(index.fragmentCount).toBe(1);
  });

  it("indexes all files of a new folder", async () => {
    const root = await folderWith({ "a.py": alpha });
    const elsewhere = await folderWith({
      "b.py": beta,
      "deep/c.py": gamma,
      "node_modules/x.js": "ignored();\nreally();\nyes();\n",
    });
    const { index } = await indexed(root, await emptyFolder());
    await rename(elsewhere, join(root, "moved"));
    await index.updateFile(uriOf(root, "moved"));
    expect(contents(index).map((line) => line.split(":")[0])).toEqual(["a.py", "moved/b.py", "moved/deep/c.py"]);
    await mkdir(join(root, "node_modules"));
    await write(root, { "node_modules/y.js": "also();\nignored();\nyes();\n" });
    await index.updateFile(uriOf(root, "node_modules"));
    expect(index.fragmentCount).toBe(3);
  });

  it("excludes what rules exclude, and removes what they exclude now", async () => {
    const root = await folderWith({ ".gitignore": "out/\n", "a.py": alpha });
    const { index } = await indexed(root, await emptyFolder());
    await write(root, { "out/x.py": beta, ".env": "KEY=1\nKEY=2\nKEY=3\n", "a.py": `# @generated\n${alpha}` });
    for (const path of ["out/x.py", ".env", "a.py"]) await index.updateFile(uriOf(root, path));
    expect(contents(index)).toEqual([]);
    expect(index.counts().excluded).toEqual({ ignored: 1, secret: 1, generated: 1, data: 1 });
  });

  it("does not follow symbolic links", async () => {
    const elsewhere = await folderWith({ "b.py": beta, "deep/c.py": gamma });
    const root = await folderWith({ "a.py": alpha });
    const { index } = await indexed(root, await emptyFolder());
    await symlink(join(elsewhere, "b.py"), join(root, "link.py"));
    await symlink(elsewhere, join(root, "linked"));
    for (const path of ["link.py", "linked", "linked/b.py", "linked/deep", "linked/deep/c.py"])
      await index.updateFile(uriOf(root, path));
    expect(contents(index).map((line) => line.split(":")[0])).toEqual(["a.py"]);
  });

  it("indexes the newest content when updates overtake each other", async () => {
    const root = await folderWith({ "a.py": alpha });
    const { index } = await indexed(root, await emptyFolder(), { delayMs: 20 });
    const updates: Promise<void>[] = [];
    for (let i = 0; i < 12; i++) {
      await write(root, { "a.py": alpha.replace("alpha", `version${i}`) });
      updates.push(index.updateFile(uriOf(root, "a.py")));
      if (i === 5) updates.push(index.reindex().then(() => {}));
      await new Promise((resolve) => setTimeout(resolve, i % 3 === 0 ? 25 : 1));
    }
    await Promise.all(updates);
    expect(index.fragmentCount).toBe(1);
    expect(best(index, "a.py", alpha.replace("alpha", "version11").trimEnd())).toBe("a.py:1-3");
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

describe("the disk", () => {
  it("never holds paths or text of the workspace, nor a trace of what is excluded", async () => {
    const root = await folderWith({ "part/canary_name.py": alpha.replace("alpha", "canary_text"), "b.py": beta });
    const storagePath = await emptyFolder();
    const { index, seen } = await indexed(root, storagePath);
    await index.flush();
    const [canary, other] = ["part/canary_name.py", "b.py"].map((path) => {
      const tokens = seen.find((each) => Buffer.from(each).toString().startsWith(`${path}\n`));
      return vectorKey(tokens ?? []);
    });
    const texts = ["canary_name", "canary_text", "first = x", "def beta", root, pathToFileURL(root).href];
    expect(await onDisk(storagePath, texts)).toEqual([]);
    expect(await onDisk(storagePath, [canary ?? "", other ?? ""])).toHaveLength(2);
    await write(root, { ".selfracgignore": "canary*\n" });
    await index.reindex();
    await index.flush();
    expect(await onDisk(storagePath, [...texts, canary ?? "", other ?? ""])).toEqual([other]);
    await index.dispose();
    expect(await onDisk(storagePath, [...texts, canary ?? "", other ?? ""])).toEqual([other]);
  });

  it.each<[string, (root: string, index: WorkspaceIndex) => Promise<unknown>]>([
    ["its name", (root, index) => write(root, { ".gitignore": "/gone.py\n" }).then(() => index.reindex())],
    ["its folder", (root, index) => write(root, { ".gitignore": "in/\n" }).then(() => index.reindex())],
    [
      "a secret in it",
      async (root, index) => {
        await write(root, { "gone.py": `password = "${"x9!Kq2".repeat(4)}"\ntoken = "ghp_${"a1B2c3".repeat(6)}"\n` });
        await index.updateFile(uriOf(root, "gone.py"));
      },
    ],
  ])("no longer holds the vectors of a file that is excluded for %s", async (_, exclude) => {
    const root = await folderWith({ "gone.py": alpha, "in/gone.py": beta, "stays.py": gamma });
    const storagePath = await emptyFolder();
    const { index, seen } = await indexed(root, storagePath);
    await index.flush();
    const keys = seen.map(vectorKey);
    expect(await onDisk(storagePath, keys)).toHaveLength(3);
    await exclude(root, index);
    await index.flush();
    expect(index.counts().files).toBe(2);
    expect(await onDisk(storagePath, keys)).toHaveLength(2);
  });

  it("holds nothing that was excluded while no process ran, and no store of an earlier format", async () => {
    const root = await folderWith({ "a.py": alpha, "b.py": beta });
    const storagePath = await folderWith({ "index-2-aaaaaaaaaaaaaaaa/files-1.log": alpha, "counts.json": "{}" });
    const first = await indexed(root, storagePath);
    expect((await readdir(storagePath)).sort()).toEqual(["counts.json", "index-3-aaaaaaaaaaaaaaaa"]);
    const keys = first.seen.map(vectorKey);
    await first.index.dispose();
    await write(root, { ".selfracgignore": "b.py\n" });
    const { index } = await indexed(root, storagePath);
    await index.dispose();
    expect(await onDisk(storagePath, keys)).toHaveLength(1);
  });

  it("is written again after the storage folder was deleted, and every file stays in the index", async () => {
    const root = await folderWith(manyFiles(20));
    const storagePath = await emptyFolder();
    const { index, warnings } = await indexed(root, storagePath);
    await rm(storagePath, { recursive: true });
    await write(root, { "new.py": gamma });
    await index.updateFile(uriOf(root, "new.py"));
    expect(index.counts().files).toBe(21);
    expect(best(index, "new.py", gamma.trimEnd())).toBe("new.py:1-3");
    expect(warnings).toEqual([]);
    await index.dispose();
    expect((await indexed(root, storagePath)).seen).toHaveLength(40);
  });
});

describe("git", () => {
  it("switching branches and stashing embeds only new fragments, and switching back none", async () => {
    const root = await folderWith(manyFiles(30));
    const git = (...args: string[]): void =>
      void execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@localhost", ...args], {
        cwd: root,
        stdio: "ignore",
      });
    git("init", "--initial-branch=one");
    git("add", ".");
    git("commit", "-m", "one");
    const { index, seen } = await indexed(root, await emptyFolder());
    const first = contents(index);
    git("checkout", "-b", "two");
    await write(root, { "src/part0/file0.py": gamma, "new.py": beta });
    await rm(join(root, "src/part1/file1.py"));
    git("add", "--all");
    git("commit", "-m", "two");
    await index.reindex();
    const second = contents(index);
    expect(seen).toHaveLength(62);
    for (const branch of ["one", "two", "one"]) {
      git("checkout", branch);
      await index.reindex();
      expect(contents(index)).toEqual(branch === "one" ? first : second);
    }
    await write(root, { "src/part2/file2.py": gamma });
    await index.reindex();
    expect(seen).toHaveLength(63);
    git("stash");
    await index.reindex();
    expect(contents(index)).toEqual(first);
    git("stash", "pop");
    await index.reindex();
    expect(seen).toHaveLength(63);
  });
});

describe("cancelling", () => {
  it("leaves what was done in the index, and the next run does the rest", async () => {
    const root = await folderWith(manyFiles(400));
    const storagePath = await emptyFolder();
    const { index, seen } = make(storagePath, { delayMs: 3 });
    await index.setFolders([{ uri: uriOf(root), name: "test" }]);
    const controller = new AbortController();
    let total = 0;
    const run = index.reindex({
      signal: controller.signal,
      onProgress: (done, all) => {
        total = all;
        if (done > 100) controller.abort();
      },
    });
    await expect(run).rejects.toThrow(/abort/i);
    expect(total).toBe(400);
    const then = index.fragmentCount;
    expect(then).toBeGreaterThan(100);
    expect(then).toBeLessThan(800);
    expect(index.search(toyNeed("a", alpha), 3)).toHaveLength(3);
    const embedded = seen.length;
    await index.reindex();
    expect(index.fragmentCount).toBe(800);
    expect(seen.length).toBe(800);
    expect(seen.length - embedded).toBeLessThan(700);
    await index.dispose();
    expect((await indexed(root, storagePath)).seen).toEqual([]);
  });

  it("never blocks the event loop for long, so that searches run while indexing", async () => {
    const root = await folderWith(manyFiles(600));
    const { index } = make(await emptyFolder(), { delayMs: 2 });
    await index.setFolders([{ uri: uriOf(root), name: "test" }]);
    const sizes: number[] = [];
    let longest = 0;
    let last = cpuTime();
    const began = last;
    const timer = setInterval(() => {
      longest = Math.max(longest, cpuTime() - last);
      sizes.push(index.search(toyNeed("a", alpha), 1200).length);
      last = cpuTime();
    }, 5);
    await index.reindex();
    clearInterval(timer);
    expect(new Set(sizes).size).toBeGreaterThan(3);
    expect(index.search(toyNeed("a", alpha), 1200)).toHaveLength(1200);
    expect(longest).toBeLessThan((cpuTime() - began) / 3);
  });

  it("ignores a file that is deleted after it was listed", async () => {
    const root = await folderWith({ "a.py": alpha, "b.py": beta });
    await utimes(join(root, "a.py"), new Date(), new Date(Date.now() + 60_000));
    const chunker = new NotingChunker();
    // The newest file is read first, and the other one is deleted in the meantime.
    const deleting: WorkspaceIndexOptions["chunker"] = {
      version: "test",
      chunk: async (path, text) => {
        await rm(join(root, "b.py"), { force: true });
        return chunker.chunk(path, text);
      },
    };
    const { index, warnings } = await indexed(root, await emptyFolder(), { chunker: deleting });
    expect(index.counts()).toMatchObject({ files: 1, fragments: 1, excluded: {} });
    expect(chunker.paths).toEqual(["a.py"]);
    expect(warnings).toEqual([]);
  });

  it("excludes a file that the chunker fails on, with a warning", async () => {
    const root = await folderWith({ "a.py": alpha, "b.py": beta });
    const lines = new LineChunker();
    const failing: WorkspaceIndexOptions["chunker"] = {
      version: "test",
      chunk: async (path, text) => (path === "a.py" ? Promise.reject(new Error("too odd")) : lines.chunk(path, text)),
    };
    const { index, warnings } = await indexed(root, await emptyFolder(), { chunker: failing });
    expect(index.counts()).toMatchObject({ files: 1, excluded: { unreadable: 1 } });
    expect(warnings).toEqual([expect.stringContaining("too odd")]);
  });

  it("rejects when the model fails, and continues at the next call", async () => {
    const root = await folderWith(manyFiles(10));
    const { backbone } = toyBackbone();
    let broken = true;
    const failing: WorkspaceIndexOptions["backbone"] = {
      ...backbone,
      embed: async (rows, signal) =>
        broken ? Promise.reject(new Error("out of memory")) : backbone.embed(rows, signal),
    };
    const { index } = make(await emptyFolder(), { backbone: failing });
    await index.setFolders([{ uri: uriOf(root), name: "test" }]);
    await expect(index.reindex()).rejects.toThrow("out of memory");
    broken = false;
    expect(await index.reindex()).toMatchObject({ files: 10, fragments: 20 });
  });
});

describe("limits", () => {
  it("bound the fragments in memory, and the latest edited files come first", async () => {
    const root = await folderWith(manyFiles(50));
    await utimes(join(root, "src/part3/file10.py"), new Date(), new Date(Date.now() + 60_000));
    const { index, seen } = await indexed(root, await emptyFolder(), { limits: { maxFragments: 20 } });
    expect(index.fragmentCount).toBe(20);
    expect(seen.length).toBeLessThanOrEqual(24);
    expect(index.counts().excluded).toEqual({ "index full": 40 });
    expect(best(index, "src/part3/file10.py", alpha.replaceAll("alpha", "alpha10").trimEnd())).toBe(
      "src/part3/file10.py:1-3",
    );
  });

  it("bound the file size, and a new limit applies at the next run", async () => {
    const root = await folderWith({ "a.py": alpha, "b.py": alpha.repeat(100) });
    const { index } = await indexed(root, await emptyFolder(), { limits: { maxFileKilobytes: 2 } });
    expect(index.counts()).toMatchObject({ files: 1, excluded: { "too large": 1 } });
    index.setLimits({ maxFileKilobytes: 512 });
    expect(await index.reindex()).toMatchObject({ files: 2, excluded: {} });
  });

  it("bound the store on disk: other models' stores are deleted first, then what was not used for longest", async () => {
    const storagePath = await emptyFolder();
    await (await indexed(await folderWith(manyFiles(200)), storagePath, { hash: "c".repeat(64) })).index.dispose();
    const old = await folderWith(manyFiles(200));
    await (await indexed(old, storagePath)).index.dispose();
    // The last use is stored in seconds.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const present = await folderWith(
      Object.fromEntries(Object.entries(manyFiles(100)).map(([path, text]) => [`own/${path}`, text])),
    );
    const { index } = await indexed(present, storagePath, { limits: { maxStoreBytes: 200_000 } });
    expect(await readdir(storagePath)).toHaveLength(1);
    expect(index.counts().storeBytes).toBeLessThanOrEqual(200_000);
    expect(index.fragmentCount).toBe(200);
    await index.dispose();
    // The store in use was not deleted.
    const again = await indexed(present, storagePath, { limits: { maxStoreBytes: 200_000 } });
    expect(again.seen).toEqual([]);
  });
});

describe("damage", () => {
  async function stored(): Promise<{ root: string; storagePath: string; directory: string; before: string[] }> {
    const root = await folderWith(manyFiles(40));
    const storagePath = await emptyFolder();
    const { index } = await indexed(root, storagePath);
    const before = contents(index);
    await index.dispose();
    const [name = ""] = await readdir(storagePath);
    return { root, storagePath, directory: join(storagePath, name), before };
  }

  it.each<[string, (bytes: Buffer) => Uint8Array | undefined, number]>([
    ["cut off", (bytes) => bytes.subarray(0, bytes.length / 2), 80],
    ["cut off within a page", (bytes) => bytes.subarray(0, bytes.length - 1000), 80],
    ["emptied", () => new Uint8Array(), 80],
    ["of zeros", (bytes) => bytes.fill(0), 80],
    ["with a page of zeros", (bytes) => bytes.fill(0, 3 * 4096, 4 * 4096), 80],
    ["with garbage but for its first page", (bytes) => bytes.fill(0xa5, 4096), 80],
    ["that is something else", () => Buffer.from("hello"), 80],
    ["of another format", (bytes) => bytes.fill(99, 63, 64), 80],
    ["that is missing", () => undefined, 80],
    ["with bits flipped all over", (bytes) => bytes.map((byte, at) => (at % 500 === 499 ? byte ^ 8 : byte)), 80],
  ])("a store %s is replaced or repaired, and the next start embeds nothing", async (_, damage, embedded) => {
    const { root, storagePath, directory, before } = await stored();
    const file = join(directory, "store.db");
    const damaged = damage(await readFile(file));
    if (damaged === undefined) await rm(file);
    else await writeFile(file, damaged);
    const { index, seen, warnings } = await indexed(root, storagePath);
    expect(contents(index)).toEqual(before);
    expect(seen.length).toBe(embedded);
    expect(warnings.length).toBe(damaged === undefined || damaged.length === 0 ? 0 : 1);
    await index.dispose();
    const next = await indexed(root, storagePath);
    expect(next.seen).toEqual([]);
    expect(next.read).toEqual([]);
    expect(next.warnings).toEqual([]);
    expect(contents(next.index)).toEqual(before);
  });

  it("a store of a newer version is not changed, and another one is made beside it", async () => {
    const { root, storagePath, directory, before } = await stored();
    const newer = directory.replace(/index-(\d+)/, (_, version: string) => `index-${Number(version) + 1}`);
    await rename(directory, newer);
    const { index, seen } = await indexed(root, storagePath);
    expect(seen).toHaveLength(80);
    expect(contents(index)).toEqual(before);
    expect(await readdir(newer)).not.toEqual([]);
  });

  it("a clock that was set back years loses nothing, and later changes are noticed", async () => {
    const { root, storagePath, before } = await stored();
    vi.useFakeTimers({ toFake: ["Date"], now: new Date("2001-01-01") });
    try {
      const { index, seen, read } = await indexed(root, storagePath);
      expect({ seen, read }).toEqual({ seen: [], read: [] });
      expect(contents(index)).toEqual(before);
      await write(root, { "src/part0/file0.py": gamma });
      await utimes(join(root, "src/part0/file0.py"), new Date(), new Date());
      await index.reindex();
      expect(best(index, "src/part0/file0.py", gamma.trimEnd())).toBe("src/part0/file0.py:1-3");
      await index.dispose();
      const again = await indexed(root, storagePath);
      expect(again.seen).toEqual([]);
      expect(best(again.index, "src/part0/file0.py", gamma.trimEnd())).toBe("src/part0/file0.py:1-3");
    } finally {
      vi.useRealTimers();
    }
  });

  it("a file that changes while it is read is read again, and its last text is found", async () => {
    const root = await folderWith({ "a.py": alpha });
    const { index } = await indexed(root, await emptyFolder());
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 60; i++)
        await writeFile(join(root, "a.py"), `${beta.replaceAll("beta", `beta${i}`)}${"# more\n".repeat(i * 20)}`);
      writing = false;
    })();
    while (writing) await index.updateFile(uriOf(root, "a.py"));
    await writer;
    await index.updateFile(uriOf(root, "a.py"));
    expect(contents(index).filter((line) => /beta\d/.test(line))).toEqual([expect.stringContaining("beta59")]);
    expect(index.counts().files).toBe(1);
  });

  it("a storage path that cannot be used disables the store, and the index works", async () => {
    const root = await folderWith(manyFiles(5));
    const file = join(await folderWith({ "not-a-folder": "x" }), "not-a-folder");
    const { index, warnings } = await indexed(root, file);
    expect(index.fragmentCount).toBe(10);
    expect(warnings.join()).toMatch(/cannot be stored/);
    expect(index.vectorIndex.name).toBe("faiss");
    expect(index.counts().storeBytes).toBe(0);
  });
});

describe("processes", () => {
  let program = "";

  beforeAll(async () => {
    program = join(__dirname, "../../../node_modules/.cache/indexing-process.cjs");
    await build({
      entryPoints: [join(__dirname, "indexing-process.ts")],
      outfile: program,
      bundle: true,
      platform: "node",
      target: "node20",
      format: "cjs",
      external: ["faiss-node"],
      logLevel: "error",
    });
  });

  /** Runs the program; kills it when it has done `killAt` files, if that is given. @returns what it printed last */
  function run(root: string, storagePath: string, killAt?: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [program, root, storagePath, "4"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.on("data", (data: Buffer) => {
        output += data.toString();
        const done = Number(/done (\d+)\n$/.exec(output)?.[1] ?? -1);
        if (killAt !== undefined && done >= killAt) child.kill("SIGKILL");
      });
      child.on("error", reject);
      child.on("close", () => resolve(output.trim().split("\n").at(-1) ?? ""));
    });
  }

  it("that are killed at any instant leave an index that the next one continues", async () => {
    const root = await folderWith(manyFiles(500));
    const storagePath = await emptyFolder();
    const reference = contents((await indexed(root, await emptyFolder())).index);
    for (const files of [0, 1, 60, 130, 200, 300]) expect(await run(root, storagePath, files)).toMatch(/^done/);
    const { index, seen, warnings } = await indexed(root, storagePath);
    expect(contents(index)).toEqual(reference);
    expect(seen.length).toBeLessThan(800);
    expect(warnings).toEqual([]);
  });

  it("that index one folder at the same time share the work, and each finds everything", async () => {
    const root = await folderWith(manyFiles(600));
    const storagePath = await emptyFolder();
    const results = await Promise.all([run(root, storagePath), run(root, storagePath), run(root, storagePath)]);
    const counts: IndexCounts[] = results.map((result) => JSON.parse(result));
    for (const each of counts) expect(each).toMatchObject({ files: 600, fragments: 1200 });
    // At most one batch of each process is embedded twice: what another one was embedding at the end.
    expect(counts.reduce((sum, { embedded }) => sum + embedded, 0)).toBeLessThanOrEqual(1200 + 2 * 256);
    const { index, seen, read, warnings } = await indexed(root, storagePath);
    expect({ seen, read, warnings }).toEqual({ seen: [], read: [], warnings: [] });
    expect(contents(index)).toEqual(contents((await indexed(root, await emptyFolder())).index));
  });

  it("that are killed after a claim leave the fragments to a later one", async () => {
    const root = await folderWith(manyFiles(300));
    const storagePath = await emptyFolder();
    await run(root, storagePath, 1);
    const { index } = await indexed(root, storagePath);
    expect(index.counts()).toMatchObject({ files: 300, fragments: 600 });
  });

  it("that start and end many times leave a bounded number of files", async () => {
    const root = await folderWith(manyFiles(3));
    const storagePath = await emptyFolder();
    for (let i = 0; i < 14; i++) {
      await write(root, { [`more${i}.py`]: gamma.replaceAll("gamma", `gamma${i}`) });
      await run(root, storagePath);
    }
    const [name = ""] = await readdir(storagePath);
    expect((await readdir(join(storagePath, name))).length).toBeLessThan(16);
    expect((await indexed(root, storagePath)).seen).toEqual([]);
  });
});
