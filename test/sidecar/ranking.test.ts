// Boosted, pinned and banned fragments by LSP: settings apply from the next request on.
import { readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { cleanUp, copyOfFixture, cursorOf, type Sidecar, start, uriOf } from "./client";

let folder: string;
let sidecar: Sidecar;

beforeAll(async () => {
  folder = await copyOfFixture();
  sidecar = await start({ folders: [folder] });
  await sidecar.reaches("ready");
});
beforeEach(() => sidecar.configure({ pinnedFiles: [], bannedFiles: [] }));
afterAll(cleanUp);

const text = `from shop.money import Money

def total_price(prices: list[Money]) -> Money:
    total = Money(0, "EUR")
    for price in prices:
        |
`;
const fresh = () => uriOf(join(folder, "shop", `probe_${Math.random().toString(36).slice(2)}.py`));

it("fragments of banned files are dropped from the next request on, and the trace names the pattern", async () => {
  const uri = fresh();
  const before = (await sidecar.complete(uri, text)).trace;
  expect(before.nullScore).toBeTypeOf("number");
  const path = before.fragments[0]?.path ?? "";
  expect(path).not.toBe("");
  await sidecar.configure({ bannedFiles: [`/${path}`] });
  await sidecar.request(uri, cursorOf(text));
  const after = await sidecar.trace();
  expect(after?.fetched).toBe("the settings changed");
  expect(after?.fragments.map((fragment) => fragment.path)).not.toContain(path);
  expect(after?.dropped.find((fragment) => fragment.path === path)?.reason).toBe(
    `banned by selfracg.bannedFiles: /${path}`,
  );
});

it("needed fragments of pinned files come first from the next request on", async () => {
  const uri = fresh();
  const before = (await sidecar.complete(uri, text)).trace;
  const needed = [...before.fragments, ...before.dropped].filter(({ score }) => score >= (before.nullScore ?? 1));
  const last = needed.at(-1)?.path ?? "";
  await sidecar.configure({ pinnedFiles: [last] });
  await sidecar.request(uri, cursorOf(text));
  const after = await sidecar.trace();
  expect(after?.fetched).toBe("the settings changed");
  const all = [...(after?.fragments ?? []), ...(after?.dropped ?? [])];
  const pinned = all.filter(({ path }) => path === last);
  expect(pinned.length).toBeGreaterThan(0);
  for (const { boost } of pinned) expect(boost).toEqual({ by: 2, reason: `pinned by selfracg.pinnedFiles: ${last}` });
  for (const { path, boost } of all) if (path !== last) expect(boost?.by ?? 0).toBeLessThan(1);
  expect(after?.fragments.map(({ path }) => path)).toContain(last);
});

it("a pattern with ./ and a folder's name matches one of several folders", async () => {
  const other = await copyOfFixture();
  const library = join(dirname(other), "library");
  await rename(other, library);
  const both = await start({ folders: [folder, library] });
  await both.reaches("ready");
  const uri = fresh();
  const { trace } = await both.complete(uri, text);
  const path = trace.fragments[0]?.path ?? "";
  await both.configure({ bannedFiles: [`./library/${path}`] });
  await both.request(uri, cursorOf(text));
  const after = await both.trace();
  const of = (root: string) =>
    [...(after?.fragments ?? []), ...(after?.dropped ?? [])].filter((each) => each.uri === uriOf(join(root, path)));
  expect(of(library).length).toBeGreaterThan(0);
  for (const each of of(library))
    expect(each).toMatchObject({ reason: `banned by selfracg.bannedFiles: ./library/${path}` });
  expect(after?.fragments.map((each) => each.uri)).toContain(uriOf(join(folder, path)));
  both.kill();
});

it("fragments of imported and recently edited files are boosted, those of opened files are not", async () => {
  const edited = join(folder, "shop", "inventory.py");
  const reasons = async (path: string) => {
    const { trace } = await sidecar.complete(fresh(), text);
    return new Set(
      [...trace.fragments, ...trace.dropped].flatMap((fragment) =>
        fragment.path === path ? [fragment.boost?.reason] : [],
      ),
    );
  };
  await sidecar.open(uriOf(edited), await readFile(edited, "utf8"));
  expect(await reasons("shop/money.py")).toEqual(new Set(["imported here"]));
  expect(await reasons("shop/inventory.py")).toEqual(new Set([undefined]));
  await sidecar.insert(uriOf(edited), { line: 0, character: 0 }, "\n");
  expect(await reasons("shop/inventory.py")).toEqual(new Set(["edited lately"]));
});

it("an edit of another file does not change the fragments reused while typing", async () => {
  const uri = fresh();
  const { trace } = await sidecar.complete(uri, text);
  const edited = uriOf(join(folder, "shop", "orders.py"));
  await sidecar.open(edited, "total = 1\n");
  await sidecar.insert(edited, { line: 1, character: 0 }, "price = 2\n");
  // A setting that empties the cache of completions without a new retrieval.
  await sidecar.configure({ maxTokens: 47 });
  await sidecar.request(uri, cursorOf(text));
  const after = await sidecar.trace();
  expect(after?.reused?.since).toBe(trace.id);
  expect(after?.fragments.map(({ path, startLine }) => [path, startLine])).toEqual(
    trace.fragments.map(({ path, startLine }) => [path, startLine]),
  );
});
