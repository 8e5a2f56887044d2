// The list of a folder's files: what is recorded while it is written anew is neither lost nor left in a log of its own.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type FileEntry, Manifest } from "../../../sidecar/workspace/manifest";

const folder = "file:///workspace";
const entry = (size: number): FileEntry => ({ size, modified: 1, fragments: [] });
const warnings: string[] = [];
const warn = (message: string): void => void warnings.push(message);
let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "selfracg-manifest-"));
  warnings.length = 0;
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it("keeps what is recorded while it is written anew, in the one log that it leaves", async () => {
  const { manifest } = await Manifest.open(directory, folder, "chunker", warn);
  const files = new Map(Array.from({ length: 400 }, (_, at) => [`${at}.ts`, entry(at)]));
  for (const [path, each] of files) manifest.record(path, each);
  await manifest.flush();
  const rewritten = manifest.rewrite(files);
  for (let size = 1000; size < 1010; size++) {
    manifest.record("3.ts", entry(size));
    await new Promise((resolve) => setImmediate(resolve));
  }
  manifest.record("4.ts", undefined);
  await rewritten;
  manifest.record("new.ts", entry(7));
  await manifest.close();
  expect(readdirSync(directory)).toHaveLength(1);
  const again = await Manifest.open(directory, folder, "chunker", warn);
  await again.manifest.close();
  expect(again.files.size).toBe(400);
  expect([again.files.get("3.ts")?.size, again.files.has("4.ts"), again.files.get("new.ts")?.size]).toEqual([
    1009,
    false,
    7,
  ]);
  expect(warnings).toEqual([]);
});
