// Suggestions of the real model by LSP: with and without a workspace, cancelled, cached, switched off.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CancellationTokenSource } from "vscode-languageserver/node";
import type { CompletionTrace } from "../../sidecar/protocol";
import { cleanUp, copyOfFixture, cursorOf, type Sidecar, start, temporaryFolder, uriOf } from "./client";

let folder: string;
let sidecar: Sidecar;

beforeAll(async () => {
  folder = await copyOfFixture();
  sidecar = await start({ folders: [folder] });
  await sidecar.reaches("ready");
});
afterAll(cleanUp);

/** A new file in the workspace, so that no answer comes from the cache. */
const fresh = (name = "probe.py") => uriOf(join(folder, "shop", `${Math.random().toString(36).slice(2)}_${name}`));

const continuing = `from shop.money import Money

def total_price(prices: list[Money]) -> Money:
    total = Money(0, "EUR")
    for price in prices:
        |
`;

describe("a suggestion", () => {
  it("equals the one in its trace, which has its fragments", async () => {
    const uri = fresh();
    const before = (await sidecar.trace())?.id ?? 0;
    const { list, trace } = await sidecar.complete(uri, continuing);
    expect(trace).toMatchObject({
      id: before + 1,
      uri,
      languageId: "python",
      position: cursorOf(continuing),
      provider: "cpu",
    });
    if (trace.suggestion === "") {
      expect(list.items).toEqual([]);
      expect(trace.suppressed).toMatch(/./);
    } else {
      const at = cursorOf(continuing);
      expect(list.items).toMatchObject([{ insertText: trace.suggestion, range: { start: at, end: at } }]);
      expect(trace.suppressed).toBeUndefined();
    }
    expect(trace.fragments.length + trace.dropped.length).toBeGreaterThan(0);
    expect(trace.fragments.length > 0 || trace.nothingRetrieved !== undefined).toBe(true);
    expect(trace.promptTokens).toBeGreaterThan(20);
    expect(trace.timings.totalMs).toBeGreaterThan(0);
    const { expressMs, searchMs, prefillMs, decodeMs, totalMs } = trace.timings;
    expect(expressMs + searchMs + prefillMs + decodeMs).toBeLessThanOrEqual(totalMs + 1);
    expect(trace.timings.expressMs).toBeGreaterThan(0);
  });

  it("has fragments with their lines on disk", async () => {
    const { trace } = await sidecar.complete(fresh(), continuing);
    for (const { uri, path, startLine, endLine, score, tokens } of [...trace.fragments, ...trace.dropped]) {
      expect(uri).toBe(uriOf(join(folder, path)));
      const lines = (await readFile(join(folder, path), "utf8")).split("\n");
      expect(startLine).toBeGreaterThanOrEqual(1);
      expect(endLine).toBeGreaterThanOrEqual(startLine);
      expect(endLine).toBeLessThanOrEqual(lines.length);
      expect(Math.abs(score)).toBeLessThanOrEqual(1.001);
      expect(tokens).toBeGreaterThan(0);
    }
  });

  it("is made at one or more of a few ordinary cursors", async () => {
    const places = [
      continuing,
      "def add(a, b):\n    return |\n",
      "import json\n\ndef read_json(path):\n    with open(path) as file:\n        return |\n",
      "class Point:\n    def __init__(self, x, y):\n        self.x = |\n",
      "for index in |\n    print(index)\n",
    ];
    const suggestions: string[] = [];
    for (const place of places) suggestions.push((await sidecar.complete(fresh(), place)).trace.suggestion);
    expect(
      suggestions.filter((suggestion) => suggestion.trim() !== ""),
      JSON.stringify(suggestions),
    ).not.toEqual([]);
  });

  it("is the same for the same text after a change of other settings", async () => {
    const uri = fresh();
    const first = await sidecar.complete(uri, continuing);
    // Does not affect a single statement, but it is part of the cache's key.
    await sidecar.configure({ maxTokens: 47 });
    const second = await sidecar.complete(uri, continuing);
    await sidecar.configure({ maxTokens: 48 });
    expect(second.trace.id).toBe(first.trace.id + 1);
    expect(second.trace.cached).toBeUndefined();
    expect(second.trace.suggestion).toBe(first.trace.suggestion);
    // The prompt is the same too, and the index was not searched.
    expect(first.trace.fetched).toBe("the first completion in this document");
    expect(second.trace).toMatchObject({
      fragments: first.trace.fragments,
      reused: { since: first.trace.id, reason: "the need has hardly moved" },
      timings: { expressMs: 0, searchMs: 0 },
    });
    expect(second.trace.reused?.similarity).toBeCloseTo(1, 3);
  });

  it("is continued from the cache while its text is typed", async () => {
    const uri = fresh();
    const text = "def add(a, b):\n    return |\n";
    const { trace } = await sidecar.complete(uri, text);
    const again = await sidecar.request(uri, cursorOf(text));
    expect(await sidecar.trace()).toMatchObject({ id: trace.id, cached: true });
    if (trace.suggestion.length < 2) {
      expect(again.items.length).toBeLessThanOrEqual(1);
      return;
    }
    await sidecar.insert(uri, cursorOf(text), trace.suggestion.slice(0, 1));
    const { line, character } = cursorOf(text);
    const rest = await sidecar.request(uri, { line, character: character + 1 });
    expect(rest.items[0]?.insertText).toBe(trace.suggestion.slice(1));
    expect(await sidecar.trace()).toMatchObject({ id: trace.id, cached: true });
  });

  it.each([
    ["an untitled document", "untitled:Untitled-1", "typescript"],
    ["a notebook cell", "vscode-notebook-cell:/somewhere/book.ipynb#W0sZmlsZQ", "python"],
    ["a file outside of the folders", "file:///elsewhere/main.go", "go"],
  ])("is made for %s", async (_, uri, languageId) => {
    const { trace } = await sidecar.complete(uri, "function add(a, b) {\n  return |\n}\n", languageId);
    expect(trace).toMatchObject({ uri, languageId });
    expect(trace.promptTokens).toBeGreaterThan(5);
  });

  it("is possible in an empty document, beyond its end and inside a surrogate pair", async () => {
    await sidecar.open(fresh(), "");
    const uri = fresh();
    await sidecar.open(uri, "x = '\ud83d'\n");
    await sidecar.request(uri, { line: 400, character: 99 });
    const empty = fresh();
    const { trace } = await sidecar.complete(empty, "|");
    expect(trace.uri).toBe(empty);
    expect((await sidecar.getStatus()).state).toBe("ready");
  });
});

describe("continued typing", () => {
  it("reuses the fragments, and fetches others after a jump", async () => {
    const uri = fresh();
    const text = `${continuing}\n${Array.from({ length: 40 }, (_, n) => `PRICE_${n} = Money(${n}, "EUR")\n`).join("")}`;
    const { trace: first } = await sidecar.complete(uri, text);
    expect(first.fetched).toBe("the first completion in this document");
    expect(first.reused).toBeUndefined();
    const { line, character } = cursorOf(text);
    const traces: CompletionTrace[] = [];
    // A text that the suggestion does not begin with, so that no answer comes from the cache.
    for (const [at, key] of [..."zqz"].entries()) {
      await sidecar.insert(uri, { line, character: character + at }, key);
      await sidecar.request(uri, { line, character: character + at + 1 });
      const trace = await sidecar.trace();
      if (trace !== null) traces.push(trace);
    }
    expect(traces.map(({ id }) => id)).toEqual([first.id + 1, first.id + 2, first.id + 3]);
    for (const { reused, fetched } of traces) {
      if (reused === undefined) expect(fetched).toMatch(/^the need moved/);
      else expect(reused.since).toBeGreaterThanOrEqual(first.id);
    }
    await sidecar.request(uri, { line: line + 30, character: 0 });
    expect(await sidecar.trace()).toMatchObject({ id: first.id + 4, fetched: "the cursor moved to another place" });
  });

  it("searches again after a file was saved, without its old fragments", async () => {
    const text = (await readFile(join(folder, "shop", "orders.py"), "utf8")).split("\n");
    let uri = "";
    let line = 0;
    let trace: CompletionTrace | null = null;
    for (line of [19, 25, 32, 45, 60]) {
      uri = fresh();
      ({ trace } = await sidecar.complete(uri, [...text.slice(0, line), "        |", ...text.slice(line)].join("\n")));
      if (trace.fragments.length > 0) break;
    }
    const [fragment] = trace?.fragments ?? [];
    if (fragment === undefined)
      throw new Error(
        `Expected a fragment in the prompt at one of five places, found none: ${trace?.nothingRetrieved}`,
      );
    const path = join(folder, fragment.path);
    const before = await readFile(path, "utf8");
    const lines = before.split("\n");
    await writeFile(path, [...lines.slice(0, fragment.startLine - 1), ...lines.slice(fragment.endLine)].join("\n"));
    await sidecar.watched(path, 2);
    const character = 8;
    let typed = 0;
    const next = async () => {
      await sidecar.insert(uri, { line, character: character + typed }, typed % 2 === 0 ? "z" : "q");
      typed += 1;
      await sidecar.request(uri, { line, character: character + typed });
      return sidecar.trace();
    };
    trace = await next();
    for (
      const deadline = performance.now() + 240_000;
      trace !== null &&
      !/index changed/.test(`${trace.fetched} ${trace.reused?.reason}`) &&
      performance.now() < deadline;
    )
      trace = await next();
    expect(`${trace?.fetched} ${trace?.reused?.reason}`).toMatch(/index changed/);
    expect(
      trace?.fragments.filter(
        ({ path: each, startLine, endLine }) =>
          each === fragment.path && startLine === fragment.startLine && endLine === fragment.endLine,
      ),
    ).toEqual([]);
    await writeFile(path, before);
    await sidecar.watched(path, 2);
  });
});

describe("cancellation", () => {
  it("ends the request with LSP's error code, and the next request works", async () => {
    /** Cancels a moment after the request. @returns the error's code; undefined when the answer was faster */
    const cancelled = async (): Promise<number | undefined> => {
      const uri = fresh();
      await sidecar.open(uri, continuing.replace("|", ""));
      const source = new CancellationTokenSource();
      const code = sidecar.request(uri, cursorOf(continuing), source.token).then(
        () => undefined,
        (error: { code: number }) => error.code,
      );
      await new Promise((wake) => setTimeout(wake, 5));
      source.cancel();
      return code;
    };
    await expect.poll(cancelled).toBe(-32800);
    const { trace } = await sidecar.complete(fresh(), continuing);
    expect(trace.stopReason).not.toBe("cancelled");
  });

  it("ends the request even when both arrive in one write", async () => {
    const uri = fresh();
    await sidecar.open(uri, continuing.replace("|", ""));
    const before = (await sidecar.trace())?.id;
    let output = "";
    sidecar.process.stdout?.on("data", (bytes) => {
      output += String(bytes);
    });
    const framed = (message: object): string => {
      const body = JSON.stringify({ jsonrpc: "2.0", ...message });
      return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    };
    const id = "cancelled at once";
    const params = { textDocument: { uri }, position: cursorOf(continuing), context: { triggerKind: 1 } };
    sidecar.write(
      framed({ id, method: "textDocument/inlineCompletion", params }) +
        framed({ method: "$/cancelRequest", params: { id } }),
    );
    await sidecar.until("the answer", () => output.includes(id));
    expect(output).toMatch(/"id":"cancelled at once","error":\{"code":-32800/);
    expect((await sidecar.trace())?.id).toBe(before);
  });

  it("of older requests by newer ones leaves only the last of ten at once", async () => {
    const before = (await sidecar.trace())?.id ?? 0;
    const uri = fresh();
    const text = "def add(a, b):\n    return a + b\n";
    await sidecar.open(uri, text);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, character) => sidecar.request(uri, { line: 1, character: character + 4 })),
    );
    for (const early of answers.slice(0, -1)) expect(early.items).toEqual([]);
    const trace = await sidecar.trace();
    expect(trace?.position).toEqual({ line: 1, character: 13 });
    expect(trace?.id).toBeLessThanOrEqual(before + 10);
  });
});

describe("settings", () => {
  it("enable switches suggestions off and on again", async () => {
    await sidecar.configure({ enable: false });
    await sidecar.reaches("off");
    const last = (await sidecar.trace())?.id;
    const uri = fresh();
    await sidecar.open(uri, continuing.replace("|", ""));
    expect(await sidecar.request(uri, cursorOf(continuing))).toEqual({ items: [] });
    expect((await sidecar.trace())?.id).toBe(last);
    await sidecar.configure({ enable: true });
    await sidecar.reaches("ready");
    await sidecar.request(uri, cursorOf(continuing));
    expect((await sidecar.trace())?.uri).toBe(uri);
  });

  it("retrieval, disabledLanguages and maxTokens apply from the next request on", async () => {
    await sidecar.configure({ retrieval: false, maxTokens: 3 });
    const { trace } = await sidecar.complete(fresh(), continuing);
    expect(trace.fragments).toEqual([]);
    expect(trace.nothingRetrieved).toMatch(/retrieval/);
    expect(trace.generatedTokens).toBeLessThanOrEqual(3);
    await sidecar.configure({ retrieval: true, maxTokens: 48, disabledLanguages: ["python"] });
    const uri = fresh();
    await sidecar.open(uri, continuing.replace("|", ""));
    expect(await sidecar.request(uri, cursorOf(continuing))).toEqual({ items: [] });
    expect((await sidecar.trace())?.uri).not.toBe(uri);
    await sidecar.configure({ disabledLanguages: [] });
  });
});

describe("without a workspace", () => {
  it.each([
    ["no folder open", false],
    ["an empty folder", true],
  ])("%s: suggests from the file alone", async (_, withFolder) => {
    const alone = await start({ folders: withFolder ? [await temporaryFolder()] : [] });
    const ready = await alone.reaches("ready");
    expect(ready.message).toMatch(withFolder ? /Nothing is indexed/ : /No folder is open/);
    const { trace } = await alone.complete("untitled:Untitled-1", "def add(a, b):\n    return |\n");
    expect(trace.fragments).toEqual([]);
    expect(trace.nothingRetrieved).toMatch(withFolder ? /holds no fragment/ : /no workspace folder/);
    expect(trace.generatedTokens).toBeGreaterThan(0);
    expect(await alone.reindex()).toMatchObject({ files: 0, fragments: 0 });
    expect(await alone.close()).toBe(0);
  });
});
