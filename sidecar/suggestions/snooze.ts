// Snoozing: no suggestions until a time, when it ends by itself.

/** Maximum snooze in minutes: a week. */
export const maxSnoozeMinutes = 7 * 24 * 60;
/** The clock is checked this often, since timers are late after the machine slept. */
const checkMs = 15_000;

export class Snooze {
  readonly #changed: (until: number | undefined) => void;
  readonly #now: () => number;
  #until: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param changed called with the end of the snooze, milliseconds since 1970; undefined when it is over */
  constructor(changed: (until: number | undefined) => void, now: () => number = Date.now) {
    this.#changed = changed;
    this.#now = now;
  }

  /** The end of the snooze, milliseconds since 1970; undefined while there is none. */
  get until(): number | undefined {
    this.#endIfOver();
    return this.#until;
  }

  /** Snoozes for so many minutes from now; 0 ends the snooze. */
  set(minutes: number): void {
    this.dispose();
    this.#until = minutes === 0 ? undefined : this.#now() + minutes * 60_000;
    this.#changed(this.#until);
    this.#check();
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  #check(): void {
    if (this.#until === undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#endIfOver();
        this.#check();
      },
      Math.min(checkMs, Math.max(1, this.#until - this.#now())),
    );
    this.#timer.unref();
  }

  #endIfOver(): void {
    if (this.#until === undefined || this.#now() < this.#until) return;
    this.#until = undefined;
    this.dispose();
    this.#changed(undefined);
  }
}

/** "Snoozed until 14:35.", with the day where it is not today's. */
export function snoozedMessage(until: number, now: number): string {
  const [end, start] = [new Date(until), new Date(now)];
  const two = (value: number): string => String(value).padStart(2, "0");
  const time = `${two(end.getHours())}:${two(end.getMinutes())}`;
  const day = `${end.getFullYear()}-${two(end.getMonth() + 1)}-${two(end.getDate())}`;
  return end.toDateString() === start.toDateString() ? `Snoozed until ${time}.` : `Snoozed until ${day} ${time}.`;
}
