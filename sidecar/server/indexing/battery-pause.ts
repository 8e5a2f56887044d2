// Pauses indexing while the machine runs on its battery, where the setting asks for it.
import type { Log } from "../../host/log";
import { onBattery } from "../../host/power";
import type { Indexing } from "./indexing";

/** No event tells that the plug was pulled, so it is checked this often. */
const checkMs = 30_000;

export class BatteryPause {
  private timer: NodeJS.Timeout | undefined;
  private hasReported = false;

  constructor(
    private readonly indexing: Pick<Indexing, "pause" | "resume">,
    private readonly log: Log,
    private readonly isOnBattery: () => Promise<boolean | undefined> = onBattery,
  ) {}

  /** Follows the setting `selfracg.pauseOnBattery`. Resolves when indexing is paused or resumed accordingly. */
  async set(asked: boolean): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    if (!asked) return this.indexing.resume("battery");
    this.timer = setInterval(() => void this.check(), checkMs);
    this.timer.unref();
    await this.check();
  }

  dispose(): void {
    clearInterval(this.timer);
  }

  private async check(): Promise<void> {
    const found = await this.isOnBattery();
    if (found === undefined && !this.hasReported) {
      this.hasReported = true;
      this.log.info(
        "selfracg.pauseOnBattery: whether this machine runs on its battery is not known here (it is read from Linux's /sys/class/power_supply); indexing is not paused.",
      );
    }
    if (found === true) this.indexing.pause("battery");
    else this.indexing.resume("battery");
  }
}
