// What the benchmarks' commands read from their options, and what they say of the machine.
import { availableParallelism, cpus, totalmem } from "node:os";
import { confinement } from "./child";

/** @throws Error where the text is no whole number above 0 */
export function count(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${option}: expected a whole number above 0, found ${JSON.stringify(text)}`);
  return value;
}

/** The machine, and on how many of its cores is measured. */
export function machineOn(cores: number) {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    measuredOn: cores,
    confined: confinement(cores) !== undefined,
    memoryMegabytes: Math.round(totalmem() / 2 ** 20),
    node: process.version,
  };
}
