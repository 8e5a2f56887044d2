// `npm start` without a folder, twice: the user's changes and settings are kept.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { descendants, stillRunning } from "../../scripts/processes.mjs";
import { fixture } from "./bookshop";

const script = resolve(import.meta.dirname, "../../scripts/start.mjs");
const file = "shop/catalog.py";

describe.skipIf(process.platform === "win32")("npm start", () => {
  let scratch: string;
  let cache: string;
  let programs: string;
  const started: ChildProcess[] = [];

  beforeAll(() => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), "selfracg-start-")));
    cache = join(scratch, "cache");
    // A PATH with the programs of the script but without `code`, so that VS Code is served.
    programs = join(scratch, "programs");
    mkdirSync(programs);
    for (const name of ["ps", "sh"]) symlinkSync(join("/bin", name), join(programs, name));
    symlinkSync(process.execPath, join(programs, "node"));
  });

  afterAll(async () => {
    for (const child of started) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGINT");
      await once(child, "exit");
    }
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Runs `npm start` and waits for the address on standard output. */
  async function start(): Promise<{ child: ChildProcess; address: URL }> {
    const child = spawn(process.execPath, [script, "--small"], {
      env: { ...process.env, PATH: programs, SELFRACG_CACHE: cache },
      stdio: ["ignore", "pipe", "pipe"],
    });
    started.push(child);
    let notes = "";
    child.stderr.on("data", (bytes) => {
      notes += String(bytes);
    });
    const address = await Promise.race([
      once(child.stdout, "data").then(([bytes]) => String(bytes).trim()),
      once(child, "exit").then(([code]) => `ended with ${code}: ${notes}`),
    ]);
    expect(address).toMatch(/^http:/);
    return { child, address: new URL(address) };
  }

  async function stop(child: ChildProcess): Promise<void> {
    const all = await descendants(child.pid ?? 0);
    expect(all.length).toBeGreaterThan(0);
    child.kill("SIGINT");
    await once(child, "exit");
    expect(await stillRunning(all)).toEqual([]);
  }

  it("opens a copy of the example, ends its processes, and keeps changes, settings and address", async () => {
    const before = readFileSync(join(fixture, file), "utf8");
    const first = await start();
    const folder = first.address.searchParams.get("folder") ?? "";
    expect(folder).toBe(join(cache, "example", "bookshop"));
    expect(readFileSync(join(folder, file), "utf8")).toBe(before);

    appendFileSync(join(folder, file), "# changed\n");
    // VS Code writes the settings of this machine there, such as the model.
    const settingsFile = join(cache, "profile", "served", "data", "Machine", "settings.json");
    const settings = `${JSON.stringify({ "selfracg.modelPath": "/models/mine" })} // by hand\n`;
    await writeFile(settingsFile, settings);
    await stop(first.child);

    const second = await start();
    expect(second.address.href).toBe(first.address.href);
    expect(readFileSync(settingsFile, "utf8")).toBe(settings);
    expect(readFileSync(join(folder, file), "utf8")).toBe(`${before}# changed\n`);
    expect(readFileSync(join(fixture, file), "utf8")).toBe(before);
    await stop(second.child);
  });
});
