// Reads whether this machine runs on battery, on systems that report it.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Where Linux lists mains adapters and batteries. */
const powerSupplies = "/sys/class/power_supply";

/**
 * Undefined when it is unknown: on systems other than Linux, and in containers without access. On battery means
 * that a battery is discharging, or that there is a mains adapter but none is plugged in.
 */
export async function onBattery(directory: string = powerSupplies): Promise<boolean | undefined> {
  const names = await readdir(directory).catch(() => undefined);
  if (names === undefined) return undefined;
  const read = (name: string, file: string): Promise<string> =>
    readFile(join(directory, name, file), "utf8").then(
      (text) => text.trim(),
      () => "",
    );
  const supplies = await Promise.all(
    names.map(async (name) => ({
      type: await read(name, "type"),
      online: await read(name, "online"),
      status: await read(name, "status"),
      scope: await read(name, "scope"),
    })),
  );
  const mains = supplies.filter(({ type }) => type === "Mains" || type === "USB");
  if (mains.some(({ online }) => online === "1")) return false;
  // Devices such as a mouse have batteries too.
  const batteries = supplies.filter(({ type, scope }) => type === "Battery" && scope !== "Device");
  if (batteries.length > 0) return mains.length > 0 || batteries.some(({ status }) => status === "Discharging");
  return names.length === 0 ? undefined : false;
}
