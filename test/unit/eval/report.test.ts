// The evaluation's report: figures by language, reasons of suppression, and differences from another run.
import { expect, it } from "vitest";
import { type Run, reportLines, reportObject } from "../../eval/report";
import { result } from "./result";

const figure = (value: number) => ({ value, low: value - 0.5, high: value + 0.5 });
const run = {
  command: { retriever: "none", fragments: "product", plain: false, imported: 0.03, compare: "/runs/other.json" },
  model: { name: "tiny", version: "1.2.3", hash: "0123456789abcdef" },
  provider: "cpu",
  results: [
    result("1", { file: "1.py", em: 1, es: 100 }),
    result("2", { file: "2.py", prediction: "", suppressed: "unsure" }),
    result("3", { file: "3.py", prediction: "", suppressed: "it repeats" }),
    result("4", { file: "4.java", prediction: "", suppressed: "unsure", language: "java", es: 20 }),
  ],
  before: 1,
  elapsedMs: 2000,
  unit: "file",
  comparison: {
    python: {
      tasks: 3,
      identical: 2,
      here: { em: 0.5, es: 60 },
      there: { em: 0.25, es: 64 },
      difference: { em: figure(0.25), es: figure(-4) },
    },
  },
} as unknown as Run;

it("the report has a row per language and one for all, sorted reasons and signed differences", () => {
  const lines = reportLines(run).split("\n");
  expect(lines[0]).toBe("tiny 1.2.3 (01234567) on cpu, none, the sidecar's fragments");
  expect(lines[1]).toBe("4 tasks in 4 files of 1 repositories; 95 % intervals over files");
  expect(
    lines.slice(4, 7).map((line) =>
      line
        .replaceAll(/\([^)]*\)/g, "")
        .trim()
        .split(/\s+/),
    ),
  ).toEqual([
    ["java", "1", "1", "0.000", "20.0", "0.500"],
    ["python", "3", "3", "0.333", "66.7", "0.500"],
    ["all", "4", "4", "0.250", "55.0", "0.500"],
  ]);
  expect(lines.slice(8, 11)).toEqual([
    "something suggested 1/4; median 1 ms a completion; 2 s for 3 tasks",
    "  2 suppressed: unsure",
    "  1 suppressed: it repeats",
  ]);
  expect(lines.at(-2)).toMatch(
    /^ {2}python {4}3 +2 +0\.500, 0\.250 +\+0\.250 \(-0\.250 to \+0\.750\) +60\.00, 64\.00 +-4\.0 \(-4\.5 to -3\.5\)$/,
  );
});

it("the JSON report has the same figures, and the result of every task", () => {
  const object = JSON.parse(JSON.stringify(reportObject(run)));
  expect(object).toMatchObject({
    tasks: 4,
    em: 0.25,
    suggested: 1,
    suppressed: { unsure: 2, "it repeats": 1 },
    intervalsOver: "file",
    languages: { java: { tasks: 1, es: 20 }, python: { tasks: 3 } },
  });
  expect(object.results.map(({ id, es }: { id: string; es: number }) => [id, es])).toEqual([
    ["1", 100],
    ["2", 50],
    ["3", 50],
    ["4", 20],
  ]);
});
