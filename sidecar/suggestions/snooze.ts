// Snoozing: no suggestions until a time, when it ends by itself.

/** Maximum snooze in minutes: a week. */
export const maxSnoozeMinutes = 7 * 24 * 60;
/** The clock is checked this often, since timers are late after the machine slept. */
const checkMs = 15_000;

export class Snooze {
  private end: number | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** @param changed called with the end of the snooze, milliseconds since 1970; undefined when it is over */
  constructor(
    private readonly changed: (until: number | undefined) => void,
    private readonly now: () => number = Date.now,
  ) {}

  /** The end of the snooze, milliseconds since 1970; undefined while there is none. */
  get until(): number | undefined {
    this.endIfOver();
    return this.end;
  }

  /** Snoozes for so many minutes from now; 0 ends the snooze. */
  set(minutes: number): void {
    this.dispose();
    this.end = minutes === 0 ? undefined : this.now() + minutes * 60_000;
    this.changed(this.end);
    this.check();
  }

  dispose(): void {
    clearTimeout(this.timer);
  }

  private check(): void {
    if (this.end === undefined) return;
    this.timer = setTimeout(
      () => {
        this.endIfOver();
        this.check();
      },
      Math.min(checkMs, Math.max(1, this.end - this.now())),
    );
    this.timer.unref();
  }

  private endIfOver(): void {
    if (this.end === undefined || this.now() < this.end) return;
    this.end = undefined;
    this.dispose();
    this.changed(undefined);
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
