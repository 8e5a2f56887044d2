// Starts the real sidecar for a test, with temporary folders, and ends it afterwards.
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { descendants, untilEnded } from "../../scripts/processes.mjs";
import { modelPath } from "../model";
import { type ClientOptions, SidecarClient } from "../sidecar-client";

export const dist = resolve(import.meta.dirname, "../../dist");
export const fixture = resolve(import.meta.dirname, "../fixtures/workspace");
export { cursorOf, uriOf } from "../sidecar-client";
export { modelPath };

for (const bundle of ["sidecar.js", "cli.js"]) {
  if (!existsSync(join(dist, bundle)))
    throw new Error(`Expected ${join(dist, bundle)}, found none. Run "node scripts/setup.mjs" first.`);
}

const temporary: string[] = [];
/** Processes started by tests, with promises of their end. */
const processes = new Map<ChildProcess, Promise<unknown>>();

/** A temporary folder for a test, which {@link cleanUp} removes. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "selfracg-test-"));
  temporary.push(folder);
  return folder;
}

/** A copy of the fixture workspace that a test may change. */
export async function copyOfFixture(): Promise<string> {
  const folder = join(await temporaryFolder(), "workspace");
  await cp(fixture, folder, { recursive: true });
  return folder;
}

/** Registers a process to be ended by {@link cleanUp}. To be called as soon as it is started. */
export function endAtCleanUp(child: ChildProcess): void {
  processes.set(child, new Promise((done) => child.once("exit", done).once("error", done)));
}

/** Ends the processes of a test, waits for their end, and removes its folders. For `afterEach` or `afterAll`. */
export async function cleanUp(): Promise<void> {
  const left = [...processes].filter(([{ exitCode, signalCode }]) => exitCode === null && signalCode === null);
  processes.clear();
  const below = await Promise.all(left.map(([{ pid }]) => (pid === undefined ? [] : descendants(pid))));
  for (const [child] of left) child.kill("SIGKILL");
  await Promise.all(left.map(([, ended]) => ended));
  await untilEnded(below.flat(), 0);
  await Promise.all(temporary.splice(0).map((folder) => rm(folder, { recursive: true, force: true, maxRetries: 5 })));
}

export type Options = Omit<ClientOptions, "sidecar">;

/** A sidecar with the model under test on the CPU, which {@link cleanUp} ends. */
export class Sidecar extends SidecarClient {
  constructor({ initializationOptions, ...options }: Options) {
    super({
      ...options,
      sidecar: join(dist, "sidecar.js"),
      initializationOptions: { modelPath, executionProvider: "cpu", ...initializationOptions },
    });
    endAtCleanUp(this.process);
  }
}

/** Starts a sidecar and initializes it. */
export async function start(options: Options = {}): Promise<Sidecar> {
  const storagePath = options.storagePath ?? (await temporaryFolder());
  const sidecar = new Sidecar({ ...options, storagePath });
  await sidecar.initialize();
  return sidecar;
}
