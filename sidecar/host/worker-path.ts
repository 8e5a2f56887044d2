// Where the bundle of a thread lies.
import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * Path of a thread's bundle: beside the one that runs, or, where the sources run themselves, in the folder that a build makes.
 * @throws Error where it is in neither
 */
export function workerPath(bundle: string): string {
  const places = [join(__dirname, bundle), join(__dirname, "..", "..", "dist", bundle)];
  const found = places.find((place) => existsSync(place));
  if (found === undefined)
    throw new Error(`expected ${bundle} in ${places.join(" or ")}, found none: build or install the sidecar again`);
  return found;
}
