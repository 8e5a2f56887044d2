// Figures, their intervals, stored results, and the comparison with another run.
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compare } from "../../eval/compare";
import { ResultFile } from "../../eval/results";
import { countUnits, interval, summarise, type Unit, unitFor } from "../../eval/summary";
import { result } from "./result";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "selfracg-eval-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("figures", () => {
  it("are means, and those of retrieval cover only the tasks that need a fragment", () => {
    const found = summarise(
      [
        result("1", { em: 1, rank: 0 }),
        result("2", { rank: 3 }),
        result("3", { es: 80, idF1: 1 }),
        result("4", { needs: false, rank: null }),
      ],
      "repository",
    );
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

  it("are null when nothing was measured", () => {
    expect(summarise([result("1", { needs: false })], "file").mrr10).toEqual({ value: null, low: null, high: null });
  });

  it("have intervals that resample repositories or files, not tasks", () => {
    const of = (units: number, unit: Unit) =>
      Array.from({ length: 200 }, (_, n) => result(`${n}`, { em: (n % units) % 2, [unit]: `u${n % units}` }));
    const width = (units: number, unit: Unit) => {
      const { value, low, high } = interval(of(units, unit), unit, ({ em }) => em);
      expect(value).toBeCloseTo(0.5);
      return (high ?? 0) - (low ?? 0);
    };
    for (const unit of ["repository", "file"] as const) {
      // The standard error of the mean of n coin tosses is 0.5 / sqrt(n); the interval is 1.96 times that on each side.
      expect(width(100, unit)).toBeGreaterThan(0.15);
      expect(width(100, unit)).toBeLessThan(0.25);
      expect(width(16, unit)).toBeGreaterThan(0.4);
      expect(width(16, unit)).toBeLessThan(0.6);
    }
    const again = () => interval(of(100, "file"), "file", ({ em }) => em);
    expect(again()).toEqual(again());
  });

  it("distinguish files of two repositories", () => {
    const results = ["r", "s"].map((repository) => result(repository, { repository }));
    expect(countUnits(results, "file")).toBe(2);
  });

  it("resample files in a language with few repositories, else repositories", () => {
    const of = (language: string, repositories: number) =>
      Array.from({ length: repositories }, (_, n) => result(`${language}${n}`, { language, repository: `r${n}` }));
    expect(unitFor([...of("python", 10), ...of("java", 10)])).toBe("repository");
    expect(unitFor([...of("python", 30), ...of("java", 9)])).toBe("file");
  });
});

describe("results on disk", () => {
  it("are read for the same task only, and survive a truncated line", async () => {
    const path = join(folder, "results", "a.jsonl");
    const first = new ResultFile(path);
    first.add(result("1"));
    await appendFile(path, JSON.stringify(result("2")).slice(0, 30));
    const second = new ResultFile(path);
    expect(second.resultOf(result("1"))?.prediction).toBe("p");
    expect(second.resultOf({ ...result("1"), offset: 4 })).toBeUndefined();
    expect(second.resultOf(result("2"))).toBeUndefined();
    second.add(result("2", { prediction: "again" }));
    expect(new ResultFile(path).resultOf(result("2"))?.prediction).toBe("again");
  });
});

describe("the comparison", () => {
  /** Writes the file of another run with these results. */
  const run = async (rows: unknown[]): Promise<string> => {
    const path = join(folder, "run.json");
    await writeFile(path, JSON.stringify({ results: rows }));
    return path;
  };

  it("covers the tasks that both runs have done", async () => {
    const path = await run([
      { id: "1", prediction: "p", em: 1, es: 70 },
      { id: "2", prediction: "other", em: 0, es: 40 },
      { id: "9", prediction: "q", em: 0, es: 0 },
    ]);
    expect(compare([result("1"), result("2"), result("3")], path, "file")).toEqual({
      python: expect.objectContaining({ tasks: 2, identical: 1, here: { em: 0, es: 50 }, there: { em: 0.5, es: 55 } }),
    });
  });

  it("has paired differences with a narrower interval than either run", async () => {
    const here = Array.from({ length: 100 }, (_, n) =>
      result(`${n}`, { language: n < 50 ? "java" : "python", file: `${n}`, es: n, em: n % 2 }),
    );
    const rows = here.map(({ id, es }, n) => ({ id, prediction: "p", em: n % 4 === 1 ? 1 : 0, es: es - 5 }));
    const compared = compare(here, await run(rows), "file");
    expect(Object.keys(compared)).toEqual(["java", "python", "all"]);
    expect(compared.all?.difference.es).toEqual({ value: 5, low: 5, high: 5 });
    const em = compared.all?.difference.em;
    expect(em?.value).toBeCloseTo(0.25);
    // 1.96 standard errors of a share of 0.25 among 100.
    expect(em?.low).toBeGreaterThan(0.13);
    expect(em?.low).toBeLessThan(0.2);
    expect(em?.high).toBeGreaterThan(0.3);
    expect(em?.high).toBeLessThan(0.37);
  });

  it("is refused when the file has no results of these tasks", async () => {
    const refused = (file: string) => expect(() => compare([result("1")], file, "file"));
    refused(await run([{ id: "9", prediction: "q", em: 0, es: 0 }])).toThrow(
      /expected results of these tasks, found 1/,
    );
    refused(await run([{ id: "1" }])).toThrow(/expected what --json writes/);
    refused(join(folder, "none")).toThrow(/found no such file/);
    await writeFile(join(folder, "wrong.json"), "[");
    refused(join(folder, "wrong.json")).toThrow(/expected what --json writes/);
  });
});
