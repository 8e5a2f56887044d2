// Whether the machine runs on battery, and whether indexing pauses then.
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { onBattery } from "../../../sidecar/host/power";
import { BatteryPause } from "../../../sidecar/server/indexing/battery-pause";
import { emptyFolder, folderWith } from "../workspace/folder";

describe("power", () => {
  it.each<[string, Record<string, string>, boolean | undefined]>([
    [
      "an adapter that is plugged in",
      { "AC/type": "Mains\n", "AC/online": "1\n", "BAT0/type": "Battery\n", "BAT0/status": "Charging\n" },
      false,
    ],
    [
      "an adapter that is not",
      { "AC/type": "Mains\n", "AC/online": "0\n", "BAT0/type": "Battery\n", "BAT0/status": "Discharging\n" },
      true,
    ],
    ["a battery alone, discharging", { "BAT0/type": "Battery\n", "BAT0/status": "Discharging\n" }, true],
    ["a battery alone, full", { "BAT0/type": "Battery\n", "BAT0/status": "Full\n" }, false],
    [
      "only a mouse's battery",
      { "hid/type": "Battery\n", "hid/scope": "Device\n", "hid/status": "Discharging\n" },
      false,
    ],
  ])("%s", async (_, files, expected) => {
    expect(await onBattery(await folderWith(files))).toBe(expected);
  });

  it("is undefined when the system does not report it", async () => {
    expect(await onBattery(await emptyFolder())).toBeUndefined();
    expect(await onBattery(join(await emptyFolder(), "missing"))).toBeUndefined();
  });
});

describe("the pause on battery", () => {
  it("follows the setting and the power supply, with one message when that is unknown", async () => {
    const indexing = { pause: vi.fn(), resume: vi.fn() };
    const log = { debug() {}, info: vi.fn(), warn() {}, error() {} };
    let found: boolean | undefined = true;
    const battery = new BatteryPause(indexing, log, async () => found);
    await battery.set(false);
    expect(indexing.pause).not.toHaveBeenCalled();
    await battery.set(true);
    expect(indexing.pause).toHaveBeenCalledWith("battery");
    await battery.set(false);
    expect(indexing.resume).toHaveBeenLastCalledWith("battery");
    found = undefined;
    await battery.set(true);
    await battery.set(true);
    expect(log.info).toHaveBeenCalledTimes(1);
    expect(indexing.pause).toHaveBeenCalledTimes(1);
    battery.dispose();
  });
});
