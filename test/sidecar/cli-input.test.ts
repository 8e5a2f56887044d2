// The command line with bad input, its help, and a closed standard output.
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { dist } from "./client";
import { cli, common, folder } from "./command-line";

describe("help", () => {
  it.each([["--help"], ["help"], ["-h"]])("%s lists the commands", async (argument) => {
    const { code, stdout } = await cli([argument]);
    expect(code).toBe(0);
    for (const word of [
      "complete FILE:LINE:COLUMN",
      "index DIR",
      "search FILE:LINE:COLUMN",
      "why PATH",
      "--workspace",
      "--json",
      "--model",
      "--provider",
      "--no-retrieval",
      "--storage",
      "count from 1",
    ]) {
      expect(stdout).toContain(word);
    }
  });
});

describe("bad input", () => {
  beforeAll(() => {
    writeFileSync(join(folder, "marked.py"), "\uFEFFimport os\n");
    writeFileSync(join(folder, "returns.py"), "a = 1\rb = 2\r");
    execFileSync("mkfifo", [join(folder, "pipe.py")]);
  });

  it.each<[string, () => string[], RegExp]>([
    ["no command", () => [], /Expected a command.*found none/],
    ["an unknown command", () => ["finish"], /Expected a command.*found "finish"/],
    ["an unknown option", () => ["complete", "a:1:1", "--fast"], /--fast.*--help/],
    ["an option without its value", () => ["index", folder, "--model"], /--model.*--help/],
    ["no place", () => ["complete"], /Expected "complete FILE:LINE:COLUMN", found no FILE:LINE:COLUMN/],
    ["two places", () => ["complete", "a:1:1", "b:1:1"], /Expected one FILE:LINE:COLUMN, found also "b:1:1"/],
    ["a place without a column", () => ["complete", "a.py:3"], /Expected FILE:LINE:COLUMN such as .*, found "a.py:3"/],
    [
      "a file that is not there",
      () => ["complete", "/no/such/file.py:1:1"],
      /Expected a readable file at \/no\/such\/file.py, found none/,
    ],
    [
      "a named pipe as the file",
      () => ["complete", `${join(folder, "pipe.py")}:1:1`],
      /Expected a file, found a pipe, a socket or a device: .*pipe.py/,
    ],
    ["a folder as the file", () => ["search", `${folder}:1:1`], /Expected a file, found the folder/],
    [
      "a line out of range",
      () => ["complete", `${join(folder, "shop", "money.py")}:5000:1`],
      /Expected a line from 1 to \d+ of .*money.py, found 5000/,
    ],
    ["line 0", () => ["complete", `${join(folder, "shop", "money.py")}:0:1`], /Expected a line from 1/],
    [
      "a column out of range",
      () => ["complete", `${join(folder, "shop", "money.py")}:1:999`],
      /Expected a column from 1 to \d+ in line 1 of .*, found 999/,
    ],
    [
      "a column beyond the first line of a file with a byte-order mark",
      () => ["complete", `${join(folder, "marked.py")}:1:11`],
      /Expected a column from 1 to 10 in line 1 of .*, found 11/,
    ],
    [
      "a line beyond those of a file with carriage returns alone",
      () => ["complete", `${join(folder, "returns.py")}:4:1`],
      /Expected a line from 1 to 3 of .*, found 4/,
    ],
    [
      "a workspace that is not there",
      () => ["complete", `${join(folder, "shop", "money.py")}:1:1`, "--workspace", "/no/such"],
      /Expected a folder for --workspace, found nothing at \/no\/such/,
    ],
    [
      "a file as the folder to index",
      () => ["index", join(folder, "README.md")],
      /Expected a folder for index, found a file/,
    ],
    [
      "a path to explain that is not there",
      () => ["why", join(folder, "no.py")],
      /Expected a file or folder at .*no.py, found none/,
    ],
    ["no path to explain", () => ["why"], /Expected "why PATH", found no PATH/],
    [
      "an unknown provider",
      () => ["index", folder, "--provider", "tpu"],
      /Expected --provider auto, cuda or cpu, found "tpu"/,
    ],
    [
      "a missing model",
      () => ["index", folder, "--model", "/no/such/model"],
      /\/no\/such\/model\/model.json: expected .* found none/,
    ],
  ])("such as %s gives one clear message and exit code 2", async (_, args, message) => {
    const { code, stdout, stderr } = await cli(args());
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });
});

it("a working folder that has been deleted is left, with a word about relative paths", () => {
  const script = 'mkdir -p "$0" && cd "$0" && rmdir "$0" && exec "$@"';
  const gone = join(folder, "gone");
  const run = (path: string) => {
    const command = ["-c", script, gone, process.execPath, join(dist, "cli.js"), "why", path];
    return spawnSync("/bin/sh", command, { encoding: "utf8" });
  };
  const file = join(folder, "shop", "money.py");
  const { status, stdout, stderr } = run(file);
  expect([status, stderr]).toEqual([0, "The working folder has been deleted: relative paths count from / instead.\n"]);
  expect(stdout).toMatch(/money\.py is indexed/);
  expect(run("money.py")).toMatchObject({ status: 2, stderr: expect.stringContaining("/money.py, found none") });
});

it("names in a workspace are printed without what a terminal would obey", async () => {
  const name = "a\u001b]0;title\u0007\u009b31m\u202e.py";
  writeFileSync(join(folder, name), "def f(x):\n    return x\n");
  const { code, stdout } = await cli(["why", join(folder, name), "--workspace", folder, "--json"]);
  expect(code).toBe(0);
  expect(stdout).toContain("\\u001b]0;title\\u0007\\u009b31m\\u202e.py");
  expect(stdout).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u);
  const failed = await cli(["why", join(folder, `no${name}`), "--workspace", folder]);
  expect(failed.code).toBe(2);
  expect(failed.stderr).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u);
});

describe("closed standard output", () => {
  const place = (): string => `${join(folder, "shop", "orders.py")}:27:1`;

  it("does not end the work early and is not an error", async () => {
    const args = ["complete", place(), "--no-retrieval", "--json", ...common];
    expect(await cli(args, { closed: "stdout" })).toMatchObject({ code: 0, stderr: "" });
    const { code, json } = await cli(args, { closed: "stderr" });
    expect(code).toBe(0);
    expect(json()).toMatchObject({ suggestion: expect.any(String) });
    expect(await cli(["index", folder, ...common], { closed: "stderr" })).toMatchObject({ code: 0 });
  });

  it("is an error when it is a file on a full disk", async () => {
    const { stderr, status } = spawnSync(
      "/bin/sh",
      ["-c", 'exec "$0" "$@" > /dev/full', process.execPath, join(dist, "cli.js"), "why", folder],
      { encoding: "utf8" },
    );
    expect(stderr).toMatch(/^Standard output cannot be written: ENOSPC/);
    expect(status).toBe(1);
  });
});
