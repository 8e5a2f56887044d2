// Conversions killed at random instants leave the old model, the new model, or none; never half a model.
import { spawn } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import type { Recipe } from "../../../sidecar/models/recipe";
import { bundledProgram } from "../../bundled-program";
import { random } from "../completion/random";
import { type TinyCatalogue, tinyCatalogue, tinyFixture } from "./tiny-model";

/** `SELFRACG_KILLS=50` for the long run. */
const kills = Number(process.env.SELFRACG_KILLS ?? 8);
let program = "";

let tiny: TinyCatalogue;
let file = "";

beforeAll(async () => {
  program = await bundledProgram(join(import.meta.dirname, "add-process.ts"));
  tiny = await tinyCatalogue();
  // A hundred and twenty times over, what the recipe writes takes long enough to be killed in the midst of it.
  const path = join(tiny.folders.packaged, "tiny", "recipe.json");
  const recipe: Recipe = JSON.parse(await readFile(path, "utf8"));
  const [entries = []] = Object.values(recipe.files).map((each) => each.entries);
  const end = Math.ceil((recipe.files["weights.bin"]?.pinned.int8.bytes ?? 0) / 4096) * 4096;
  const moved = (place: { offset: number; bytes: number }, by: number) => ({ ...place, offset: place.offset + by });
  const many = Array.from({ length: 120 }, (_, copy) =>
    entries.map((entry) =>
      entry.store === "float32"
        ? { ...entry, values: moved(entry.values, copy * end) }
        : { ...entry, codes: moved(entry.codes, copy * end), scales: moved(entry.scales, copy * end) },
    ),
  ).flat();
  const bytes = 119 * end + (recipe.files["weights.bin"]?.pinned.int8.bytes ?? 0);
  const pinned = { bytes, sha256: "0".repeat(64) };
  const files = { "weights.bin": { entries: many, pinned: { int8: pinned, int7: pinned } } };
  await writeFile(path, JSON.stringify({ ...recipe, files }));
  file = join(tiny.root, "other.gguf");
  await writeFile(file, Buffer.concat([await readFile(join(tinyFixture, "tiny.gguf")), Buffer.of(1)]));
});
afterAll(() => tiny.remove());

/** @returns what it printed, and how long it took */
function run(exactProducts: boolean, killAfterMs?: number): Promise<{ printed: string; ms: number }> {
  return new Promise((done, failed) => {
    const start = performance.now();
    const { packaged, installed } = tiny.folders;
    const child = spawn(process.execPath, [program, file, packaged, installed, String(exactProducts)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let printed = "";
    child.stdout.on("data", (chunk) => {
      printed += String(chunk);
    });
    const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
    child.once("error", failed);
    child.once("close", () => {
      clearTimeout(timer);
      done({ printed, ms: performance.now() - start });
    });
  });
}

const visible = async (): Promise<string[]> =>
  (await readdir(tiny.folders.installed).catch(() => [])).filter((name) => !name.startsWith("."));

/** Which of the two states the model is in; undefined where it is not there. */
async function stateOf(): Promise<string | undefined> {
  if (!(await visible()).includes("other")) return undefined;
  // Every file is read and compared with its SHA-256.
  return (await loadModelPackage(join(tiny.folders.installed, "other"))).source?.variant;
}

describe(`a conversion killed ${kills} times`, () => {
  it("leaves the old model, the new model or none, and the next conversion succeeds", {
    timeout: kills * 30_000,
  }, async () => {
    const next = random(7);
    const { ms } = await run(true);
    expect(await stateOf()).toBe("int8");
    const before = (await readFile(join(tiny.folders.installed, "other", "weights.bin"))).length;
    expect(before).toBeGreaterThan(10_000_000);
    const killed: string[] = [];
    // In turn to the other kind of weights, so that there is an old model every time but after "not at all".
    for (let kill = 0; kill < kills; kill++) {
      const exactProducts = kill % 2 === 1;
      const old = await stateOf();
      const { printed } = await run(exactProducts, ms * 1.1 * next());
      const wanted = exactProducts ? "int8" : "int7";
      expect([old, undefined, wanted]).toContain(await stateOf());
      expect(await visible()).toEqual((await stateOf()) === undefined ? [] : ["other"]);
      killed.push(printed.trimEnd().split("\n").at(-1) ?? "");
      if (printed.includes("added")) expect(await stateOf()).toBe(wanted);
    }
    // Not all before anything happened, nor all behind the end.
    expect(killed.some((step) => step === "converting" || step === "checking")).toBe(true);
    await run(true);
    expect(await stateOf()).toBe("int8");
    expect(await readdir(tiny.folders.installed)).toEqual(["other"]);
  });
});
