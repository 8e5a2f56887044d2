// The command `model`: the real process in an installation with a tiny catalogue.
import { spawn } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answer, misbehavingServer, status } from "../unit/models/misbehaving-server";
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

const cli = (...args: string[]): Promise<Outcome> => cliWith({}, ...args);

/** @param kill ends the process with SIGKILL as soon as its output matches */
function cliWith(
  { environment, kill }: { environment?: NodeJS.ProcessEnv; kill?: RegExp },
  ...args: string[]
): Promise<Outcome> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [join(tiny.root, "dist", "cli.js"), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, HOME: home, SELFRACG_MODELS: join(home, "models"), ...environment },
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (bytes) => {
      stdout += String(bytes);
      if (kill?.test(stdout) === true) child.kill("SIGKILL");
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

  it("gets a model from the hub, continues after a kill, fetches nothing the second time, and deletes what is left", async () => {
    const content = await readFile(tinyGguf);
    const server = await misbehavingServer(content);
    const environment = { HF_ENDPOINT: new URL(server.url).origin, HTTP_PROXY: undefined, http_proxy: undefined };
    // Progress is printed a few times a second.
    const slow: Answer = (_, response) => {
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, 5000));
      setTimeout(() => response.write(content.subarray(5000, 10_000)), 500);
    };
    try {
      server.next(slow);
      const killed = await cliWith({ environment, kill: /"done":10000\b/ }, "model", "get", "tiny", "--json");
      expect(killed.code).toBe(null);
      const got = await cliWith({ environment }, "model", "get", "tiny", "--json");
      expect(got.code, got.stderr).toBe(0);
      expect(got.stderr).toContain(`Downloading tiny.gguf (0 MB, SHA-256 `);
      expect(got.stderr).toContain(`) from ${environment.HF_ENDPOINT}/nobody/tiny/resolve/1/tiny.gguf`);
      expect(got.json()).toMatchObject({ name: "tiny", catalogued: true, present: false });
      expect(server.ranges).toEqual(["", "bytes=10000-"]);
      const { folder } = (await cli("model", "list", "--json")).json();
      expect(await readdir(folder)).toEqual(["tiny"]);

      const second = await cliWith({ environment }, "model", "get", "tiny");
      expect(second.stdout).toContain("tiny is here already");
      expect(server.ranges).toHaveLength(2);

      expect((await cli("model", "remove", "tiny")).code).toBe(0);
      server.next(slow);
      await cliWith({ environment, kill: /"done":10000\b/ }, "model", "get", "tiny", "--json");
      expect((await cli("model", "remove", "tiny")).stdout).toContain("Removed what was downloaded of tiny.");
      expect(await readdir(folder)).toEqual([]);

      server.next(status(404));
      const refused = await cliWith({ environment }, "model", "get", "tiny");
      expect(refused.code).toBe(2);
      expect(refused.stderr).toMatch(/tiny\.gguf: expected a model file, found HTTP status 404: .*--from\.\n$/);
    } finally {
      await server.close();
    }
  });

  it("asks the proxy that the environment names", async () => {
    const asked: string[] = [];
    const proxy = createServer().on("connect", (request, socket) => {
      asked.push(request.url ?? "");
      socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
    });
    await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
    const address = proxy.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const environment = { HF_ENDPOINT: "https://hub.invalid", https_proxy: `http://127.0.0.1:${port}`, no_proxy: "" };
    const refused = await cliWith({ environment }, "model", "get", "tiny");
    expect(asked).toEqual(["hub.invalid:443"]);
    expect(refused.stderr).toMatch(/found no connection \(.*502.*\)\. Check the network, or the proxy/);
    expect(refused.code).toBe(2);
    await new Promise((done) => proxy.close(done));
  });

  it("finds a file of another program, which stays", async () => {
    const folder = join(home, "lm");
    await mkdir(folder);
    await copyFile(tinyGguf, join(folder, "tiny.gguf"));
    const environment = { LLAMA_CACHE: folder };
    const found = await cliWith({ environment }, "model", "find", "--json");
    expect(found.json().files).toMatchObject([{ path: join(folder, "tiny.gguf"), model: "tiny", catalogued: true }]);
    expect(found.stdout).toContain('Most likely the file of tiny: "model get tiny --from FILE" makes it.');
    const got = await cli("model", "get", "tiny", "--from", join(folder, "tiny.gguf"));
    expect(got.stdout).toContain("Added tiny");
    expect(await readdir(folder)).toEqual(["tiny.gguf"]);
    expect((await cli("model", "remove", "tiny")).code).toBe(0);
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
    expect(named.stderr).toMatch(/Expected the model tiny on this machine, found none: run "model get tiny"/);
    await cli("model", "use", "small");
  });

  it.each([
    [["model"], /Expected "model list"/],
    [["model", "list", "all"], /Expected "model list"/],
    [["model", "destroy", "x"], /found "model destroy x"/],
    [["model", "get"], /Expected "model get NAME", found nothing/],
    [["model", "get", "small"], /which ships with the extension/],
    [["model", "get", "tiny", "--name", "x"], /found also --name/],
    [["model", "add", "x", "--from", "y"], /found also --from/],
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
