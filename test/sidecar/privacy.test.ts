// The system calls of sidecar and command line make no connection, also after the delay of libraries' telemetry.
import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { cleanUp, copyOfFixture, dist, endAtCleanUp, modelPath, start, temporaryFolder, uriOf } from "./client";
import { obstacleToTracing, plainEnvironment, readTrace, traceCommand } from "./system-calls";

/** ONNX Runtime's telemetry, if enabled, resolves its collector's name nine seconds after the first use of the library. */
const aliveMs = 20_000;
const stayAlive = resolve(import.meta.dirname, "../fixtures/stay-alive.cjs");
const obstacle = obstacleToTracing();

afterAll(cleanUp);

/** The folders of a traced program. */
interface Place {
  readonly home: string;
  readonly storage: string;
  readonly trace: string;
}

async function emptyPlace(): Promise<Place> {
  const folder = await temporaryFolder();
  const place = { home: join(folder, "home"), storage: join(folder, "storage"), trace: join(folder, "trace") };
  await mkdir(place.home);
  await mkdir(place.storage);
  return place;
}

/** Runs Node.js under strace in an empty home folder, and returns its exit code and standard output. */
function run(
  { home, trace }: Place,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; stdout: string }> {
  const [program = "", ...rest] = [...traceCommand(trace), process.execPath, ...args];
  return new Promise((done, failed) => {
    const child = spawn(program, rest, {
      cwd: home,
      env: { ...plainEnvironment(home), ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    });
    endAtCleanUp(child);
    let stdout = "";
    child.stdout.on("data", (bytes) => {
      stdout += String(bytes);
    });
    child.once("error", failed);
    child.once("close", (code) => done({ code, stdout }));
  });
}

/** Expects that the program loaded ONNX Runtime and made no forbidden system call. */
async function expectNothingLeft({ home, storage, trace }: Place): Promise<void> {
  expect(await readTrace(trace, storage)).toEqual({ network: [], lookUps: [], outside: [] });
  expect(await readdir(home)).toEqual([]);
  expect(await readFile(trace, "utf8")).toMatch(/libonnxruntime\.so.*= \d/);
}

it("strace is available when SELFRACG_REQUIRE_STRACE is set, as in continuous integration", () => {
  if (process.env.SELFRACG_REQUIRE_STRACE === "1") expect(obstacle).toBeUndefined();
});

describe("a trace of system calls", () => {
  it("shows a call that another thread interrupts as one line, and a call that never ends", async () => {
    const { trace, storage } = await emptyPlace();
    const lines = [
      `7 connect(3<TCP:[1]>, {sin_addr=inet_addr("192.0.2.1")}, 16 <unfinished ...>`,
      `8 openat(AT_FDCWD</>, "/tmp/a", O_WRONLY|O_CREAT, 0666 <unfinished ...>`,
      `7 <... connect resumed>) = -1 ENETUNREACH (Network is unreachable) (INJECTED)`,
      "8 +++ exited with 0 +++",
    ];
    await writeFile(trace, lines.join("\n"));
    expect(await readTrace(trace, storage)).toEqual({
      network: [
        `7 connect(3<TCP:[1]>, {sin_addr=inet_addr("192.0.2.1")}, 16) = -1 ENETUNREACH (Network is unreachable) (INJECTED)`,
      ],
      lookUps: [],
      outside: [`8 openat(AT_FDCWD</>, "/tmp/a", O_WRONLY|O_CREAT, 0666`],
    });
  });

  it("shows DNS look-ups, connections and files written outside the storage folder, in any thread", async ({
    skip,
  }) => {
    if (obstacle !== undefined) skip(obstacle);
    const place = await emptyPlace();
    const work = `
      const { writeFileSync, mkdirSync } = require("node:fs");
      require("node:dns").lookup("collector.example", () => {});
      require("node:net").connect(443, "192.0.2.1").on("error", () => {});
      mkdirSync("made");
      writeFileSync("made/events.db", "");
      writeFileSync(${JSON.stringify(join(place.storage, "allowed"))}, "");`;
    const script = `new (require("node:worker_threads").Worker)(${JSON.stringify(work)}, { eval: true })`;
    expect(await run(place, ["-e", script])).toMatchObject({ code: 0 });
    const { network, lookUps, outside } = await readTrace(place.trace, place.storage);
    expect(network).toContainEqual(expect.stringMatching(/socket\(AF_INET/));
    expect(network).toContainEqual(expect.stringMatching(/connect\(.*192\.0\.2\.1.*INJECTED/));
    expect(lookUps).toContainEqual(expect.stringContaining('"/etc/hosts"'));
    expect(outside.map((line) => /"([^"]*)"/.exec(line)?.[1])).toEqual(["made", "made/events.db"]);
  });
});

const seconds = aliveMs / 1000;

describe.concurrent("in an empty home folder", () => {
  it(`the sidecar opens no socket, resolves no name and writes only to its storage folder (${seconds} s)`, async ({
    skip,
  }) => {
    if (obstacle !== undefined) skip(obstacle);
    const place = await emptyPlace();
    const folder = await copyOfFixture();
    const sidecar = await start({
      folders: [folder],
      storagePath: place.storage,
      through: traceCommand(place.trace),
      env: plainEnvironment(place.home),
    });
    await sidecar.reaches("ready");
    const path = join(folder, "shop", "orders.py");
    const { trace } = await sidecar.complete(uriOf(path), `${await readFile(path, "utf8")}\norder = |`);
    expect(trace.generatedTokens).toBeGreaterThan(0);
    await pause(aliveMs);
    expect(await sidecar.close()).toBe(0);
    await expectNothingLeft(place);
  });

  it(`the command line opens no socket, resolves no name and writes only to its storage folder (${seconds} s)`, async ({
    skip,
  }) => {
    if (obstacle !== undefined) skip(obstacle);
    const place = await emptyPlace();
    const folder = await copyOfFixture();
    const cursor = `${join(folder, "shop", "orders.py")}:27:1`;
    const { code, stdout } = await run(
      place,
      [
        ...["--require", stayAlive, join(dist, "cli.js"), "complete", cursor, "--workspace", folder],
        ...["--model", modelPath, "--storage", place.storage, "--json"],
      ],
      { STAY_ALIVE_MS: String(aliveMs) },
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "").generatedTokens).toBeGreaterThan(0);
    await expectNothingLeft(place);
  });
});
