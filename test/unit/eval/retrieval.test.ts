// Labels, windows and lexical rankings on small files, as in the benchmark's own code.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Fragment } from "../../../sidecar/workspace/fragment";
import { placeOf } from "../../eval/input";
import { codeWords, type LexicalMethod, LexicalStatistics, lexicalQuery } from "../../eval/lexical";
import { placeKey, relevantTo } from "../../eval/relevance";
import { Repository } from "../../eval/repository";
import { Ranker, type RetrieverName, rankedSource } from "../../eval/retrievers";
import { WindowChunker } from "../../eval/windows";

const fragment = (path: string, text: string, startLine = 1): Fragment => ({
  uri: `file:///w/${path}`,
  path,
  startLine,
  endLine: startLine + text.split("\n").length - 1,
  text,
});
const task = (language: string, groundtruth: string) => ({
  id: "t",
  language,
  repository: "r",
  file: "main",
  offset: 0,
  groundtruth,
});

describe("a definition of the first name that another file defines", () => {
  it.each([
    ["python", "load_all(path)", "def load_all(path):\n    pass", true],
    ["python", "load_all(path)", "    async def load_all(self): ...", true],
    ["python", "x.settings", "self.settings: dict = {}", true],
    ["python", "load_all(path)", "x = load_all(path)\nassert load_all == 1", false],
    ["python", "größe_x(1)", "größe_x = 1", false],
    ["java", "Store.open();", "public final class Store {", true],
    ["java", "open(path);", "    public static <T> List<T> open(String path) {", true],
    ["java", "open(path);", "    return open(path);", true],
    ["java", "open(path);", "x.open(path);", false],
    ["typescript", "openStore();", "export async function openStore(): void {", true],
    ["typescript", "openStore();", "  private async openStore<T>(a: T) {", true],
    ["typescript", "openStore();", "  await x.openStore();", false],
    ["typescript", "a.b", "const b = 1", false],
  ])("%s: %s in %j", (language, groundtruth, text, expected) => {
    expect(relevantTo(task(language, groundtruth), [fragment("other", text)]).size > 0).toBe(expected);
  });

  it("is searched for name by name", () => {
    const others = [
      fragment("a", "def second(): pass"),
      fragment("b", "def third(): pass"),
      fragment("c", "def second(): return 1"),
    ];
    expect(relevantTo(task("python", "first(second(third))"), others)).toEqual(new Set(["a:1-1", "c:1-1"]));
  });
});

it("windows overlap by half, and the last one ends at the end of the text", async () => {
  const text = Array.from({ length: 35 }, (_, line) => `line ${line + 1}`).join("\n");
  const chunks = await new WindowChunker().chunk("a", text);
  expect(chunks.map(({ startLine, endLine }) => [startLine, endLine])).toEqual([
    [1, 20],
    [11, 30],
    [21, 35],
  ]);
  expect(chunks[1]?.text.split("\n")[0]).toBe("line 11");
  expect(await new WindowChunker().chunk("a", "")).toEqual([{ startLine: 1, endLine: 1, text: "" }]);
});

it("code words are whole identifiers and their parts", () => {
  expect(codeWords("getHTTPCode2 = snake_case + x1")).toEqual([
    "gethttpcode2",
    "get",
    "http",
    "code",
    "2",
    "snake_case",
    "snake",
    "case",
    "x1",
    "x",
    "1",
  ]);
});

describe("rankings", () => {
  let root: string;
  let repository: Repository;
  const files = new Map([
    ["main.py", "from store import Store\n\nstore = Store(path)"],
    ["store.py", "class Store:\n    def open(self, path):\n        return path\n"],
    ["noise.py", `${"a = 1\n".repeat(25)}store = Store\n`],
  ]);
  const place = placeOf({ ...task("python", "Store(path)"), file: "main.py", offset: 33 }, files);
  const rank = (name: RetrieverName) =>
    new Ranker(name, repository)
      .rank(
        place,
        repository.fragments.filter(({ path }) => path !== "main.py"),
      )
      .map(placeKey);

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "selfracg-eval-"));
    repository = await Repository.open("r", join(root, "r"), files, new WindowChunker(), undefined);
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  it("by BM25 and by the Jaccard index equal those of the benchmark's script", () => {
    const texts = repository.fragments.map(({ text }) => text);
    const scores = (method: LexicalMethod) =>
      new LexicalStatistics(texts).scores(method, lexicalQuery(place.prefix), texts.slice(1));
    const bm25 = [1.2698219995827071, 0, 1.3541022207939488];
    for (const [at, score] of scores("bm25").entries()) expect(score).toBeCloseTo(bm25[at] ?? Number.NaN, 12);
    expect(scores("jaccard")).toEqual([1 / 9, 0, 1 / 4]);
    expect(rank("bm25")).toEqual(["noise.py:11-27", "store.py:1-4", "noise.py:1-20"]);
    expect(rank("jaccard")).toEqual(rank("bm25"));
  });

  it("with the next fragment give each successor in the file once", () => {
    expect(rank("jaccard-next")).toEqual(["noise.py:11-27", "store.py:1-4"]);
  });

  it("of the oracle put the defining fragment first", () => expect(rank("oracle")[0]).toBe("store.py:1-4"));

  it("at random are the same in every run, and those of none are empty", () => {
    expect(rank("random")).toEqual(rank("random"));
    expect(rank("random")).toHaveLength(3);
    expect(rank("none")).toEqual([]);
  });

  it("are searched in order of rank", () => {
    const found = rankedSource(repository.fragments).search(new Float32Array(2), 2);
    expect(found.map(({ fragment: { path }, score }) => [path, score])).toEqual([
      ["main.py", 1],
      ["store.py", 0.5],
    ]);
  });
});
