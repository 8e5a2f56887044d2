// The typing benchmark: the real process on a git history made of the fixture workspace.
import { execFileSync, spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { cleanUp, copyOfFixture, dist, endAtCleanUp, modelPath, temporaryFolder } from "./client";

afterAll(cleanUp);

function bench(args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [join(dist, "bench.js"), "typing", ...args, "--model", modelPath], {
      stdio: ["ignore", "pipe", "pipe"],
    });
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

it("the typing benchmark types the edits of two commits and counts the results", async () => {
  const folder = await copyOfFixture();
  const git = (...args: string[]) =>
    execFileSync("git", [
      "-C",
      folder,
      "-c",
      "user.name=a",
      "-c",
      "user.email=a@example.com",
      "-c",
      "commit.gpgsign=false",
      ...args,
    ]);
  const commit = () => {
    git("add", "-A");
    git("commit", "-qm", "change");
  };
  git("init", "-q", ".");
  commit();
  const add = async (path: string, text: string) => {
    const file = join(folder, path);
    await writeFile(file, `${await readFile(file, "utf8")}${text}`);
    commit();
  };
  await add(
    "shop/reports.py",
    "\n\ndef titles_of(catalog: Catalog, isbns: list[str]) -> list[str]:\n    return [catalog.find_by_isbn(isbn).title for isbn in isbns]\n",
  );
  await add(
    "shop/customers.py",
    "\n\ndef fill(catalog: Catalog, books: list[Book]) -> None:\n    for book in books:\n        catalog.add_book(book)\n",
  );

  const json = join(await temporaryFolder(), "typing.json");
  const { code, stdout, stderr } = await bench([
    "--history",
    folder,
    "--edits",
    "2",
    "--keys",
    "60",
    "--speed",
    "2",
    "--json",
    json,
  ]);
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/^2 edits of 2 commits, \S+ \S+ on cpu, \d+ fragments indexed/);
  expect(stdout).toMatch(/^requests +\d+ /m);
  const { total, replayed, speed } = JSON.parse(await readFile(json, "utf8"));
  expect(speed).toBe(2);
  expect(replayed.map(({ path }: { path: string }) => path)).toEqual(["shop/reports.py", "shop/customers.py"]);
  expect(total.keys).toBeGreaterThanOrEqual(120);
  expect(total.pressed).toBeLessThanOrEqual(total.keys);
  expect(total.taken).toBeLessThan(total.characters);
  expect(total.requests).toBe(total.cancelled + total.answered);
  expect(total.requests).toBeGreaterThan(20);
  expect(total.shown).toBeLessThanOrEqual(total.withText);
}, 120_000);

it("the typing benchmark reports an invalid option or history", async () => {
  const nothing = await temporaryFolder();
  expect(await bench(["--history", nothing])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/expected git log to run in /),
  });
  expect(await bench(["--speed", "0"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/--speed: expected a number above 0/),
  });
  expect(await bench(["--setting", "maxTokens"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/expected NAME=JSON/),
  });
  expect(await bench(["--help"])).toMatchObject({ code: 0, stdout: expect.stringContaining("--history REPO") });
});
