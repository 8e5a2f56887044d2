// The folder with the stores of all models: measures it, and deletes stores that are not used any more.
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

/** Number of the format of the database's tables; a change of their meaning increases it. */
export const format = 3;
const storeFolder = /^index-(\d+)-[0-9a-f]{16}$/;
/** The store of a model that was not used for this long is deleted. */
const unusedMs = 60 * 24 * 3600 * 1000;

/** Folder of one model's store. @param modelHash hexadecimal digits */
export function folderOf(storagePath: string, modelHash: string): string {
  return join(storagePath, `index-${format}-${modelHash.slice(0, 16)}`);
}

/** Deletes stores of earlier formats, and those of models that were not used for long. */
export function removeOutdated(storagePath: string, own: string): void {
  for (const { path, format: found, modified } of storesIn(storagePath))
    if (path !== own && (found < format || Date.now() - modified > unusedMs)) remove(path);
}

/** Deletes other models' stores, least recently used first, until all stores have at most `maxBytes`. */
export function removeOthers(storagePath: string, own: string, maxBytes: number): void {
  const others = storesIn(storagePath).filter(({ path }) => path !== own);
  others.sort((a, b) => a.modified - b.modified);
  for (const { path } of others) {
    if (bytesIn(storagePath) <= maxBytes) return;
    remove(path);
  }
}

/** Bytes of all stores. */
export function bytesIn(storagePath: string): number {
  return storesIn(storagePath).reduce((sum, { bytes }) => sum + bytes, 0);
}

interface FoundStore {
  readonly path: string;
  readonly format: number;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

function storesIn(storagePath: string): FoundStore[] {
  return listed(storagePath).flatMap((name) => {
    const found = storeFolder.exec(name)?.[1];
    if (found === undefined) return [];
    const path = join(storagePath, name);
    const files = listed(path).flatMap((each) => statSync(join(path, each), { throwIfNoEntry: false }) ?? []);
    return [
      {
        path,
        format: Number(found),
        bytes: files.reduce((sum, { size }) => sum + size, 0),
        modified: Math.max(0, ...files.map(({ mtimeMs }) => mtimeMs)),
      },
    ];
  });
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Some systems do not delete a file that another process has open: it is tried again at the next start.
  }
}
