// The indexer by LSP: killed, busy, asked for a command, and beside unsaved text.
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { serverCommands } from "../../sidecar/protocol";
import { cleanUp, copyOfFixture, start, temporaryFolder, uriOf } from "./client";
import { manyFiles, untilSearchable, wide } from "./many-files";

afterEach(cleanUp);

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
