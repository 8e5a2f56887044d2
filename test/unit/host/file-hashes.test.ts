// Hashes of large files are cached until the file changes.
import { createHash } from "node:crypto";
import { mkdtemp, open, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileHashes } from "../../../sidecar/host/file-hashes";

const large = 33 * 2 ** 20;
let folder: string;
let file: string;
let memory: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "selfracg-hashes-"));
  file = join(folder, "weights.bin");
  memory = join(folder, "storage", "model-hashes.json");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function hash(): Promise<string> {
  const hashes = await FileHashes.open(memory);
  const sha256 = await hashes.sha256(file);
  await hashes.save();
  return sha256;
}

const truth = async (): Promise<string> =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

/** Waits until the file is old enough for the cache. */
async function settle(): Promise<void> {
  const { ctimeMs } = await stat(file);
  while (Date.now() - ctimeMs < 2100) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Replaces the cached hash by another one, so that a test sees whether it is used. */
async function forge(): Promise<string> {
  const content = JSON.parse(await readFile(memory, "utf8"));
  content.files[file].sha256 = "f".repeat(64);
  await writeFile(memory, JSON.stringify(content));
  return "f".repeat(64);
}

describe("FileHashes", () => {
  it("reads a small file every time", async () => {
    await writeFile(file, "small");
    await settle();
    expect(await hash()).toBe(await truth());
    await expect(readFile(memory)).rejects.toThrow("ENOENT");
  });

  it("caches the hash of a large file until a byte changes, even when size and time stay the same", async () => {
    await writeFile(file, Buffer.alloc(large, 1));
    await settle();
    expect(await hash()).toBe(await truth());
    const forged = await forge();
    expect(await hash()).toBe(forged);

    const { atime, mtime } = await stat(file);
    const handle = await open(file, "r+");
    await handle.write(Buffer.of(2), 0, 1, large >> 1);
    await handle.close();
    await utimes(file, atime, mtime);
    expect(await hash()).toBe(await truth());
  });

  it("does not cache the hash of a large file that was just written", async () => {
    await writeFile(file, Buffer.alloc(large, 1));
    expect(await hash()).toBe(await truth());
    await expect(readFile(memory)).rejects.toThrow("ENOENT");
  });

  it.each(["", "{", "[]", '{"version":1,"files":{"a":1}}', "[".repeat(100_000)])(
    "starts anew where the memory holds %.40s",
    async (content) => {
      await writeFile(file, "small");
      memory = join(folder, "model-hashes.json");
      await writeFile(memory, content);
      expect(await hash()).toBe(await truth());
    },
  );

  it("computes hashes when the cache cannot be written", async () => {
    await writeFile(file, Buffer.alloc(large, 1));
    await settle();
    memory = join(file, "model-hashes.json");
    expect(await hash()).toBe(await truth());
  });

  it("rejects with the reason when a file cannot be read", async () => {
    await expect(hash()).rejects.toThrow("ENOENT");
  });
});
