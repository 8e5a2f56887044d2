// Shared parts of the benchmarks' commands: numeric options, and the description of the machine.
import { availableParallelism, cpus, totalmem } from "node:os";
import { confinement } from "./child";

/** @throws Error when the text is not a whole number above 0 */
export function count(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${option}: expected a whole number above 0, found ${JSON.stringify(text)}`);
  return value;
}

/** The machine, and whether the measurement is confined to `cores` of its cores. */
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
