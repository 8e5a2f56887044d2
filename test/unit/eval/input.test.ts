// The input of the evaluation: tasks and repositories, plain or compressed, and the errors for other files.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError, placeOf, readRepositories, readTasks, unitsOf } from "../../eval/input";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "selfracg-eval-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const task = { id: "t1", language: "python", repository: "shop", file: "a.py", offset: 5, groundtruth: "load()" };
const written = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), text);
  return join(folder, name);
};
const lines = (rows: unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "nothing",
    (error: unknown) => (error instanceof InputError ? error.message : `another error: ${String(error)}`),
  );

describe("tasks", () => {
  it("come in the order of their files, without blank lines", async () => {
    const second = { ...task, id: "t2" };
    const first = await written("first.jsonl", `${lines([task])}\n${lines([second])}`);
    const other = await written("other.jsonl", lines([{ ...task, id: "t3" }]));
    expect((await readTasks([first, other], undefined)).map(({ id }) => id)).toEqual(["t1", "t2", "t3"]);
    expect(await refusal(readTasks([first, first], undefined))).toMatch(/expected each id once, found "t1" again/);
  });

  it("under a limit are a random sample of the file, and a larger limit extends it", async () => {
    const all = Array.from({ length: 200 }, (_, n) => ({ ...task, id: `t${n}`, repository: `r${n >> 5}` }));
    const path = await written("many.jsonl", lines(all));
    const reversed = await written("reversed.jsonl", lines([...all].reverse()));
    const few = await readTasks([path], 60);
    expect(few).toHaveLength(60);
    expect(new Set(few.map(({ repository }) => repository)).size).toBe(7);
    expect(few.map(({ id }) => Number(id.slice(1)))).toEqual(
      few.map(({ id }) => Number(id.slice(1))).sort((a, b) => a - b),
    );
    expect((await readTasks([reversed], 60)).reverse()).toEqual(few);
    expect(await readTasks([path], 80)).toEqual(expect.arrayContaining(few));
    expect(await readTasks([path], 1000)).toHaveLength(200);
  });

  it.each([
    ["no JSON", "{", /line 1: expected a task .* as JSON/],
    [
      "a field of another type",
      lines([{ ...task, offset: "5" }]),
      /line 1: expected a task .*; offset: expected number, found "5"/,
    ],
    [
      "a field that is missing",
      lines([task, { ...task, id: "t2", groundtruth: undefined }]),
      /line 2: .*groundtruth: expected/,
    ],
    ["an id twice", lines([task, task]), /line 2: expected each id once, found "t1" again/],
    ["nothing", "\n\n", /expected at least one task, found none/],
  ])("are refused for %s", async (_, text, message) => {
    expect(await refusal(readTasks([await written("bad.jsonl", text)], undefined))).toMatch(message);
  });

  it("are refused when their file is missing or not compressed as its name says", async () => {
    expect(await refusal(readTasks([join(folder, "none.jsonl")], undefined))).toMatch(
      /none\.jsonl: expected a file, found nothing/,
    );
    expect(await refusal(readTasks([await written("no.jsonl.xz", lines([task]))], undefined))).toMatch(
      /expected JSON lines compressed with xz/,
    );
  });
});

describe("repositories", () => {
  const rows = [
    { repository: "other", language: "python", files: { "a.py": "x\u2028y" } },
    { language: "python", files: { "a.py": "x = load()", "b/c.py": "def load(): pass" }, repository: "shop" },
  ];

  it("are the same from a plain file and from a compressed one", async () => {
    const path = await written("repos.jsonl", lines(rows));
    const plain = await readRepositories([path], new Set(["shop", "other"]));
    expect([...plain.keys()]).toEqual(["other", "shop"]);
    expect(plain.get("other")?.get("a.py")).toBe("x\u2028y");
    const packed = join(folder, "repos.jsonl.xz");
    // The output of xz for the line {"repository": "shop", "language": "python", "files": {"a.py": "x = load()", "größe.py": "# 😀\n"}}.
    await writeFile(
      packed,
      Buffer.from(
        "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4ABnAFtdAD2IikaUQfnwCK9qV2WR01HbPxIdsn4Ke3skbGODwMI3GHmZxfXsoDHeaOcgEEVgwag3wP0WzV8Rk3XNPuuwp/Rl+6p+OnveZjGuJvGbmMYGKhere7JgHTOo7gAAAOG7Ek49KtceAAF3aHCzkQMftvN9AQAAAAAEWVo=",
        "base64",
      ),
    );
    expect((await readRepositories([packed], new Set(["shop"]))).get("shop")).toEqual(
      new Map([
        ["a.py", "x = load()"],
        ["größe.py", "# 😀\n"],
      ]),
    );
  });

  it("are refused when one is missing or has a path outside its folder", async () => {
    expect(await refusal(readRepositories([await written("r.jsonl", lines(rows))], new Set(["shop", "gone"])))).toMatch(
      /expected the repository gone of a task, found none/,
    );
    const evil = [{ ...rows[1], files: { "../../etc/passwd": "" } }];
    expect(await refusal(readRepositories([await written("e.jsonl", lines(evil))], new Set(["shop"])))).toMatch(
      /expected relative paths/,
    );
  });
});

describe("the cursor of a task", () => {
  it("is an offset in code points", () => {
    const files = new Map([["a.py", "# 😀\n\nload()\nend"]]);
    expect(placeOf(task, files)).toMatchObject({ prefix: "# 😀\n\n", suffix: "\nend" });
    expect([unitsOf("a😀b", 0), unitsOf("a😀b", 1), unitsOf("a😀b", 2), unitsOf("a😀b", 3), unitsOf("a", 9)]).toEqual([
      0, 1, 3, 4, 1,
    ]);
  });

  it("is refused when the ground truth is not at its offset", () => {
    expect(() => placeOf(task, new Map([["a.py", "x = other()"]]))).toThrow(
      /Task t1: expected the ground truth "load\(\)" at character 5 of a\.py, found "ther\(\)"/,
    );
    expect(() => placeOf(task, new Map())).toThrow(/expected the file a\.py in shop, found none/);
  });
});
