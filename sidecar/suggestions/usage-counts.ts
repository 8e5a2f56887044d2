// The counts of suggestions on disk: one small file in the storage folder, for all sidecars that share it.
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { errorMessage, isNotFound } from "../host/errors";
import type { Log } from "../host/log";
import { makeFolder } from "../host/make-folder";
import { readRegularFile } from "../host/regular-file";
import type { SuggestionCounts } from "../protocol";
import type { CountChange } from "./acceptance";

export const countsFileName = "suggestion-counts.json";
/** The file has some hundred. */
const maxBytes = 2 ** 16;
/** Changes are collected for this long before they are written; a sidecar that is killed loses no more. */
const gatherMs = 2000;

const names = ["shown", "accepted", "partlyAccepted", "typed", "rejected", "charactersTaken"] as const;
const schema = v.object({
  since: v.pipe(
    v.string(),
    v.check((text) => !Number.isNaN(Date.parse(text))),
  ),
  ...v.entriesFromList(names, v.pipe(v.number(), v.integer(), v.minValue(0))),
});

/**
 * Adds to the counts that the file holds at the time of writing, since other windows write it too. If two write in the same
 * millisecond, the last counts of one may be lost, but never the file: it is written under another name and renamed.
 */
export class CountsStore {
  private readonly file: string;
  /** Changes that are not written yet. */
  private pending: CountChange = {};
  private timer: NodeJS.Timeout | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  /** The counts, while the file cannot be written. */
  private unwritten: SuggestionCounts | undefined;
  private began = new Date();
  private hasWarned = false;

  constructor(
    private readonly folder: string,
    private readonly log: Log,
  ) {
    this.file = join(folder, countsFileName);
  }

  add(change: CountChange): void {
    this.pending = sum(this.pending, change);
    this.timer ??= setTimeout(() => void this.flush(), gatherMs);
    this.timer.unref();
  }

  /** The counts of all windows. Never rejects. */
  read(): Promise<SuggestionCounts> {
    return this.inTurn(async () => withChange(await this.load(), this.pending));
  }

  /** Sets all counts to zero. Never rejects. */
  clear(): Promise<SuggestionCounts> {
    return this.inTurn(async () => {
      this.pending = {};
      this.began = new Date();
      const counts = noneSince(this.began);
      await this.write(counts);
      return counts;
    });
  }

  /** Writes the changes that are not written yet. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    return this.inTurn(async () => {
      const change = this.pending;
      if (names.every((name) => (change[name] ?? 0) === 0)) return;
      this.pending = {};
      await this.write(withChange(await this.load(), change));
    });
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.turn.then(work);
    this.turn = done;
    return done;
  }

  private async load(): Promise<SuggestionCounts> {
    let text: string;
    try {
      text = await readRegularFile(this.file, maxBytes);
    } catch (error) {
      if (!isNotFound(error)) this.warnOnce(`${this.file} could not be read (${errorMessage(error)})`);
      return this.unwritten ?? noneSince(this.began);
    }
    const parsed = v.safeParse(schema, jsonOf(text));
    if (parsed.success) return parsed.output;
    this.log.warn(
      `${this.file}: expected counts of suggestions, found ${JSON.stringify(text.slice(0, 80))}; counting starts again.`,
    );
    return this.unwritten ?? noneSince(this.began);
  }

  private async write(counts: SuggestionCounts): Promise<void> {
    const temporary = `${this.file}.${process.pid}`;
    try {
      await makeFolder(this.folder);
      await writeFile(temporary, `${JSON.stringify(counts)}\n`);
      await rename(temporary, this.file);
      this.unwritten = undefined;
    } catch (error) {
      this.unwritten = counts;
      this.warnOnce(`${this.file} could not be written (${errorMessage(error)})`);
      await rm(temporary, { force: true }).catch(() => {});
    }
  }

  private warnOnce(what: string): void {
    if (!this.hasWarned) this.log.warn(`${what}: suggestions are counted for this run alone.`);
    this.hasWarned = true;
  }
}

function noneSince(time: Date): SuggestionCounts {
  return {
    since: time.toISOString(),
    shown: 0,
    accepted: 0,
    partlyAccepted: 0,
    typed: 0,
    rejected: 0,
    charactersTaken: 0,
  };
}

function sum(one: CountChange, other: CountChange): CountChange {
  return Object.fromEntries(names.map((name) => [name, (one[name] ?? 0) + (other[name] ?? 0)]));
}

/** Corrections of counts that another window has cleared meanwhile must not make them negative. */
function withChange(counts: SuggestionCounts, change: CountChange): SuggestionCounts {
  const result = { ...counts };
  for (const name of names) result[name] = Math.max(0, counts[name] + (change[name] ?? 0));
  return result;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
