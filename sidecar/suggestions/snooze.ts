// No suggestions for a while: until when, and that it ends by itself.

/** Longest snooze, minutes: a week. Whoever wants more switches it off. */
export const mostSnoozeMinutes = 7 * 24 * 60;
/** A machine that slept wakes with its timers late: the clock is looked at this often. */
const lookMs = 15_000;

export class Snooze {
  readonly #changed: (until: number | undefined) => void;
  readonly #now: () => number;
  #until: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param changed told until when it snoozes, in milliseconds since 1970, or that it no longer does */
  constructor(changed: (until: number | undefined) => void, now: () => number = Date.now) {
    this.#changed = changed;
    this.#now = now;
  }

  /** In milliseconds since 1970; undefined while it does not snooze. */
  get until(): number | undefined {
    this.#endIfOver();
    return this.#until;
  }

  /** Snoozes from now on for so many minutes, whatever was set before; 0 ends it. */
  set(minutes: number): void {
    this.dispose();
    this.#until = minutes === 0 ? undefined : this.#now() + minutes * 60_000;
    this.#changed(this.#until);
    this.#look();
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    if (this.#until === undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#endIfOver();
        this.#look();
      },
      Math.min(lookMs, Math.max(1, this.#until - this.#now())),
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
