// Indexing by LSP: progress, the reindex command, changed files and folders, and unusual files.
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { CancellationTokenSource } from "vscode-languageserver/node";
import { serverCommands } from "../../sidecar/protocol";
import { makeRepository } from "../bench/make-repository";
import { cleanUp, copyOfFixture, start, temporaryFolder, uriOf } from "./client";
import { manyFiles, untilSearchable, wide } from "./many-files";

afterEach(cleanUp);

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
