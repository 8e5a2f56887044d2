// Workspaces of many files, and what of them is searchable.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { type Sidecar, temporaryFolder } from "./client";

/** So many that every fragment of these small workspaces is a candidate. */
export const wide = { maxFragments: 16 };

/** A workspace of many files that takes a while to embed. */
export async function manyFiles(count: number): Promise<string> {
  const folder = await temporaryFolder();
  for (let file = 0; file < count; file += 1) {
    const functions = Array.from(
      { length: 8 },
      (_, index) =>
        `def compute_${file}_${index}(value):\n    result = value * ${file} + ${index}\n    return result\n`,
    );
    await writeFile(join(folder, `module_${file}.py`), functions.join("\n\n"));
  }
  return folder;
}

/** Waits until a path is searchable, or no longer is. */
export async function untilSearchable(sidecar: Sidecar, path: string, wanted: boolean): Promise<void> {
  await expect.poll(async () => [...(await sidecar.searchable())].includes(path), { message: path }).toBe(wanted);
}
