// The inspector's requests to the real process: prompt, comparison, search, and completions no longer remembered.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RequestParam, RequestType } from "vscode-languageserver/node";
import { type CompletionTrace, messages } from "../../sidecar/protocol";
import { cleanUp, copyOfFixture, cursorOf, type Sidecar, start, uriOf } from "./client";

let folder: string;
let sidecar: Sidecar;

beforeAll(async () => {
  folder = await copyOfFixture();
  sidecar = await start({ folders: [folder] });
  await sidecar.reaches("ready");
});
afterAll(cleanUp);

const fresh = () => uriOf(join(folder, "shop", `${Math.random().toString(36).slice(2)}.py`));

/** A cursor whose continuation is defined in another file. */
const places = [
  "from shop.catalog import Book, Catalog\n\n\ndef add_books(catalog: Catalog, books: list[Book]) -> None:\n    for book in books:\n        catalog.|\n",
  "from shop.catalog import Catalog\n\n\ndef titles_of(catalog: Catalog, author: str) -> list[str]:\n    books = catalog.|\n",
  "from shop.money import Money\n\n\ndef total_price(prices: list[Money]) -> Money:\n    total = Money(0)\n    for price in prices:\n        total = total.|\n",
];

/** A completion with a fragment in its prompt. */
async function withFragments(): Promise<{ trace: CompletionTrace; text: string; uri: string }> {
  for (const text of places) {
    const uri = fresh();
    const { trace } = await sidecar.complete(uri, text);
    if (trace.fragments.length > 0) return { trace, text, uri };
  }
  throw new Error("Expected a fragment in the prompt at one of three places, found none.");
}

/** Fails when the completion is no longer remembered. */
async function ask<Params, Result>(
  type: RequestType<Params, Result | null, void>,
  params: RequestParam<Params>,
): Promise<Result> {
  const answer = await sidecar.connection.sendRequest(type, params);
  if (answer === null) throw new Error(`${type.method}: expected an answer, found none.`);
  return answer;
}

describe("selfracg/traces", () => {
  it("lists the completions, newest first", async () => {
    const { trace } = await withFragments();
    const [first, ...others] = await sidecar.connection.sendRequest(messages.traces);
    expect(first).toEqual(trace);
    for (const other of others) expect(other.id).toBeLessThan(trace.id);
  });
});

describe("selfracg/prompt", () => {
  it("returns the completion's prompt with its fragments and code, whose tokens add up", async () => {
    const { trace, text } = await withFragments();
    await sidecar.complete(fresh(), "x = |\n");
    const { pieces, contextLength } = await ask(messages.prompt, { id: trace.id });
    expect(contextLength).toBeGreaterThanOrEqual(trace.promptTokens);
    expect(pieces.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(trace.promptTokens);
    for (const [at, { path, tokens }] of trace.fragments.entries()) {
      const own = pieces.filter(({ fragment }) => fragment === at);
      expect(own.reduce((sum, piece) => sum + piece.tokens, 0)).toBe(tokens);
      expect(own.find(({ kind }) => kind === "path")?.text).toBe(path);
      expect(own.find(({ kind }) => kind === "fragment")?.text.trim()).not.toBe("");
    }
    const code = pieces.find(({ kind, fragment }) => kind === "prefix" && fragment === undefined)?.text ?? "";
    expect(code).toContain(text.slice(0, 60));
    expect(text.startsWith(code)).toBe(true);
  });
});

describe("selfracg/compare", () => {
  it("completes at the same cursor without fragments, and does not affect later completions", async () => {
    const { trace, text, uri } = await withFragments();
    const { withFragments: with_, withoutFragments, gained } = await ask(messages.compare, { id: trace.id });
    expect(with_.suggestion).toBe(trace.suggestion);
    expect(with_.suppressed).toBe(trace.suppressed);
    expect(withoutFragments.suggestion === "").toBe(withoutFragments.suppressed !== undefined);
    expect(Number.isFinite(gained)).toBe(true);
    // The comparison is not a completion of the editor, so it is neither listed nor numbered.
    expect((await sidecar.trace())?.id).toBe(trace.id);
    const { line, character } = cursorOf(text);
    await sidecar.insert(uri, { line, character }, "q");
    await sidecar.request(uri, { line, character: character + 1 });
    const next = await sidecar.trace();
    expect(next?.id).toBe(trace.id + 1);
    expect(next?.fetched ?? "").not.toContain("first completion");
  });

  it("is cancelled by typing", async () => {
    const { trace, text, uri } = await withFragments();
    const comparing = ask(messages.compare, { id: trace.id }).then(
      () => "done before",
      (error: { code: number; message: string }) => `${error.code} ${error.message}`,
    );
    await sidecar.insert(uri, cursorOf(text), "q");
    expect(["-32802 Typing goes first. Ask again.", "done before"]).toContain(await comparing);
    expect(await ask(messages.compare, { id: trace.id })).toMatchObject({
      withFragments: { suggestion: trace.suggestion },
    });
  });
});

describe("selfracg/need", () => {
  it("returns the weights of the tokens before the cursor, in every layer", async () => {
    const { trace } = await withFragments();
    const { tokens, layers } = await ask(messages.need, {
      id: trace.id,
    });
    expect(layers.length).toBeGreaterThan(1);
    for (const layer of layers) {
      expect(layer).toHaveLength(tokens.length);
      expect(layer.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 2);
    }
  });
});

describe("selfracg/search", () => {
  it("returns the code that a piece of code needs, best first", async () => {
    const { fragments, nullScore } = await ask(messages.search, {
      text: "from shop.catalog import Catalog\n\ndef find(catalog: Catalog, isbn: str):\n    return catalog.",
      uri: fresh(),
      limit: 8,
    });
    expect(fragments).toHaveLength(8);
    const ranks = fragments.map(({ score, boost }) => score + (boost?.by ?? 0));
    expect(ranks).toEqual([...ranks].sort((a, b) => b - a));
    expect(
      fragments.filter(({ boost }) => boost !== undefined).map(({ path, boost }) => [path, boost?.reason]),
    ).toContainEqual(["shop/catalog.py", "imported here"]);
    expect(fragments.slice(0, 4).map(({ path }) => path)).toContain("shop/catalog.py");
    expect(Math.abs(nullScore)).toBeLessThan(1);
    for (const { startLine, endLine, tokens, uri } of fragments) {
      expect(endLine).toBeGreaterThanOrEqual(startLine);
      expect(tokens).toBeGreaterThan(0);
      expect(uri).toMatch(/^file:/);
    }
  });

  it("accepts any text, even an empty one", async () => {
    for (const text of ["", "\u0000\ud83d", "x".repeat(100_000)])
      expect((await ask(messages.search, { text })).fragments.length).toBeGreaterThan(0);
  });
});

describe("a completion that is no longer remembered", () => {
  it("is null in all requests for its details and its trace", async () => {
    for (const { method } of [messages.prompt, messages.need, messages.compare, messages.trace])
      expect(await sidecar.connection.sendRequest(method, { id: 999_999 })).toBeNull();
  });

  it("is any before the last twenty", async () => {
    const { trace } = await withFragments();
    for (let n = 0; n < 20; n++) await sidecar.complete(fresh(), `x = ${n} + |\n`);
    expect(await sidecar.connection.sendRequest(messages.prompt, { id: trace.id })).toBeNull();
    expect(await sidecar.connection.sendRequest(messages.prompt, { id: trace.id + 1 })).not.toBeNull();
  });
});
