// A copy of the model package that a test may damage.
import { createHash } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import type { ModelManifest } from "../../../../sidecar/inference/package/model-manifest";
import { loadModelPackage } from "../../../../sidecar/inference/package/model-package";
import { ModelPackageError } from "../../../../sidecar/inference/package/model-package-error";
import { modelPath } from "../../../model";

export let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "selfracg-model-"));
  await cp(modelPath, folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

export const manifest = async (): Promise<ModelManifest> =>
  JSON.parse(await readFile(join(folder, "model.json"), "utf8"));

export async function edit(change: (manifest: any) => void): Promise<void> {
  const value = await manifest();
  change(value);
  await writeFile(join(folder, "model.json"), JSON.stringify(value));
}

/** Replaces a listed file by `content` and updates its size and hash, so that only its meaning is wrong. */
export async function replace(name: string, content: string | Uint8Array): Promise<void> {
  await writeFile(join(folder, name), content);
  const bytes = Buffer.from(content);
  await edit(
    (value) => (value.files[name] = { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") }),
  );
}

export async function refusal(): Promise<string> {
  const error = await loadModelPackage(folder).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ModelPackageError);
  return (error as ModelPackageError).message;
}
