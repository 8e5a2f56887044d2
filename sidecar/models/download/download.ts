// Downloads one file over HTTP: continues after cut connections and restarts, hashes while it receives, and gives the file its name last.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { causeMessage } from "../../host/errors";
import { DownloadError, inWords } from "./download-error";
import { DownloadFolder, downloadKey } from "./download-folder";
import { checkFreeSpace } from "./free-space";
import { type ExpectedFile, PartFile } from "./part-file";
import { type DownloadProgress, RateMeter } from "./progress";
import {
  checkSize,
  type Fetch,
  type FetchedResponse,
  Interruption,
  pageInstead,
  readAnswer,
  requestHeaders,
} from "./request";

export interface DownloadOptions {
  /** http or https. */
  readonly url: string;
  /** Name that the file gets; letters, digits, dots, dashes and underscores. */
  readonly file: string;
  /** What the file must be; undefined: the address is the user's, and nobody knows. */
  readonly expected: ExpectedFile | undefined;
  /** Folder of all downloads. */
  readonly folder: string;
  /** Bytes that must be free beside those of the file, for what is made of it. */
  readonly alsoNeeded: number;
  readonly fetch: Fetch;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly limits?: Partial<DownloadLimits>;
  /** Free bytes on the disk of a folder; default: the system's answer. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

export interface DownloadLimits {
  /** Time without a byte after which a connection counts as cut, in milliseconds. */
  readonly stallMs: number;
  /** Attempts in a row that bring no byte. */
  readonly attempts: number;
  /** Wait before the second attempt, doubled before each further one, in milliseconds. */
  readonly firstWaitMs: number;
}

const defaultLimits: DownloadLimits = { stallMs: 30_000, attempts: 5, firstWaitMs: 1000 };

/** Every model file begins so. */
const magic = "GGUF";

/** A file that was downloaded, in a folder of its own. */
export interface Downloaded {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Deletes it, once it is not needed any more. */
  delete(): Promise<void>;
  /** Leaves it for the next attempt. */
  giveBack(): Promise<void>;
}

/**
 * What was received stays on disk when the download is aborted or fails, and the next one continues there, unless the file turned
 * out to be another one.
 * @throws DownloadError; the signal's reason when it is aborted
 */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const { url, file, expected } = options;
  if (!/^https?:\/\/./i.test(url))
    throw new DownloadError(`Expected an address that begins with https:// or http://, found ${url}. Correct it.`);
  return inDownloadFolder(options.folder, downloadKey(expected?.sha256 ?? url), async (folder) => {
    const part = await PartFile.open(join(folder, file), options.signal);
    try {
      await new Receiver(options, part, folder).receiveAll();
      return { path: await part.finish(), bytes: part.bytes, sha256: part.sha256() };
    } catch (error) {
      await part.close().catch(() => undefined);
      throw error;
    }
  });
}

/**
 * Runs `work` in the folder of a download. It stays for the next attempt when the work fails.
 * @throws DownloadError for what the disk refuses
 */
export async function inDownloadFolder(
  root: string,
  key: string,
  work: (folder: string) => Promise<Omit<Downloaded, "delete" | "giveBack">>,
): Promise<Downloaded> {
  let claimed: DownloadFolder | undefined;
  try {
    const folder = await DownloadFolder.claim(root, key);
    claimed = folder;
    const file = await work(folder.path);
    return { ...file, delete: () => folder.delete(), giveBack: () => folder.giveBack() };
  } catch (error) {
    await claimed?.giveBack();
    throw inWords(error, root);
  }
}

class Receiver {
  private readonly meter = new RateMeter();
  private readonly limits: DownloadLimits;
  private answered = false;

  /** @param folder of this download */
  constructor(
    private readonly options: DownloadOptions,
    private readonly part: PartFile,
    private readonly folder: string,
  ) {
    this.limits = { ...defaultLimits, ...options.limits };
  }

  /** Receives until the file is complete and right. Where bytes of an earlier attempt make it wrong, once more from the start. */
  async receiveAll(): Promise<void> {
    const { part } = this;
    const { url, expected, folder, alsoNeeded } = this.options;
    if (expected !== undefined) {
      if (part.bytes > expected.bytes) await part.clear();
      await checkFreeSpace(folder, expected.bytes - part.bytes + alsoNeeded, this.options.freeBytes);
    }
    const continued = part.bytes > 0;
    await this.receive();
    if (expected === undefined || part.sha256() === expected.sha256) return;
    const found = part.sha256();
    await part.clear();
    if (continued) {
      await this.receive();
      if (part.sha256() === expected.sha256) return;
      await part.clear();
    }
    throw new DownloadError(
      `${url}: expected a file with SHA-256 ${expected.sha256}, found ${found}: it is another file, or was damaged on the way. It was deleted. Try again, or name another address with --from.`,
    );
  }

  /** Receives until the file is complete, with several attempts. */
  private async receive(): Promise<void> {
    const { part, limits } = this;
    const { url, expected, signal } = this.options;
    let failures = 0;
    while (expected === undefined || part.bytes < expected.bytes) {
      const before = part.bytes;
      try {
        await this.attempt();
        return;
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof Interruption)) throw error;
        failures = part.bytes > before ? 1 : failures + 1;
        if (failures >= limits.attempts || (!error.worthWaiting && !this.answered))
          throw new DownloadError(
            `${url}: expected the file, found no connection (${error.message}). Check the network, or the proxy (VS Code: http.proxy, command line: HTTPS_PROXY), and try again${part.bytes > 0 ? "; the download continues where it stopped" : ""}.`,
            { cause: error },
          );
        await pause(limits.firstWaitMs * 2 ** (failures - 1), undefined, signal && { signal }).catch(() =>
          signal?.throwIfAborted(),
        );
      }
    }
  }

  /** One request, and the bytes that answer it. @throws Interruption when they are not the whole rest */
  private async attempt(): Promise<void> {
    const { part } = this;
    const { url, expected, signal } = this.options;
    const watch = new StallWatch(this.limits.stallMs);
    const signals = signal === undefined ? watch.signal : AbortSignal.any([signal, watch.signal]);
    try {
      // Where the hash is known it decides; the server's version would make a mirror or another node of a network begin again.
      const version = expected === undefined ? await this.knownVersion() : undefined;
      if (expected === undefined && version === undefined) await part.clear();
      const headers = requestHeaders(part.bytes, version);
      const response = await watch.wait(this.options.fetch(url, { headers, signal: signals }));
      this.answered = true;
      const answer = readAnswer(url, response, part.bytes);
      if (answer === undefined) {
        await part.clear();
        throw new Interruption("the server cannot continue the file", true);
      }
      if (answer.total !== undefined) checkSize(url, answer.total, expected?.bytes);
      if (answer.start === 0) await this.begin(answer.version, answer.total);
      await this.receiveBody(response, answer.total, watch);
    } finally {
      watch.end();
    }
  }

  /** The server sends the file from its first byte on. */
  private async begin(version: string | undefined, total: number | undefined): Promise<void> {
    const { expected, folder, alsoNeeded, freeBytes } = this.options;
    if (this.part.bytes > 0) {
      await this.part.clear();
      this.meter.reset();
    }
    if (expected !== undefined) return;
    if (total !== undefined) await checkFreeSpace(folder, total + alsoNeeded, freeBytes);
    await writeFile(this.versionPath, version ?? "");
  }

  private async receiveBody(response: FetchedResponse, total: number | undefined, watch: StallWatch): Promise<void> {
    const { part } = this;
    const { url, expected, onProgress } = this.options;
    const size = expected?.bytes ?? total;
    const reader = response.body?.getReader();
    if (reader === undefined) throw new Interruption("an answer without content", true);
    try {
      onProgress?.(this.meter.progress(part.bytes, size));
      for (;;) {
        const { done, value } = await watch.wait(reader.read());
        if (done) break;
        if (value === undefined) continue;
        if (size !== undefined) checkLength(url, part.bytes + value.length, size);
        const first = part.bytes === 0;
        await part.append(value);
        if (first) await this.checkBeginning();
        onProgress?.(this.meter.progress(part.bytes, size));
      }
    } finally {
      void reader.cancel().catch(() => undefined);
    }
    if (size !== undefined && part.bytes < size) throw new Interruption("the connection ended too early", true);
  }

  /** Anything else is refused before hundreds of megabytes of it are received. */
  private async checkBeginning(): Promise<void> {
    const { part } = this;
    const { url } = this.options;
    const found = await part.beginning(Math.min(magic.length, part.bytes));
    if (magic.startsWith(found)) return;
    await part.clear();
    throw found.startsWith("<")
      ? pageInstead(url)
      : new DownloadError(
          `${url}: expected a file in the format GGUF, found one that begins with ${JSON.stringify(found)}. Name the address of a .gguf file.`,
        );
  }

  private get versionPath(): string {
    return join(this.folder, "version");
  }

  /** Of the file that the bytes on disk are of; undefined when it is not known, so that they are of no use. */
  private async knownVersion(): Promise<string | undefined> {
    return (await readFile(this.versionPath, "utf8").catch(() => "")) || undefined;
  }
}

/** @throws DownloadError when a server sends more than the file has */
function checkLength(url: string, found: number, size: number): void {
  if (found > size)
    throw new DownloadError(
      `${url}: expected ${size.toLocaleString("en-US")} bytes, found more: it is another file. Name another address with --from, or try again later.`,
    );
}

/** Waits for the network, and aborts what brings nothing for a while. */
class StallWatch {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly stallMs: number) {}

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The result of `work`. @throws Interruption when it fails or takes too long */
  async wait<Result>(work: Promise<Result>): Promise<Result> {
    const stalled = new Promise<never>((_, reject) => {
      this.timer = setTimeout(() => {
        reject(new Interruption(`nothing came for ${this.stallMs / 1000} seconds`, true));
        this.controller.abort();
      }, this.stallMs);
    });
    try {
      return await Promise.race([work, stalled]);
    } catch (error) {
      throw error instanceof Interruption ? error : new Interruption(causeMessage(error), false);
    } finally {
      clearTimeout(this.timer);
    }
  }

  end(): void {
    this.controller.abort();
  }
}
