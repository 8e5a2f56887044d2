// Pauses indexing while the machine runs on its battery, where the setting asks for it.

import type { Log } from "../../host/log";
import { onBattery } from "../../host/power";
import type { Indexing } from "./indexing";

/** Nobody tells of a plug pulled: it is looked at this often. */
const lookMs = 30_000;

export class BatteryPause {
  readonly #indexing: Pick<Indexing, "pause" | "resume">;
  readonly #log: Log;
  readonly #look: () => Promise<boolean | undefined>;
  #timer: NodeJS.Timeout | undefined;
  #told = false;

  constructor(
    indexing: Pick<Indexing, "pause" | "resume">,
    log: Log,
    look: () => Promise<boolean | undefined> = onBattery,
  ) {
    this.#indexing = indexing;
    this.#log = log;
    this.#look = look;
  }

  /** Follows the setting `selfracg.pauseOnBattery`. Resolves when what it means now has been done. */
  async set(asked: boolean): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (!asked) return this.#indexing.resume("battery");
    this.#timer = setInterval(() => void this.#check(), lookMs);
    this.#timer.unref();
    await this.#check();
  }

  dispose(): void {
    clearInterval(this.#timer);
  }

  async #check(): Promise<void> {
    const found = await this.#look();
    if (found === undefined && !this.#told) {
      this.#told = true;
      this.#log.info(
        "selfracg.pauseOnBattery: whether this machine runs on its battery is not known here (it is read from Linux's /sys/class/power_supply); indexing is not paused.",
      );
    }
    if (found === true) this.#indexing.pause("battery");
    else this.#indexing.resume("battery");
  }
}
