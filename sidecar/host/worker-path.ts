// Finds the bundle of a worker thread.
import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * Path of a worker's bundle: beside the running bundle or, when running from source, in the build folder.
 * @throws Error when it is in neither folder
 */
export function workerPath(bundle: string): string {
  const places = [join(__dirname, bundle), join(__dirname, "..", "..", "dist", bundle)];
  const found = places.find((place) => existsSync(place));
  if (found === undefined)
    throw new Error(`expected ${bundle} in ${places.join(" or ")}, found none: build or install the sidecar again`);
  return found;
}
