// The parts of the typing benchmark: edits of a git history, a person's rhythm and choices, and ghost text.
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { editOf, History, hunkOf } from "../../bench/history";
import { percentile } from "../../bench/statistics";
import { Display } from "../../bench/typing/display";
import { report, summary } from "../../bench/typing/main";
import { choose } from "../../bench/typing/person";
import { noCounts, type Replayed } from "../../bench/typing/replay";
import { createRhythm, keysOf, medianMs } from "../../bench/typing/rhythm";

describe("an edit", () => {
  const before = "def add(a, b):\n    return a\n\nadd(1, 2)\n";

  it("of new lines is typed from the end of the line above", () => {
    const change = hunkOf("@@ -2,0 +3,2 @@ def add(a, b):\n+\n+    # never comes here\n");
    expect(change).toEqual({ line: 2, removed: [], added: ["", "    # never comes here"] });
    if (change === undefined) return;
    expect(editOf(before, change)).toEqual({
      prefix: "def add(a, b):\n    return a",
      text: "\n\n    # never comes here",
      suffix: "\n\nadd(1, 2)\n",
    });
  });

  it("of one line is typed from the start of the first word that differs", () => {
    const edit = editOf(before, { line: 4, removed: ["add(1, 2)"], added: ["add(first_number, second_number)"] });
    expect(edit).toEqual({
      prefix: "def add(a, b):\n    return a\n\nadd(",
      text: "first_number, second_number",
      suffix: ")\n",
    });
    const renamed = editOf("x = some_long_name\n", {
      line: 1,
      removed: ["x = some_long_name"],
      added: ["x = some_longer_name_indeed"],
    });
    expect(renamed).toEqual({ prefix: "x = ", text: "some_longer_name_indeed", suffix: "\n" });
  });

  it("is skipped when short, long, at the start of a file or a change of several lines", () => {
    expect(editOf(before, { line: 2, removed: [], added: ["    x"] })).toBeUndefined();
    expect(
      editOf(before, { line: 2, removed: [], added: Array.from({ length: 100 }, (_, at) => `value_${at} = ${at}`) }),
    ).toBeUndefined();
    expect(editOf(before, { line: 0, removed: [], added: ["import something_long"] })).toBeUndefined();
    expect(
      editOf(before, { line: 2, removed: ["    return a", ""], added: ["    return a + b + some_more"] }),
    ).toBeUndefined();
    expect(hunkOf("@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n")).toBeUndefined();
    expect(hunkOf("index 83db48f..bf269f4")).toBeUndefined();
  });
});

describe("a history", () => {
  let folder: string;
  let repository: string;
  const git = (...args: string[]) =>
    execFileSync(
      "git",
      ["-C", repository, "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false", ...args],
      { encoding: "utf8" },
    );
  const commit = async (files: Record<string, string>) => {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(repository, path, ".."), { recursive: true });
      await writeFile(join(repository, path), text);
    }
    git("add", "-A");
    git("commit", "-qm", "change");
    return git("rev-parse", "HEAD").trim();
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "selfracg-test-"));
    repository = join(folder, "repository");
    await mkdir(repository);
    git("init", "-q", ".");
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("gives edits of source files with the old file, oldest first, the same for the same seed", async () => {
    const lines = Array.from({ length: 6 }, (_, at) => `value_${at} = ${at}`);
    const first = await commit({ "src/a.py": `${lines.join("\n")}\n`, "notes.md": "notes\n", "gone.py": "x = 1\n" });
    git("rm", "-q", "gone.py");
    const second = await commit({
      "src/a.py": `${[...lines.slice(0, 3), "between = value_2 + 1", ...lines.slice(3)].join("\n")}\n`,
      "notes.md": "other notes, much longer\n",
    });
    const third = await commit({ "src/ü.py": "new = 'file'\n", "src/a.py": `${lines.join("\n")}\n` });
    const fourth = await commit({ "src/a.py": `${[...lines, "behind_all = value_5 * 2"].join("\n")}\n` });
    const history = new History(repository);
    const edits = await history.edits(10);
    expect(edits).toEqual([
      {
        commit: second,
        parent: first,
        path: "src/a.py",
        prefix: lines.slice(0, 3).join("\n"),
        text: "\nbetween = value_2 + 1",
        suffix: `\n${lines.slice(3).join("\n")}\n`,
      },
      {
        commit: fourth,
        parent: third,
        path: "src/a.py",
        prefix: lines.join("\n"),
        text: "\nbehind_all = value_5 * 2",
        suffix: "\n",
      },
    ]);
    expect((await history.edits(10, { head: third })).map((edit) => edit.commit)).toEqual([second]);
    const one = await history.edits(1, { seed: 3 });
    expect(one).toHaveLength(1);
    expect(await history.edits(1, { seed: 3 })).toEqual(one);

    const tree = join(folder, "tree");
    await history.checkOut(first, tree);
    expect((await readdir(tree)).sort()).toEqual([".git", "gone.py", "notes.md", "src"]);
    await history.checkOut(third, tree);
    expect((await readdir(tree)).sort()).toEqual([".git", "notes.md", "src"]);
    expect(await readFile(join(tree, "src", "ü.py"), "utf8")).toBe("new = 'file'\n");
    expect((await history.changed(first, third)).sort()).toEqual(["gone.py", "notes.md", "src/ü.py"]);
    // The repository is only read.
    expect(git("status", "--porcelain").trim()).toBe("");
  });

  it("that is shallow, has no edit or is not a git repository is an error with advice", async () => {
    await commit({ "a.py": "x = 1\n" });
    await expect(new History(repository).edits(5)).rejects.toThrow(
      /expected a git history with edits in .*, found 1 commit without a parent; name another with --history/,
    );
    await commit({ "notes.md": "only notes\n" });
    await expect(new History(repository).edits(5)).rejects.toThrow(
      /expected edits of source files in .*, found none in 1 commits/,
    );
    const shallow = join(folder, "shallow");
    execFileSync("git", ["clone", "-q", "--depth", "1", `file://${repository}`, shallow]);
    await expect(new History(shallow).edits(5)).rejects.toThrow(/shallow clone: run "git fetch --unshallow"/);
    await expect(new History(folder).edits(5)).rejects.toThrow(/expected git log to run in/);
  });
});

describe("a person", () => {
  it("presses one key for a line break with its indentation", () => {
    expect(keysOf("a\n    b\r\n\tc😀")).toEqual(["a", "\n    ", "b", "\r\n\t", "c", "😀"]);
  });

  it("has the same rhythm for the same seed, and is slower at the start of words and lines", () => {
    const times = (seed: number, before: string, key: string) => {
      const interval = createRhythm(seed, 1);
      return Array.from({ length: 2000 }, () => interval(before, key));
    };
    expect(times(5, "a", "b")).toEqual(times(5, "a", "b"));
    expect(times(5, "a", "b")).not.toEqual(times(6, "a", "b"));
    for (const [before, key, median] of [
      ["a", "b", medianMs.inWord],
      [" ", "b", medianMs.wordStart],
      ["a", "(", medianMs.mark],
      ["\n    ", "b", medianMs.lineStart],
    ] as const) {
      expect(percentile(times(1, before, key), 0.5) / median).toBeCloseTo(1, 1);
      expect(Math.min(...times(1, before, key))).toBeGreaterThan(0);
    }
    expect(createRhythm(1, 2)("a", "b")).toBeCloseTo(createRhythm(1, 1)("a", "b") / 2);
  });

  it.each([
    ["total(prices)", "total(prices)\n    more", { how: "whole", text: "total(prices)", presses: 1 }],
    ["a\n    b(c)", "a\n    b(c)\n", { how: "whole", text: "a\n    b(c)", presses: 1 }],
    ["total(prices)\nreturn 1", "total(prices)\nraise x", { how: "line", text: "total(prices)", presses: 1 }],
    ["\n    total()\n    return 1", "\n    total()\n    raise x", { how: "line", text: "\n    total()", presses: 1 }],
    ["total(costs)", "total(prices)", { how: "words", text: "total(", presses: 2 }],
    ["get", "getName()", undefined],
    ["price.get", "price.getName()", { how: "words", text: "price.", presses: 2 }],
    ["x", "x", undefined],
    ["other", "total", undefined],
    [")", ")", undefined],
  ])("offered %j before %j takes %j", (suggestion, truth, taken) => {
    expect(choose(suggestion, truth)).toEqual(taken);
  });
});

describe("ghost text", () => {
  it("gets shorter when its text is typed, and does not change for the same answer", () => {
    const display = new Display(250);
    expect(display.answer("total()", 0)).toBe(true);
    display.key("t", 100);
    expect(display.shown).toEqual({ text: "otal()", since: 0 });
    expect(display.answer("otal()", 150)).toBe(false);
    expect(display.answer("otal()\n", 160)).toBe(false);
    expect(display.shown).toEqual({ text: "otal()\n", since: 0 });
    expect([display.shownCount, display.changedCount, display.flashedCount]).toEqual([1, 0, 0]);
  });

  it("flickers when an answer changes or removes it", () => {
    const display = new Display(250);
    display.answer("total()", 0);
    display.key("t", 100);
    expect(display.answer("ype", 150)).toBe(true);
    display.answer("", 200);
    expect(display.shown).toBeUndefined();
    expect([display.shownCount, display.changedCount]).toEqual([2, 2]);
  });

  it("flashes when another text is typed before it could be noticed", () => {
    const display = new Display(250);
    display.answer("total()", 0);
    display.key("x", 249);
    display.answer("total()", 300);
    display.key("x", 550);
    display.answer("y", 600);
    display.key("y", 610);
    expect([display.shownCount, display.flashedCount, display.typedCount, display.changedCount]).toEqual([3, 1, 1, 0]);
  });

  it("keeps the rest after a part of it was accepted", () => {
    const display = new Display(250);
    display.answer("total(prices)", 0);
    display.take("total");
    expect(display.shown?.text).toBe("(prices)");
    display.take("(prices)");
    expect(display.shown).toBeUndefined();
  });
});

it("the summary adds up the edits", () => {
  const one: Replayed = {
    counts: {
      ...noCounts(),
      keys: 20,
      pressed: 12,
      characters: 22,
      taken: 11,
      requests: 10,
      cancelled: 4,
      answered: 6,
      cached: 2,
      withText: 3,
      unsure: 1,
      whole: 1,
    },
    withheld: { "empty: is empty": 2 },
    shown: [
      { fromKeyMs: 100, fromRequestMs: 50, cached: false, followUp: false },
      { fromKeyMs: 60, fromRequestMs: 10, cached: true, followUp: true },
    ],
  };
  const all = summary([one, one]);
  expect(all).toMatchObject({
    keys: 40,
    pressed: 24,
    taken: 22,
    whole: 2,
    withheld: { "empty: is empty": 4 },
    fromKeyMs: { count: 4, p50: 60, p95: 100 },
    madeFromRequestMs: { count: 2, p50: 50 },
    followUpFromKeyMs: { count: 2 },
  });
  const text = report([one, one]);
  expect(text).toMatch(/^characters saved +22 of 44 +50\.0 %$/m);
  expect(text).toMatch(/^keys saved.* +16 of 40 +40\.0 %$/m);
  expect(report([])).toContain("0 of 0");
});
