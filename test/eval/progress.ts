// Progress on standard error: a bar on a terminal, else a line every few seconds.
const width = 30;

export class Progress {
  private last = 0;
  private readonly start = performance.now();
  private doneAtStart: number | undefined;

  /** @param detail the current activity in a few words */
  show(done: number, total: number, detail: string): void {
    this.doneAtStart ??= done;
    const now = performance.now();
    const terminal = process.stderr.isTTY === true;
    if (now - this.last < (terminal ? 100 : 5000) && done < total) return;
    this.last = now;
    const perTask = (now - this.start) / (done - this.doneAtStart);
    const left = Number.isFinite(perTask) && done < total ? `, ${duration(perTask * (total - done))} left` : "";
    const full = Math.round((width * done) / total);
    if (terminal)
      process.stderr.write(
        `\r\u001b[K${"█".repeat(full)}${"░".repeat(width - full)} ${done}/${total} tasks${left}  ${detail}`,
      );
    else process.stderr.write(`${done}/${total} tasks${left}: ${detail}\n`);
  }

  end(): void {
    if (process.stderr.isTTY === true) process.stderr.write("\r\u001b[K");
  }
}

export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 100 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
