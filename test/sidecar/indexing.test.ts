// Indexing by LSP: progress, cancellation, changed files and folders, and unusual files.
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { CancellationTokenSource } from "vscode-languageserver/node";
import { serverCommands } from "../../sidecar/protocol";
import { makeRepository } from "../bench/make-repository";
import { cleanUp, copyOfFixture, type Sidecar, start, temporaryFolder, uriOf } from "./client";

afterEach(cleanUp);

/** So many that every fragment of these small workspaces is a candidate. */
const wide = { maxFragments: 16 };

/** A workspace of many files that takes a while to embed. */
async function manyFiles(count: number): Promise<string> {
  const folder = await temporaryFolder();
  for (let file = 0; file < count; file += 1) {
    const functions = Array.from(
      { length: 8 },
      (_, index) =>
        `def compute_${file}_${index}(value):\n    result = value * ${file} + ${index}\n    return result\n`,
    );
    await writeFile(join(folder, `module_${file}.py`), functions.join("\n\n"));
  }
  return folder;
}

/** Waits until a path is searchable, or no longer is. */
async function untilSearchable(sidecar: Sidecar, path: string, wanted: boolean): Promise<void> {
  await expect.poll(async () => [...(await sidecar.searchable())].includes(path), { message: path }).toBe(wanted);
}

describe("progress", () => {
  it("is shown from begin to end; a cancelled run keeps its work, and the next one finishes", async () => {
    const folders = [await manyFiles(120)];
    const storagePath = await temporaryFolder();
    const sidecar = await start({ folders, storagePath, cancelProgress: true });
    await sidecar.until("end of progress", () => sidecar.progress.at(-1)?.kind === "end");
    const [begin, ...rest] = sidecar.progress;
    expect(begin).toMatchObject({ kind: "begin", title: expect.stringMatching(/index/i), cancellable: true });
    expect(
      rest.filter(({ kind }) => kind === "report").every(({ message }) => /^\d+\/120 files$/.test(message ?? "")),
    ).toBe(true);
    const ready = await sidecar.reaches("ready");
    expect(ready.message).toMatch(/cancelled/);
    expect(ready.index?.files).toBeLessThan(120);
    expect(await sidecar.close()).toBe(0);

    const second = await start({ folders, storagePath });
    const { index } = await second.reaches("ready");
    expect(index?.files).toBe(120);
    const percentages = second.progress.flatMap(({ percentage }) => percentage ?? []);
    expect(percentages).toEqual([...percentages].sort((a, b) => a - b));
    await second.until("end of progress", () => second.progress.at(-1)?.kind === "end");
  });

  it("does not delay completions", async () => {
    const sidecar = await start({ folders: [await manyFiles(120)] });
    await sidecar.until("some progress", () => (sidecar.status?.progress?.done ?? 0) > 0);
    const { trace } = await sidecar.complete("untitled:a", "def add(a, b):\n    return |\n");
    expect(trace.generatedTokens).toBeGreaterThan(0);
    expect((await sidecar.getStatus()).state).toBe("indexing");
  });
});

describe("the reindex command", () => {
  it("joins the current run, and embeds no known text again", async () => {
    const sidecar = await start({ folders: [await copyOfFixture()] });
    await sidecar.until("indexing", () => sidecar.status?.state === "indexing");
    const counts = await sidecar.reindex();
    expect(sidecar.progress.filter(({ kind }) => kind === "begin")).toHaveLength(1);
    expect(await sidecar.reindex()).toEqual({ ...counts, storeBytes: expect.any(Number) });
  });

  it("reports to the progress token of its request, and stops when that is cancelled", async () => {
    const sidecar = await start({ folders: [await manyFiles(120)] });
    await sidecar.until("indexing", () => sidecar.status?.state === "indexing");
    const notes: { token: unknown; kind: string }[] = [];
    sidecar.connection.onNotification(
      "$/progress",
      ({ token, value }: { token: unknown; value: { kind: string } }) => void notes.push({ token, kind: value.kind }),
    );
    const source = new CancellationTokenSource();
    const answer = sidecar.connection.sendRequest(
      serverCommands.reindex.request,
      { ...serverCommands.reindex.params(), workDoneToken: "mine" },
      source.token,
    );
    await sidecar.until("a report", () => notes.some(({ token, kind }) => token === "mine" && kind === "report"));
    source.cancel();
    expect(await answer).toBeNull();
    expect(notes.filter(({ token }) => token === "mine").map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(["begin", "report", "end"]),
    );
    expect((await sidecar.reaches("ready")).message).toMatch(/cancelled/);
  });
});

describe("changes", () => {
  it("make a saved file searchable, and remove a deleted one", async () => {
    const folder = await copyOfFixture();
    const sidecar = await start({ folders: [folder], settings: wide });
    await sidecar.reaches("ready");
    const path = join(folder, "shop", "vouchers.py");
    const text = "def redeem_voucher(code, amount):\n    return amount - VOUCHERS[code]\n";
    await sidecar.open(uriOf(path), text);
    await writeFile(path, text);
    await sidecar.connection.sendNotification("textDocument/didSave", { textDocument: { uri: uriOf(path) } });
    await untilSearchable(sidecar, "shop/vouchers.py", true);
    await rm(path);
    await sidecar.watched(path, 3);
    await untilSearchable(sidecar, "shop/vouchers.py", false);
  });

  it("include files seen by the watcher, and folders deleted or renamed as a whole", async () => {
    const folder = await copyOfFixture();
    const sidecar = await start({ folders: [folder], settings: wide });
    await sidecar.reaches("ready");
    await writeFile(
      join(folder, "extra.ts"),
      "export function parseCoupon(text: string): number {\n  return Number(text);\n}\n",
    );
    await sidecar.watched(join(folder, "extra.ts"), 1);
    await untilSearchable(sidecar, "extra.ts", true);
    await rename(join(folder, "shop"), join(folder, "store"));
    await sidecar.watched(join(folder, "shop"), 3);
    await sidecar.watched(join(folder, "store"), 1);
    await untilSearchable(sidecar, "shop/money.py", false);
    await untilSearchable(sidecar, "store/money.py", true);
  });

  it("of an ignore file lead to a new run", async () => {
    const folder = await copyOfFixture();
    const sidecar = await start({ folders: [folder], settings: wide });
    await sidecar.reaches("ready");
    expect(await sidecar.searchable()).toContain("shop/money.py");
    await writeFile(join(folder, ".selfracgignore"), "shop/money.py\n");
    await sidecar.watched(join(folder, ".selfracgignore"), 2);
    await untilSearchable(sidecar, "shop/money.py", false);
  });

  it("of a hundred thousand files at once do not delay answers", async () => {
    const folder = await copyOfFixture();
    const sidecar = await start({ folders: [folder], settings: wide });
    const before = await sidecar.reaches("ready");
    await writeFile(join(folder, "late.py"), "def settle_late(invoice):\n    return invoice.total * 2\n");
    for (let part = 0; part < 20; part += 1) {
      const changes = Array.from({ length: 5000 }, (_, at) => ({
        uri: uriOf(join(folder, `build/${part}/file${at}.py`)),
        type: (at % 3) + 1,
      }));
      await sidecar.connection.sendNotification("workspace/didChangeWatchedFiles", { changes });
    }
    const { trace } = await sidecar.complete("untitled:a", "def add(a, b):\n    return |\n");
    expect(trace.generatedTokens).toBeGreaterThan(0);
    await untilSearchable(sidecar, "late.py", true);
    const after = await sidecar.reaches("ready");
    expect(after.index?.files).toBe((before.index?.files ?? 0) + 1);
    expect(after.index?.embedded).toBe((before.index?.embedded ?? 0) + 1);
  });

  it("of the workspace folders add and remove their files", async () => {
    const [folder, other] = [await copyOfFixture(), await temporaryFolder()];
    await writeFile(join(other, "pricing.py"), "def price_with_tax(price):\n    return price * 1.19\n");
    const sidecar = await start({ folders: [folder], settings: wide });
    await sidecar.reaches("ready");
    const change = (added: string[], removed: string[]) => {
      const folderOf = (path: string) => ({ uri: uriOf(path), name: "other" });
      return sidecar.connection.sendNotification("workspace/didChangeWorkspaceFolders", {
        event: { added: added.map(folderOf), removed: removed.map(folderOf) },
      });
    };
    await change([other], []);
    await untilSearchable(sidecar, "pricing.py", true);
    await change([], [other, folder]);
    await untilSearchable(sidecar, "pricing.py", false);
    await sidecar.until("no folder", () => /No folder is open/.test(sidecar.status?.message ?? ""));
    await change([folder], []);
    await untilSearchable(sidecar, "shop/money.py", true);
    expect((await sidecar.reaches("ready")).index?.embedded).toBe((await sidecar.getStatus()).index?.embedded);
  });
});

describe("what is indexed", () => {
  it("depends on the settings of each folder, at the start and after every change", async () => {
    const [one, two] = [await copyOfFixture(), await copyOfFixture()];
    const sidecar = await start({
      folders: [one, two],
      settings: { ...wide, exclude: ["reports.py"] },
      filesExclude: { [uriOf(one)]: { "**/web": true, "**/shop": false } },
    });
    await sidecar.reaches("ready");
    const states = async (path: string): Promise<string[]> =>
      Promise.all([one, two].map(async (folder) => (await sidecar.why(join(folder, path))).state));
    expect(await states("web/src/cart.ts")).toEqual(["left-out", "indexed"]);
    expect(await states("shop/reports.py")).toEqual(["left-out", "left-out"]);
    expect(await states("shop/money.py")).toEqual(["indexed", "indexed"]);
    sidecar.filesExclude = {};
    await sidecar.configure({ exclude: ["/shop/"] });
    await sidecar.until("the next run", () => sidecar.progress.filter(({ kind }) => kind === "end").length === 2);
    expect(await states("web/src/cart.ts")).toEqual(["indexed", "indexed"]);
    expect(await states("shop/money.py")).toEqual(["left-out", "left-out"]);
    expect(await sidecar.searchable()).not.toContain("shop/money.py");
  });

  it("depends on settings pushed by a client that cannot be asked for them", async () => {
    const folder = await copyOfFixture();
    const sidecar = await start({
      folders: [folder],
      capabilities: { window: {}, textDocument: { inlineCompletion: {} } },
    });
    await sidecar.reaches("ready");
    expect(await sidecar.why(join(folder, "shop", "money.py"))).toMatchObject({ state: "indexed" });
    await sidecar.connection.sendNotification("workspace/didChangeConfiguration", {
      settings: { selfracg: { exclude: ["money.py"] } },
    });
    await sidecar.until("the file to be left out", () =>
      sidecar.status?.state === "ready" ? sidecar.status.index?.excluded.excluded === 1 : false,
    );
    expect(await sidecar.why(join(folder, "shop", "money.py"))).toMatchObject({
      state: "left-out",
      rule: { source: "selfracg.exclude", pattern: "money.py" },
    });
  });

  it("is read again after a change of .git/info/exclude, but of no other file in .git", async () => {
    const folder = await copyOfFixture();
    await makeRepository(folder);
    const sidecar = await start({ folders: [folder], settings: wide });
    await sidecar.reaches("ready");
    await sidecar.watched(join(folder, ".git", "index"), 2);
    await writeFile(join(folder, ".git", "info", "exclude"), "money.py\n");
    await sidecar.watched(join(folder, ".git", "info", "exclude"), 2);
    await untilSearchable(sidecar, "shop/money.py", false);
    expect((await sidecar.why(join(folder, "shop", "money.py"))).rule).toEqual({
      source: join(folder, ".git", "info", "exclude"),
      line: 1,
      pattern: "money.py",
    });
  });

  it("is explained for any path, with the lines of its fragments; an invalid path is an error", async () => {
    const folder = await copyOfFixture();
    await writeFile(join(folder, "new\nline 🙂.py"), "def value_of(order):\n    return order.value\n");
    const sidecar = await start({ folders: [folder], settings: wide });
    await expect(sidecar.why(join(folder, "shop"))).rejects.toThrow(/Nothing is indexed\. Loading the model/);
    await sidecar.reaches("ready");
    const found = await sidecar.why(join(folder, "shop", "money.py"));
    expect(found).toMatchObject({
      path: "shop/money.py",
      state: "indexed",
      message: expect.stringMatching(/^shop\/money\.py is indexed as \d+ fragments: lines \d+-\d+/),
    });
    const { trace } = await sidecar.complete("untitled:why", "value = |\n");
    const places = [...trace.fragments, ...trace.dropped]
      .filter(({ path }) => path === "shop/money.py")
      .map(({ startLine, endLine, scope }) => ({ startLine, endLine, ...(scope !== undefined && { scope }) }));
    expect(found.fragments).toEqual(expect.arrayContaining(places));
    expect(await sidecar.why(join(folder, "new\nline 🙂.py"))).toMatchObject({
      path: "new\nline 🙂.py",
      state: "indexed",
      fragments: [{ startLine: 1, endLine: 2 }],
    });
    expect(await sidecar.why(join(folder, "no.py"))).toMatchObject({ state: "missing" });
    expect(await sidecar.why(join(await temporaryFolder(), "a.py"))).toMatchObject({ state: "outside" });
    const ask = (given: unknown[]) =>
      sidecar.connection.sendRequest("workspace/executeCommand", {
        command: serverCommands.why.name,
        arguments: given,
      });
    await expect(ask([])).rejects.toThrow(/Expected the URI of a file or folder.*found none/);
    await expect(ask([7])).rejects.toThrow(/found 7/);
  });
});

describe("a kill", () => {
  it("during indexing leaves an index that the next start continues", async () => {
    const folders = [await manyFiles(120)];
    const storagePath = await temporaryFolder();
    const first = await start({ folders, storagePath });
    await first.until("half of it", () => (first.status?.progress?.done ?? 0) >= 40);
    first.kill();
    expect(await first.exited).toBe("SIGKILL");
    const second = await start({ folders, storagePath });
    const { index } = await second.reaches("ready");
    expect(index).toMatchObject({ files: 120 });
    expect(await second.close()).toBe(0);
    const third = await start({ folders, storagePath });
    expect((await third.reaches("ready")).index).toMatchObject({
      files: 120,
      fragments: index?.fragments,
      embedded: 0,
    });
  });
});

describe("the indexer", () => {
  it("skips files that cannot be indexed, counts the reasons, and indexes the rest", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "good.py"), "def good(value):\n    return value\n");
    await writeFile(join(folder, "long.js"), `const data = "${"x".repeat(50_000_000)}";\n`);
    await writeFile(
      join(folder, "latin.py"),
      Buffer.from([0x23, 0x20, 0xe9, 0xe8, 0xff, 0x0a, 0x78, 0x3d, 0x31, 0x0a]),
    );
    await writeFile(join(folder, "binary.py"), Buffer.from([0, 1, 2, 3, 0, 255]));
    await mkdir(join(folder, "folder.py"));
    const sidecar = await start({ folders: [folder], settings: wide });
    const { index } = await sidecar.reaches("ready");
    expect(await sidecar.searchable()).toContain("good.py");
    const excluded = Object.values(index?.excluded ?? {}).reduce((sum, count) => sum + count, 0);
    expect(excluded).toBeGreaterThanOrEqual(2);
    expect((index?.files ?? 0) + excluded).toBeGreaterThanOrEqual(4);
  });

  it("works while a line of 50 MB is open in the editor", async () => {
    const sidecar = await start();
    await sidecar.reaches("ready");
    const line = `const data = "${"x".repeat(50_000_000)}`;
    const uri = "untitled:huge";
    await sidecar.open(uri, line, "javascript");
    await sidecar.request(uri, { line: 0, character: line.length });
    await sidecar.insert(uri, { line: 0, character: 10 }, "y");
    await sidecar.request(uri, { line: 0, character: 11 });
    expect((await sidecar.getStatus()).state).toBe("ready");
  });

  it("skips files that are deleted during a run", async () => {
    const folder = await manyFiles(120);
    const sidecar = await start({ folders: [folder] });
    await sidecar.until("some progress", () => (sidecar.status?.progress?.done ?? 0) > 0);
    for (let file = 60; file < 120; file += 1) await rm(join(folder, `module_${file}.py`));
    const { index } = await sidecar.reaches("ready");
    expect(index?.files).toBeLessThanOrEqual(120);
    expect(index?.files).toBeGreaterThanOrEqual(60);
    const counts = await sidecar.reindex();
    expect(counts?.files).toBe(60);
  });

  it("rebuilds a damaged index", async () => {
    const folders = [await copyOfFixture()];
    const storagePath = await temporaryFolder();
    const first = await start({ folders, storagePath });
    const { index } = await first.reaches("ready");
    expect(await first.close()).toBe(0);
    let damaged = 0;
    for (const name of await readdir(storagePath, { recursive: true })) {
      const path = join(storagePath, name);
      const { size } = await stat(path);
      if (!(await stat(path)).isFile() || size === 0) continue;
      await writeFile(path, Buffer.alloc(Math.ceil(size / 2), 0xa5));
      damaged += 1;
    }
    expect(damaged).toBeGreaterThan(0);
    const second = await start({ folders, storagePath, settings: wide });
    const again = await second.reaches("ready");
    expect(again.index).toMatchObject({ files: index?.files, fragments: index?.fragments, embedded: index?.fragments });
    expect(await second.searchable()).toContain("shop/money.py");
    expect(await second.close()).toBe(0);
    const third = await start({ folders, storagePath });
    expect((await third.reaches("ready")).index?.embedded).toBe(0);
  });

  it("reports when the index cannot be written, and works in memory", async () => {
    const place = join(await temporaryFolder(), "file");
    await writeFile(place, "not a folder");
    const sidecar = await start({ folders: [await copyOfFixture()], storagePath: join(place, "inside") });
    await sidecar.until("ready or error", () => ["ready", "error"].includes(sidecar.status?.state ?? ""));
    const { state, message } = await sidecar.getStatus();
    const said = [
      message,
      sidecar.stderr,
      ...sidecar.logs.filter(({ type }) => type <= 2).map((line) => line.message),
    ].join("\n");
    expect(["ready", "error"]).toContain(state);
    expect(said).toContain(place);
  });
});

describe("a command of the index", () => {
  it("pauses a run, reports it, and continues when resumed", async () => {
    const sidecar = await start({ folders: [await manyFiles(120)] });
    await sidecar.until("some progress", () => (sidecar.status?.progress?.done ?? 0) > 0);
    await sidecar.execute(serverCommands.pauseIndexing);
    const paused = await sidecar.reaches("ready");
    expect(paused).toMatchObject({ paused: "asked", message: expect.stringMatching(/paused/) });
    expect(paused.index?.files).toBeLessThan(120);
    await expect(sidecar.reindex()).rejects.toThrow(/resume/);
    await sidecar.execute(serverCommands.resumeIndexing);
    await sidecar.until("all files", () => sidecar.status?.state === "ready" && sidecar.status.index?.files === 120);
    expect(sidecar.status?.paused).toBeUndefined();
  });

  it("clears the index and rebuilds it", async () => {
    const sidecar = await start({ folders: [await copyOfFixture()], settings: wide });
    const before = await sidecar.reaches("ready");
    await sidecar.execute(serverCommands.clearIndex);
    await sidecar.until(
      "all embedded anew",
      () => sidecar.status?.state === "ready" && sidecar.status.index?.embedded === 2 * (before.index?.embedded ?? 0),
    );
    expect(sidecar.status?.index).toMatchObject({ files: before.index?.files, fragments: before.index?.fragments });
    expect(await sidecar.searchable()).toContain("shop/money.py");
  });
});

describe("unsaved text", () => {
  it("of an open file is found from other files until the file is closed without saving", async () => {
    const folder = await copyOfFixture();
    const sidecar = await start({ folders: [folder], settings: wide });
    await sidecar.reaches("ready");
    const path = join(folder, "shop", "unsaved.py");
    await writeFile(path, "\n");
    await sidecar.open(uriOf(path), "\n");
    await sidecar.insert(
      uriOf(path),
      { line: 0, character: 0 },
      "def redeem_voucher(code, amount):\n    return amount - VOUCHERS[code]\n",
    );
    await untilSearchable(sidecar, "shop/unsaved.py", true);
    await sidecar.connection.sendNotification("textDocument/didClose", { textDocument: { uri: uriOf(path) } });
    await untilSearchable(sidecar, "shop/unsaved.py", false);
  });
});
