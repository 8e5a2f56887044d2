// The counts of suggestions on disk: one small file in the storage folder, for all sidecars that share it.

import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { errorMessage, isNotFound } from "../host/errors";
import type { Log } from "../host/log";
import { makeFolder } from "../host/make-folder";
import type { SuggestionCounts } from "../protocol";
import type { CountChange } from "./acceptance";

export const countsFileName = "suggestion-counts.json";
/** Changes are gathered this long. A sidecar that is killed loses no more. */
const gatherMs = 2000;

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const schema = v.object({
  since: v.pipe(
    v.string(),
    v.check((text) => !Number.isNaN(Date.parse(text))),
  ),
  shown: whole,
  accepted: whole,
  partlyAccepted: whole,
  typed: whole,
  rejected: whole,
  charactersTaken: whole,
});
const names = ["shown", "accepted", "partlyAccepted", "typed", "rejected", "charactersTaken"] as const;

/**
 * Adds to what the file says at the time of writing: other windows count in it too. Two that write in the same millisecond
 * may lose one's last counts, never the file: it is written under another name and renamed.
 */
export class CountsStore {
  readonly #file: string;
  readonly #log: Log;
  readonly #folder: string;
  /** Counted and not yet written. */
  #pending: CountChange = {};
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** While the file cannot be written. */
  #kept: SuggestionCounts | undefined;
  #began = new Date();
  #told = false;

  constructor(storagePath: string, log: Log) {
    this.#folder = storagePath;
    this.#file = join(storagePath, countsFileName);
    this.#log = log;
  }

  add(change: CountChange): void {
    this.#pending = sum(this.#pending, change);
    this.#timer ??= setTimeout(() => void this.flush(), gatherMs);
    this.#timer.unref();
  }

  /** All that was counted, by whichever window. Never rejects. */
  read(): Promise<SuggestionCounts> {
    return this.#inTurn(async () => withChange(await this.#load(), this.#pending));
  }

  /** Begins anew. Never rejects. */
  clear(): Promise<SuggestionCounts> {
    return this.#inTurn(async () => {
      this.#pending = {};
      this.#began = new Date();
      const counts = noneSince(this.#began);
      await this.#write(counts);
      return counts;
    });
  }

  /** Writes what is not yet written. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#inTurn(async () => {
      const change = this.#pending;
      if (names.every((name) => (change[name] ?? 0) === 0)) return;
      this.#pending = {};
      await this.#write(withChange(await this.#load(), change));
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done;
    return done;
  }

  async #load(): Promise<SuggestionCounts> {
    let text: string;
    try {
      text = await readFile(this.#file, "utf8");
    } catch (error) {
      if (!isNotFound(error)) this.#tell(`${this.#file} could not be read (${errorMessage(error)})`);
      return this.#kept ?? noneSince(this.#began);
    }
    const parsed = v.safeParse(schema, jsonOf(text));
    if (parsed.success) return parsed.output;
    this.#log.warn(
      `${this.#file}: expected counts of suggestions, found ${JSON.stringify(text.slice(0, 80))}; counting begins anew.`,
    );
    return this.#kept ?? noneSince(this.#began);
  }

  async #write(counts: SuggestionCounts): Promise<void> {
    const temporary = `${this.#file}.${process.pid}`;
    try {
      await makeFolder(this.#folder);
      await writeFile(temporary, `${JSON.stringify(counts)}\n`);
      await rename(temporary, this.#file);
      this.#kept = undefined;
    } catch (error) {
      this.#kept = counts;
      this.#tell(`${this.#file} could not be written (${errorMessage(error)})`);
      await rm(temporary, { force: true }).catch(() => {});
    }
  }

  #tell(what: string): void {
    if (!this.#told) this.#log.warn(`${what}: suggestions are counted for this run alone.`);
    this.#told = true;
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

/** A correction of what another window has cleared meanwhile must not go below nothing. */
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
