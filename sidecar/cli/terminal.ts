// What the commands of the command line share: output, progress, and the error of bad input.
import { type ParseArgsConfig, parseArgs } from "node:util";
import { firstSentence } from "../host/errors";
import { withoutControls } from "../host/printable";

/** An error that the user can correct: what was expected, what was found, what to do. */
export class InputError extends Error {}

/** Reads options and positional arguments. @throws InputError for an option that does not exist, or one without its value */
export function parseOptions<const Options extends NonNullable<ParseArgsConfig["options"]>>(
  args: string[],
  options: Options,
) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new InputError(`${firstSentence(error)}. Run with --help to see the options there are.`);
  }
}

export function print(text: string): void {
  process.stdout.write(`${withoutControls(text)}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${withoutControls(JSON.stringify(value))}\n`);
}

/** Progress on standard error: a bar that redraws itself on a terminal, else a plain line a second. */
export class ProgressLine {
  private last = performance.now();
  private drawn = false;

  /** @param describe the progress, in words */
  constructor(
    private readonly title: string,
    private readonly describe: (done: number, total: number) => string,
  ) {}

  show(done: number, total: number): void {
    if (total === 0) return;
    const now = performance.now();
    const interval = process.stderr.isTTY ? 60 : 1000;
    if (now - this.last < interval && !(this.drawn && done === total)) return;
    this.last = now;
    const far = withoutControls(this.describe(done, total));
    if (process.stderr.isTTY) {
      const width = 30;
      const full = Math.round((width * done) / total);
      process.stderr.write(`\r\u001b[K${"█".repeat(full)}${"░".repeat(width - full)} ${far}`);
    } else {
      process.stderr.write(`${this.title}: ${far}\n`);
    }
    this.drawn = true;
  }

  end(): void {
    if (this.drawn && process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  }
}
