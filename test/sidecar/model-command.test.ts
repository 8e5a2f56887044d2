// The command `model`: the real process in an installation with a tiny catalogue.
import { spawn } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TinyCatalogue, tinyCatalogue, tinyGguf } from "../unit/models/tiny-model";
import { cleanUp, copyOfFixture, dist, temporaryFolder } from "./client";

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
  /** The last line of standard output, parsed. */
  json(): any;
}

let tiny: TinyCatalogue;
let home = "";
let file = "";

/** An installation: this build's command line, beside the tiny catalogue. */
beforeAll(async () => {
  tiny = await tinyCatalogue();
  const bundles = join(tiny.root, "dist");
  await mkdir(bundles);
  await copyFile(join(dist, "cli.js"), join(bundles, "cli.js"));
  for (const name of ["inference-worker.js", "node_modules", "grammars"])
    await symlink(join(dist, name), join(bundles, name));
  await symlink(tiny.folders.packaged, join(tiny.root, "models"));
  home = await temporaryFolder();
  file = `${join(await copyOfFixture(), "shop", "orders.py")}:27:1`;
});
afterAll(async () => {
  await tiny.remove();
  await cleanUp();
});

function cli(...args: string[]): Promise<Outcome> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [join(tiny.root, "dist", "cli.js"), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, HOME: home, SELFRACG_MODELS: join(home, "models") },
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (bytes) => {
      stdout += String(bytes);
    });
    child.stderr.on("data", (bytes) => {
      stderr += String(bytes);
    });
    child.once("error", failed);
    child.once("close", (code) =>
      done({ code, stdout, stderr, json: () => JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") }),
    );
  });
}

const complete = (...more: string[]): Promise<Outcome> =>
  cli("complete", file, "--no-retrieval", "--provider", "cpu", "--json", ...more);

describe("the model command", () => {
  it("lists models, converts a file to a model, uses it, and removes it", async () => {
    const before = (await cli("model", "list", "--json")).json();
    expect(before.models).toMatchObject([
      { name: "small", state: "ships", inUse: true },
      { name: "tiny", state: "not here", inUse: false, file: "tiny.gguf" },
    ]);

    const added = await cli("model", "add", tinyGguf, "--json");
    expect(added.code, added.stderr).toBe(0);
    expect(added.stderr).toMatch(
      /adds products of 8-bit numbers (exactly: weights get 8|in 16 bits: weights get 7) bits/,
    );
    expect(added.json()).toMatchObject({ name: "tiny", catalogued: true, present: false });
    expect(await readdir(before.folder)).toEqual(["tiny"]);
    expect((await complete()).json().model.name).toBe("tiny-llama");

    const card = join(tiny.folders.packaged, "tiny", "recipe.json");
    const recipe = JSON.parse(await readFile(card, "utf8"));
    recipe.manifest.files["MODEL_CARD.md"].sha256 = "0".repeat(64);
    const now = await readFile(card);
    await writeFile(card, JSON.stringify(recipe));
    expect((await cli("model", "list")).stdout).toContain(
      'The model tiny was made by another version: "model add tiny.gguf" on the command line converts it again.',
    );
    await writeFile(card, now);
    expect((await cli("model", "list")).stdout).not.toContain("another version");

    const used = await cli("model", "use", "tiny");
    expect(used.code).toBe(0);
    expect((await cli("model", "list", "--json")).json().models).toMatchObject([
      { name: "small", inUse: false },
      { name: "tiny", state: "here", inUse: true },
    ]);
    expect((await complete()).json().model.name).toBe("tiny");
    expect((await complete("--model", "small")).json().model.name).toBe("tiny-llama");

    const removed = await cli("model", "remove", "tiny");
    expect(removed.code).toBe(0);
    expect(removed.stdout).toContain("The small model answers from the next start on.");
    expect(await readdir(before.folder)).toEqual([]);
    expect((await complete()).json().model.name).toBe("tiny-llama");
  });

  it("marks a file that is not in the catalogue", async () => {
    const path = join(tiny.root, "other.gguf");
    await writeFile(path, Buffer.concat([await readFile(tinyGguf), Buffer.of(1)]));
    const added = await cli("model", "add", path, "--name", "mine", "--json");
    expect(added.json()).toMatchObject({ name: "mine", catalogued: false, model: "tiny" });
    expect(added.stdout).toContain("The file is not in the catalogue: it has the shape of tiny");
    const listed = await cli("model", "list");
    expect(listed.stdout).toMatch(/^mine: here, \d+ MB, Apache-2.0, made of other\.gguf\n {2}Not in the catalogue\./m);
    expect((await cli("model", "remove", "mine")).code).toBe(0);
  });

  it("names the model used instead of a missing one, but fails when --model names a missing one", async () => {
    await cli("model", "add", tinyGguf);
    await cli("model", "use", "tiny");
    const { folder } = (await cli("model", "list", "--json")).json();
    await rm(join(folder, "tiny"), { recursive: true });
    const completed = await complete();
    expect(completed.code).toBe(0);
    expect(completed.json().model.name).toBe("tiny-llama");
    expect(completed.stderr).toMatch(/Expected the model tiny on this machine.*Until then the small model answers/);
    const named = await complete("--model", "tiny");
    expect(named.code).toBe(2);
    expect(named.stderr).toMatch(/Expected the model tiny on this machine, found none: run "model add tiny\.gguf"/);
    await cli("model", "use", "small");
  });

  it.each([
    [["model"], /Expected "model list"/],
    [["model", "list", "all"], /Expected "model list"/],
    [["model", "destroy", "x"], /found "model destroy x"/],
    [["model", "add"], /Expected "model add FILE", found nothing/],
    [["model", "add", "a", "b"], /found also "b"/],
    [["model", "add", "--fast"], /Unknown option '--fast'/],
    [["model", "add", "/no/such/file.gguf"], /expected a GGUF file, found none/],
    [["model", "use", "nobody"], /a model's name \(small, tiny\)/],
    [["model", "use", process.cwd()], /found the folder /],
    [["model", "remove", "small"], /ships with the extension/],
    [["model", "remove", "../small"], /Expected one of the converted models \(none\)/],
    [["complete", "x:1:1", "--model", "nobody"], /a model's name|a readable file/],
  ])("refuses %j with a clear message", async (args, message) => {
    const { code, stderr } = await cli(...args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(code).toBe(2);
  });
});
