// Tells whether this machine can carry a model of the catalogue beside an editor.
import { availableParallelism, totalmem } from "node:os";
import { dirname } from "node:path";
import type { CatalogueModel } from "./catalogue";
import { freeBytes } from "./download/free-space";

export interface Machine {
  readonly memoryBytes: number;
  /** On the disk of the models. */
  readonly freeBytes: number;
  readonly processors: number;
}

/** @param folder of the models, which may not exist yet */
export async function thisMachine(folder: string): Promise<Machine> {
  return { memoryBytes: totalmem(), freeBytes: await freeBytesAbove(folder), processors: availableParallelism() };
}

/** A machine should have so many times a model's memory: the editor, a browser and compilers need some too. */
const memoryFactor = 6;
/** Bytes that a download should leave on the disk. */
const spareBytes = 2e9;

/**
 * Why a model should not be run on a machine, as a sentence; undefined when it can be.
 * @param installed whether it is on the disk already
 */
export function obstacleTo(
  { memoryMegabytes, bytes, source, processors }: CatalogueModel,
  machine: Machine,
  installed: boolean,
): string | undefined {
  if (source === undefined) return undefined;
  const { memoryBytes } = machine;
  const memory = memoryMegabytes * 1e6 * memoryFactor;
  if (memoryBytes < memory)
    return `It should have a machine with ${gigabytes(memory)} of memory; this one has ${gigabytes(memoryBytes)}.`;
  if (machine.processors < processors)
    return `It should have ${processors} processors or more; this machine has ${machine.processors}.`;
  const disk = source.bytes + bytes + spareBytes;
  if (!installed && machine.freeBytes < disk)
    return `It should have ${gigabytes(disk)} of free disk space; there are ${gigabytes(machine.freeBytes)}.`;
  return undefined;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Free bytes on the disk of a folder, or of the first folder above it that exists. */
async function freeBytesAbove(folder: string): Promise<number> {
  try {
    return await freeBytes(folder);
  } catch (error) {
    const parent = dirname(folder);
    if (parent === folder) throw error;
    return freeBytesAbove(parent);
  }
}
