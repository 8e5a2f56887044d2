// One HTTP request of a download: what is asked for, and what the answer's head says about the bytes that follow.
import { DownloadError, megabytes } from "./download-error";

/** What a download needs of `fetch`: the one of Node.js, of VS Code, or of a library. */
export type Fetch = (
  url: string,
  init: { readonly headers: Record<string, string>; readonly signal: AbortSignal },
) => Promise<FetchedResponse>;

export interface FetchedResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: { getReader(): BodyReader } | null;
}

export interface BodyReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** A failure that the next attempt may not have: the connection was cut, or the server is busy. */
export class Interruption extends Error {
  override readonly name = "Interruption";

  /** @param worthWaiting whether the server answered, so that it is likely to answer again */
  constructor(
    message: string,
    readonly worthWaiting: boolean,
  ) {
    super(message);
  }
}

/** What the head of an answer says. */
export interface Answer {
  /** Where in the file its first byte belongs. */
  readonly start: number;
  /** Bytes of the whole file; undefined when the server does not tell. */
  readonly total: number | undefined;
  /** Of this version of the file, for a header If-Range; undefined when the server gives none. */
  readonly version: string | undefined;
}

/** @param from bytes that are there already. @param version of the file that they are of */
export function requestHeaders(from: number, version: string | undefined): Record<string, string> {
  return {
    // Lengths and ranges are those of the file, not of something compressed.
    "Accept-Encoding": "identity",
    ...(from === 0 ? {} : { Range: `bytes=${from}-` }),
    ...(from === 0 || version === undefined ? {} : { "If-Range": version }),
  };
}

/**
 * @returns undefined when the server cannot give the rest of what is there, so that the download begins again
 * @throws Interruption, or DownloadError when another attempt would fail as well
 */
export function readAnswer(url: string, { status, headers }: FetchedResponse, from: number): Answer | undefined {
  if (status === 416 && from > 0) return undefined;
  if (status !== 200 && status !== 206) throw refusal(url, status);
  if (/^\s*text\/html\b/i.test(headers.get("content-type") ?? "")) throw pageInstead(url);
  const version = versionOf(headers);
  if (status === 200) {
    // The length of something compressed says nothing of the file.
    const length = headers.get("content-encoding") === null ? headers.get("content-length") : null;
    return { start: 0, total: length === null ? undefined : Number(length), version };
  }
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ?? [];
  if (start === undefined || total === undefined || Number(start) !== from) return undefined;
  return { start: from, total: total === "*" ? undefined : Number(total), version };
}

/** A weak ETag does not promise the same bytes. */
function versionOf(headers: FetchedResponse["headers"]): string | undefined {
  const tag = headers.get("etag");
  if (tag?.startsWith('"')) return tag;
  return headers.get("last-modified") ?? undefined;
}

/** The error for an answer that is a page for people, as proxies and login pages send it. */
export function pageInstead(url: string): DownloadError {
  return new DownloadError(
    `${url}: expected a model file, found a web page: a proxy or a login page may have answered. Open the address in a browser to see it; or download the file there, and add it with "model add FILE".`,
  );
}

function refusal(url: string, status: number): Error {
  const found = `expected a model file, found HTTP status ${status}`;
  switch (status) {
    case 401:
    case 403:
      return new DownloadError(
        `${url}: ${found}: the server gives it to nobody who is not logged in. Download it in a browser and add it with "model add FILE", or name another address with --from.`,
      );
    case 404:
    case 410:
      return new DownloadError(
        `${url}: ${found}: there is no such file. Check the address, or name another one with --from.`,
      );
    case 407:
      return new DownloadError(
        `${url}: ${found}: the proxy wants a name and a password. Set them where the proxy is set (VS Code: http.proxy, command line: HTTPS_PROXY) and try again.`,
      );
    default:
      if (status === 408 || status === 429 || status >= 500) return new Interruption(`HTTP status ${status}`, true);
      return new DownloadError(`${url}: ${found}. Name another address with --from, or try again later.`);
  }
}

/** @throws DownloadError when the file has another size than it must have */
export function checkSize(url: string, found: number, expected: number | undefined): void {
  if (expected !== undefined && found !== expected)
    throw new DownloadError(
      `${url}: expected a file of ${expected.toLocaleString("en-US")} bytes (${megabytes(expected)}), found one of ${found.toLocaleString("en-US")}: it is another file. Name another address with --from, or try again later.`,
    );
}
