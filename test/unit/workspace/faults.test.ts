// The index under faults: killed at random instants, a full disk, a folder that cannot be written.
import { execFileSync, spawn } from "node:child_process";
import { chmod, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import { bundledProgram } from "../../bundled-program";
import { emptyFolder, folderWith } from "./folder";
import { toyBackbone, toyFormat, toyNeed } from "./toy-model";

const open: WorkspaceIndex[] = [];
const mounted: string[] = [];

afterEach(async () => {
  for (const index of open.splice(0)) await index.dispose();
  for (const folder of mounted.splice(0)) execFileSync("umount", [folder]);
});

async function indexed(
  root: string,
  storagePath: string,
): Promise<{ index: WorkspaceIndex; embedded: number; warnings: string[] }> {
  const { backbone, seen } = toyBackbone();
  const warnings: string[] = [];
  const index = new WorkspaceIndex({
    backbone,
    promptFormat: toyFormat,
    storagePath,
    log: { info() {}, warn: (message) => void warnings.push(message) },
  });
  open.push(index);
  await index.setFolders([{ uri: pathToFileURL(root).href, name: "test" }]);
  await index.reindex();
  return { index, embedded: seen.length, warnings };
}

function contents(index: WorkspaceIndex): string[] {
  return index
    .search(toyNeed("x", "anything at all"), 100_000)
    .map(
      ({ fragment, score }) =>
        `${fragment.path}:${fragment.startLine}-${fragment.endLine} ${score.toFixed(5)} ${fragment.text}`,
    )
    .sort();
}

function files(count: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `file${i}.py`,
      Array.from(
        { length: 4 },
        (_unused, j) => `def part${i}_${j}(value):\n    result${j} = value + ${i * j}\n    return result${j}\n`,
      ).join("\n\n"),
    ]),
  );
}

describe("kill -9", () => {
  const fileCount = 60;
  /** `SELFRACG_KILLS=200` takes a minute. */
  const kills = Number(process.env.SELFRACG_KILLS ?? 40);
  /** Parallel series, each with its own folder and store. */
  const chains = 4;
  let program = "";

  beforeAll(async () => {
    program = await bundledProgram(join(__dirname, "faults-process.ts"));
  });

  /** Runs the program and kills it this many milliseconds after its index is open. */
  function killed(root: string, storagePath: string, seed: number, afterMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [program, root, storagePath, `${seed}`, `${fileCount}`], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let begun = false;
      child.stdout.on("data", () => {
        if (begun) return;
        begun = true;
        setTimeout(() => child.kill("SIGKILL"), afterMs);
      });
      child.on("error", reject);
      child.on("close", (code, signal) =>
        signal === "SIGKILL"
          ? resolve()
          : reject(new Error(`expected the process to be killed, found it ended with ${code}`)),
      );
    });
  }

  it(`at ${kills} random instants leaves the old or the new state, and no stored text is embedded again`, {
    timeout: 240_000,
  }, async () => {
    let state = 12345;
    const random = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    await Promise.all(
      Array.from({ length: chains }, async (_, chain) => {
        const root = await folderWith(files(fileCount));
        const storagePath = await emptyFolder();
        for (let kill = 0; kill < kills / chains; kill++) {
          await killed(root, storagePath, chain * 1000 + kill, random() * random() * 120);
          // A search in between: it finds what a new index finds.
          if (kill % 10 !== 9) continue;
          const { index, warnings } = await indexed(root, storagePath);
          const { index: fresh } = await indexed(root, await emptyFolder());
          expect(contents(index)).toEqual(contents(fresh));
          expect(warnings).toEqual([]);
          await fresh.dispose();
          await index.dispose();
          const again = await indexed(root, storagePath);
          expect(again.embedded).toBe(0);
          await again.index.dispose();
        }
      }),
    );
  });

  it("during indexing loses at most the batch being embedded", async () => {
    const root = await folderWith(files(fileCount));
    const storagePath = await emptyFolder();
    let stored = 0;
    await new Promise<void>((resolve) => {
      const child = spawn(process.execPath, [program, root, storagePath, "1", `${fileCount}`], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      child.stdout.on("data", (data: Buffer) => {
        const batches = [...data.toString().matchAll(/embedded (\d+)/g)].map(([, count]) => Number(count));
        stored += batches.reduce((sum, count) => sum + count, 0);
        if (stored >= 100) child.kill("SIGKILL");
      });
      child.on("close", () => resolve());
    });
    const { index, embedded } = await indexed(root, storagePath);
    expect(index.counts()).toMatchObject({ files: fileCount, fragments: fileCount * 4 });
    // A batch is 64 fragments; all fragments of a changed file may be new.
    expect(embedded).toBeLessThanOrEqual(fileCount * 4 - stored + 2 * 64);
  });
});

/** Mounts a file system of this size, where the tests are allowed to. */
async function smallDisk(bytes: number): Promise<string | undefined> {
  const folder = await emptyFolder();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder], { stdio: "ignore" });
    mounted.push(folder);
    return folder;
  } catch {
    return undefined;
  }
}

describe("a full disk", () => {
  it("stops storing with one warning for each kind of failure, and is used again when there is space", async ({
    skip,
  }) => {
    const disk = await smallDisk(160 * 1024);
    if (disk === undefined) return skip("no file system can be mounted here");
    const root = await folderWith(files(fileCount));
    const filler = join(disk, "filler");
    await writeFile(filler, Buffer.alloc(60 * 1024));
    const { index, warnings } = await indexed(root, disk);
    expect(index.counts()).toMatchObject({ files: fileCount, fragments: fileCount * 4 });
    const { index: fresh } = await indexed(root, await emptyFolder());
    expect(contents(index)).toEqual(contents(fresh));
    expect(warnings.some((warning) => /cannot be written.*full/.test(warning))).toBe(true);
    expect(warnings.length).toBeLessThanOrEqual(3);
    await index.dispose();
    await rm(filler);
    execFileSync("mount", ["-o", "remount,size=8m", disk]);
    const again = await indexed(root, disk);
    expect(contents(again.index)).toEqual(contents(fresh));
    expect(again.embedded).toBeLessThanOrEqual(fileCount * 4);
    await again.index.dispose();
    expect((await indexed(root, disk)).embedded).toBe(0);
  });

  const fileCount = 60;
});

describe("a folder that cannot be written", () => {
  it("gives one warning, and its store is read and searched", async ({ skip }) => {
    const root = await folderWith(files(20));
    let storagePath = await emptyFolder();
    const isRoot = process.getuid?.() === 0;
    if (isRoot) {
      // For root, only a read-only file system prevents writing.
      const disk = await smallDisk(4 << 20);
      if (disk === undefined) return skip("no file system can be mounted here");
      storagePath = disk;
    }
    await (await indexed(root, storagePath)).index.dispose();
    const [name = ""] = await readdir(storagePath);
    const protect = async (readOnly: boolean): Promise<void> => {
      if (isRoot) execFileSync("mount", ["-o", `remount,${readOnly ? "ro" : "rw"}`, storagePath]);
      else for (const folder of [storagePath, join(storagePath, name)]) await chmod(folder, readOnly ? 0o500 : 0o700);
    };
    await protect(true);
    try {
      await writeFile(join(root, "new.py"), "def brand_new(value):\n    fresh = value * 17\n    return fresh\n");
      const { index, embedded, warnings } = await indexed(root, storagePath);
      expect(embedded).toBe(1);
      expect(index.counts()).toMatchObject({ files: 21 });
      expect(contents(index).some((line) => line.includes("brand_new"))).toBe(true);
      expect(warnings.length).toBeGreaterThan(0);
      expect(warnings.length).toBeLessThanOrEqual(3);
      await index.dispose();
    } finally {
      await protect(false);
    }
    expect((await indexed(root, storagePath)).embedded).toBe(1);
  });
});
