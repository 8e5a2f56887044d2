// Uninstalling deletes the converted models, what was downloaded of them, and nothing else.
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { defaultModelsPath } from "../../../sidecar/host/locations";
import { bundledProgram } from "../../bundled-program";

let home = "";
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "selfracg-uninstall-"));
});
afterEach(() => rm(home, { recursive: true }));

async function uninstall(environment: NodeJS.ProcessEnv): Promise<void> {
  const program = await bundledProgram(resolve(import.meta.dirname, "../../../sidecar/uninstall.ts"));
  await promisify(execFile)(process.execPath, [program], { env: { ...process.env, ...environment } });
}

it.runIf(process.platform === "linux")("deletes the default folder, but none that the user named", async () => {
  const data = join(home, "data");
  const own = join(home, "own");
  const models = defaultModelsPath({ XDG_DATA_HOME: data });
  for (const folder of [join(models, "half"), join(models, ".downloads", "x"), own])
    await mkdir(folder, { recursive: true });
  await writeFile(join(models, "half", "weights.bin"), "");
  await writeFile(join(data, "other"), "");
  await uninstall({ XDG_DATA_HOME: data, SELFRACG_MODELS: own });
  expect(existsSync(join(data, "selfracg"))).toBe(false);
  expect([existsSync(join(data, "other")), existsSync(own)]).toEqual([true, true]);
  // A second time, there is nothing.
  await uninstall({ XDG_DATA_HOME: data });
});

it("is a script of the manifest that VS Code runs, and its bundle ships", () => {
  const root = resolve(import.meta.dirname, "../../..");
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(scripts["vscode:uninstall"]).toBe("node ./dist/uninstall.js");
  expect(readFileSync(join(root, ".vscodeignore"), "utf8")).toContain("uninstall}.js");
});
