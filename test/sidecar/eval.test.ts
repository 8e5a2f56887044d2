// The evaluation: the real process, model and index on two tasks made of the fixture workspace.
import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSources } from "../bench/cursors";
import { cleanUp, dist, endAtCleanUp, modelPath, temporaryFolder } from "./client";

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

function run(args: string[]): Promise<Outcome> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [join(dist, "eval.js"), ...args], { stdio: ["ignore", "pipe", "pipe"] });
    endAtCleanUp(child);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (bytes) => {
      stdout += String(bytes);
    });
    child.stderr.on("data", (bytes) => {
      stderr += String(bytes);
    });
    child.once("error", failed);
    child.once("close", (code) => done({ code, stdout, stderr }));
  });
}

let folder: string;
let common: string[];

beforeAll(async () => {
  folder = await temporaryFolder();
  const sources = await readSources(resolve(import.meta.dirname, "../fixtures/workspace"));
  const files = Object.fromEntries([...sources].filter(([path]) => path.endsWith(".py")));
  const task = (id: string, file: string, groundtruth: string) => {
    const offset = (files[file] ?? "").indexOf(groundtruth);
    expect(offset, `${groundtruth} in ${file}`).toBeGreaterThan(0);
    return { id, language: "python", repository: "shop", file, offset, groundtruth };
  };
  const tasks = [task("one", "shop/orders.py", "find_by_isbn(isbn)"), task("two", "shop/reports.py", "order_total()")];
  await writeFile(join(folder, "tasks.jsonl"), tasks.map((each) => `${JSON.stringify(each)}\n`).join(""));
  await writeFile(
    join(folder, "repos.jsonl"),
    `${JSON.stringify({ repository: "shop", language: "python", files })}\n`,
  );
  common = [
    "--tasks",
    join(folder, "tasks.jsonl"),
    "--repos",
    join(folder, "repos.jsonl"),
    "--model",
    modelPath,
    "--provider",
    "cpu",
    "--work",
    join(folder, "work"),
  ];
});
afterAll(cleanUp);

describe("the evaluation", () => {
  it("prints figures with intervals, writes them as JSON, and does each task once", async () => {
    const json = join(folder, "figures.json");
    const first = await run([...common, "--json", json]);
    expect(first.stderr).toMatch(/(?:^|\n)2\/2 tasks: done\n$/);
    expect(first.code).toBe(0);
    expect(first.stdout).toMatch(/2 tasks in 2 files of 1 repositories; 95 % intervals over files/);
    expect(first.stdout).toMatch(/\n {2}language +tasks +files +exact match +edit similarity +identifier F1\n/);
    expect(first.stdout).toMatch(/\n {2}python +2 +2 +\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\) +\d+\.\d \(\d+\.\d to /);
    const figures = JSON.parse(await readFile(json, "utf8"));
    const number = expect.any(Number);
    expect(figures).toMatchObject({
      em: number,
      es: number,
      idF1: number,
      mrr10: number,
      recall1: number,
      recall5: number,
      recall10: number,
      tasks: 2,
      retriever: "selfracg",
      model: expect.stringMatching(/^\S+ \d+\.\d+\.\d+$/),
    });
    expect(Object.keys(figures.intervals)).toEqual(["em", "es", "idF1", "mrr10", "recall1", "recall5", "recall10"]);
    expect(figures.intervals.es).toEqual([number, number]);
    expect(figures.recall10).toBeGreaterThan(0);
    expect(figures.es).toBeGreaterThan(0);
    const empty = figures.tasks - figures.suggested;
    expect(Object.values<number>(figures.suppressed).reduce((sum, count) => sum + count, 0)).toBe(empty);
    expect(figures.languages.python).toMatchObject({ tasks: 2, em: figures.em, intervals: figures.intervals });
    expect(figures.results.map(({ id }: { id: string }) => id)).toEqual(["one", "two"]);

    const second = await run([...common, "--json", json]);
    expect(second.stderr).toContain("2 of 2 tasks were done in an earlier run.");
    expect(second.stderr).not.toContain("2/2");
    const { elapsedSeconds: _, ...again } = JSON.parse(await readFile(json, "utf8"));
    const { elapsedSeconds: __, ...before } = figures;
    expect(again).toEqual(before);

    const third = await run([...common, "--compare", json]);
    expect(third.stdout).toMatch(/\n {2}python +2 +2 .*0\.000 \(0\.000 to 0\.000\)/);
  });

  it("runs with other retrievers and plain decoding, and compares with another run", async () => {
    const other = join(folder, "other.json");
    await writeFile(other, JSON.stringify({ results: [{ id: "one", prediction: "nothing like it", em: 0, es: 10 }] }));
    const plain = await run([...common, "--retriever", "bm25", "--plain", "--compare", other]);
    expect(plain.code).toBe(0);
    expect(plain.stdout).toMatch(/bm25, windows of 20 lines, plain\n2 tasks/);
    expect(plain.stdout).toMatch(/\n {2}python +1 +0 +\d\.\d{3}, 0\.000 .* \d+\.\d\d, 10\.00 /);
    const none = await run([...common, "--retriever", "none", "--limit", "1"]);
    expect(none.stdout).toMatch(/none, .*\n1 tasks/);
    expect(none.stdout).not.toContain("MRR@10");
  });

  it.each([
    [["--tasks", "a"], /Expected --tasks FILE and --repos FILE, found no --repos/],
    [["--retriever", "guess", "--tasks", "a", "--repos", "b"], /--retriever: expected selfracg, .*, found "guess"/],
    [["--limit", "0", "--tasks", "a", "--repos", "b"], /--limit: expected a whole number from 1, found "0"/],
    [["--tasks", "/nowhere.jsonl", "--repos", "b"], /nowhere\.jsonl: expected a file, found nothing/],
    [["--speed", "9"], /'--speed'\. Run with --help/],
  ])("refuses %j and says what to do", async (args, message) => {
    const { code, stderr } = await run(args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
