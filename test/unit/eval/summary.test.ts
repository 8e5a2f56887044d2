// Figures, their intervals, what is kept on disk between two runs, and the comparison with another harness.
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compare } from "../../eval/compare";
import { type Result, ResultFile } from "../../eval/results";
import { interval, summarise } from "../../eval/summary";

const result = (id: string, part: Partial<Result> = {}): Result => ({
  id,
  language: "python",
  repository: "r",
  file: "a.py",
  offset: 3,
  groundtruth: "g",
  prediction: "p",
  statement: "p",
  em: 0,
  es: 50,
  idF1: 0.5,
  needs: true,
  rank: null,
  inPrompt: false,
  fragments: 0,
  ms: 1,
  ...part,
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "selfracg-eval-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("figures", () => {
  it("are means, of retrieval over the tasks that need something", () => {
    const found = summarise([
      result("1", { em: 1, rank: 0 }),
      result("2", { rank: 3 }),
      result("3", { es: 80, idF1: 1 }),
      result("4", { needs: false, rank: null }),
    ]);
    expect(Object.fromEntries(Object.entries(found).map(([name, { value }]) => [name, value]))).toEqual({
      em: 0.25,
      es: 57.5,
      idF1: 0.625,
      mrr10: 1.25 / 3,
      recall1: 1 / 3,
      recall5: 2 / 3,
      recall10: 2 / 3,
    });
  });

  it("say so where nothing was measured", () => {
    expect(summarise([result("1", { needs: false })]).mrr10).toEqual({ value: null, low: null, high: null });
  });

  it("vary as the repositories do, not as the tasks", () => {
    const of = (repositories: number) =>
      Array.from({ length: 200 }, (_, n) =>
        result(`${n}`, { em: (n % repositories) % 2, repository: `r${n % repositories}` }),
      );
    const width = (repositories: number) => {
      const { value, low, high } = interval(of(repositories), ({ em }) => em);
      expect(value).toBeCloseTo(0.5);
      return (high ?? 0) - (low ?? 0);
    };
    // The standard error of a mean of n coins is 0.5 / sqrt(n): 1.96 times it on each side.
    expect(width(100)).toBeGreaterThan(0.15);
    expect(width(100)).toBeLessThan(0.25);
    expect(width(16)).toBeGreaterThan(0.4);
    expect(width(16)).toBeLessThan(0.6);
    expect(interval(of(100), ({ em }) => em)).toEqual(interval(of(100), ({ em }) => em));
  });
});

describe("results on disk", () => {
  it("are those of the same task, and outlive a line that was cut off", async () => {
    const path = join(folder, "results", "a.jsonl");
    const first = new ResultFile(path);
    first.add(result("1"));
    await appendFile(path, JSON.stringify(result("2")).slice(0, 30));
    const second = new ResultFile(path);
    expect(second.get(result("1"))?.prediction).toBe("p");
    expect(second.get({ ...result("1"), offset: 4 })).toBeUndefined();
    expect(second.get(result("2"))).toBeUndefined();
    second.add(result("2", { prediction: "again" }));
    expect(new ResultFile(path).get(result("2"))?.prediction).toBe("again");
  });
});

describe("the comparison", () => {
  const predictions = async (rows: unknown[]): Promise<string> => {
    const path = join(folder, "predictions.jsonl");
    await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    return path;
  };

  it("counts what both have done", async () => {
    const path = await predictions([
      { id: "1", retriever: "bm25", prediction: "p\n", em: 1, es: 70, idF1: 1 },
      { id: "2", retriever: "bm25", prediction: "other", em: 0, es: 40, idF1: 1 },
      { id: "1", retriever: "none", prediction: "q", em: 0, es: 0, idF1: 0 },
      { id: "9", retriever: "bm25", prediction: "q", em: 0, es: 0, idF1: 0 },
    ]);
    expect(compare([result("1"), result("2"), result("3")], path, "bm25")).toEqual({
      tasks: 2,
      identical: 1,
      here: { em: 0, es: 50 },
      there: { em: 0.5, es: 55 },
    });
  });

  it("is refused without predictions of these tasks", async () => {
    const path = await predictions([{ id: "9", prediction: "q", em: 0, es: 0 }]);
    expect(() => compare([result("1")], path, "bm25")).toThrow(/expected predictions of these tasks by bm25/);
    expect(() => compare([result("1")], join(folder, "none"), "bm25")).toThrow(/found no such file/);
    await writeFile(path, "{}\n");
    expect(() => compare([result("1")], path, "bm25")).toThrow(/line 1: expected \{id, prediction, em, es\}/);
  });
});
