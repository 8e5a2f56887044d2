// Reads LSP messages off a byte stream and finds its way again after bytes that are no message.
import { AbstractMessageReader, type DataCallback, Disposable, type Message } from "vscode-languageserver/node";

/** Longest header block that is believed; the two headers LSP knows need under a hundred bytes. */
const maximumHeaderBytes = 4096;
/** Largest body that is believed, so that a wrong length cannot keep the stream silent for ever. */
const maximumBodyBytes = 512 * 1024 * 1024;

/** A message that has begun and then stays silent for so long will not be finished. */
const defaultStallMs = 10_000;

const headerEnd = Buffer.from("\r\n\r\n");
const emptyBytes = Buffer.alloc(0);

export interface MalformedInput {
  /** JSON-RPC's: -32700 the bytes are no JSON, -32600 the JSON is no message. */
  readonly code: -32700 | -32600;
  readonly message: string;
  /** The request's id where the broken message still had one. */
  readonly id: string | number | null;
}

/**
 * A `MessageReader` for `Content-Length` framed JSON-RPC (LSP 3.18, base protocol).
 *
 * The library's own reader stops in the middle of its buffer after a bad header, so that the next good message waits for
 * more bytes; and it waits for ever for a body that is shorter than announced. This one drops bytes up to the next
 * `Content-Length`, says so through `onMalformed`, and goes on.
 */
export class LspMessageReader extends AbstractMessageReader {
  readonly #input: NodeJS.ReadableStream;
  readonly #onMalformed: (problem: MalformedInput) => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Bytes that must be there before looking again is worth it. */
  #wanted = 1;
  #bodyLength: number | undefined;
  #stall: NodeJS.Timeout | undefined;
  readonly #stallMs: number;

  constructor(input: NodeJS.ReadableStream, onMalformed: (problem: MalformedInput) => void, stallMs = defaultStallMs) {
    super();
    this.#input = input;
    this.#onMalformed = onMalformed;
    this.#stallMs = stallMs;
  }

  listen(callback: DataCallback): Disposable {
    const onData = (chunk: Buffer | string): void => {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      this.#chunks.push(bytes);
      this.#bytes += bytes.length;
      this.#readOn(callback);
    };
    const onError = (error: Error): void => this.fireError(error);
    const onClose = (): void => {
      clearTimeout(this.#stall);
      this.fireClose();
    };
    this.#input.on("data", onData);
    this.#input.on("error", onError);
    this.#input.on("close", onClose);
    return Disposable.create(() => {
      this.#input.removeListener("data", onData);
      this.#input.removeListener("error", onError);
      this.#input.removeListener("close", onClose);
    });
  }

  #readOn(callback: DataCallback): void {
    // A 50 MB message arrives in 64 kB pieces: joined once, when it is whole.
    while (this.#bytes >= this.#wanted && this.#step(callback)) {
      // Each step takes one message or one run of bad bytes off the buffer.
    }
    clearTimeout(this.#stall);
    if (this.#bytes === 0 && this.#bodyLength === undefined) return;
    const bytes = this.#bytes;
    this.#stall = setTimeout(() => {
      // After a machine's sleep the timer is due before the bytes that lie in the pipe are read: let them in first.
      setImmediate(() => {
        if (this.#bytes === bytes) this.#giveUp(callback);
      });
    }, this.#stallMs).unref();
  }

  /** What was announced does not come. What there is of it may hold the next message. */
  #giveUp(callback: DataCallback): void {
    const buffer = this.#join();
    const body = this.#bodyLength;
    // A header that was not finished must not be found again; in place of a body, a header is the next message's.
    const next = buffer.indexOf("Content-Length:", body === undefined ? 1 : 0, "latin1");
    const dropped = next === -1 ? buffer.length : next;
    this.#bodyLength = undefined;
    this.#wanted = 1;
    this.#drop(dropped);
    const expected = body === undefined ? "the end of a header" : `${body} bytes of JSON`;
    this.#onMalformed({
      code: -32700,
      id: null,
      message: `Expected ${expected}, found ${buffer.length} bytes and then nothing for ${this.#stallMs} ms; skipped ${dropped} bytes.`,
    });
    this.#readOn(callback);
  }

  /** Takes one header, one body or one run of bad bytes; false when more bytes are needed first. */
  #step(callback: DataCallback): boolean {
    const buffer = this.#join();
    if (this.#bodyLength !== undefined) {
      const body = buffer.subarray(0, this.#bodyLength);
      this.#drop(this.#bodyLength);
      this.#bodyLength = undefined;
      this.#wanted = 1;
      this.#deliver(body, callback);
      return true;
    }
    const end = buffer.indexOf(headerEnd);
    if (end === -1) {
      if (buffer.length > maximumHeaderBytes) {
        this.#resynchronise(buffer, `no end of header in ${buffer.length} bytes`);
        return true;
      }
      this.#wanted = buffer.length + 1;
      return false;
    }
    const header = buffer.toString("latin1", 0, end);
    const length = contentLength(header);
    if (typeof length === "string") {
      this.#resynchronise(buffer, length);
      return true;
    }
    this.#drop(end + headerEnd.length);
    this.#bodyLength = length;
    this.#wanted = length;
    return true;
  }

  /** Drops bytes up to the next thing that can be a header. */
  #resynchronise(buffer: Buffer, reason: string): void {
    // From 1: a bad header that itself starts with Content-Length must not be found again.
    const next = buffer.indexOf("Content-Length:", 1, "latin1");
    const end = buffer.indexOf(headerEnd);
    // With no header in sight: up to the end of this block, or all but a tail that may be the start of a header.
    const keepTail = Math.max(1, buffer.length - "Content-Length:".length);
    const dropped = next !== -1 ? next : end !== -1 ? end + headerEnd.length : keepTail;
    const shown = JSON.stringify(buffer.toString("latin1", 0, Math.min(dropped, 80)));
    this.#drop(dropped);
    this.#wanted = 1;
    this.#onMalformed({
      code: -32700,
      id: null,
      message: `Expected a header "Content-Length: N" and an empty line, found ${shown} (${reason}); skipped ${dropped} bytes.`,
    });
  }

  #deliver(body: Buffer, callback: DataCallback): void {
    let message: unknown;
    try {
      message = JSON.parse(body.toString("utf8"));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#onMalformed({
        code: -32700,
        id: null,
        message: `Expected JSON of ${body.length} bytes after the header: ${reason}.`,
      });
      return;
    }
    if (!isMessage(message)) {
      const shown = JSON.stringify(message).slice(0, 120);
      this.#onMalformed({
        code: -32600,
        id: idOf(message),
        message: `Expected a JSON-RPC 2.0 request, notification or response, found ${shown}.`,
      });
      return;
    }
    try {
      callback(message);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#onMalformed({ code: -32600, id: idOf(message), message: `The message could not be taken: ${reason}.` });
    }
  }

  #join(): Buffer {
    const [first, ...rest] = this.#chunks;
    if (first === undefined) return emptyBytes;
    if (rest.length === 0) return first;
    const joined = Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks = [joined];
    return joined;
  }

  #drop(count: number): void {
    const rest = this.#join().subarray(count);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#bytes = rest.length;
  }
}

/** The body's length, or what is wrong with the header. */
function contentLength(header: string): number | string {
  // The last one: where a header was not finished, the next message's begins within it.
  const line = header.split("\r\n").findLast((candidate) => /^content-length\s*:/i.test(candidate));
  if (line === undefined) return "no Content-Length";
  const value = line.slice(line.indexOf(":") + 1).trim();
  if (!/^\d+$/.test(value)) return `Content-Length is ${JSON.stringify(value.slice(0, 40))}, no whole number`;
  const length = Number(value);
  return length <= maximumBodyBytes ? length : `Content-Length ${value} is more than ${maximumBodyBytes} bytes`;
}

function isMessage(value: unknown): value is Message {
  if (typeof value !== "object" || value === null || !("jsonrpc" in value) || value.jsonrpc !== "2.0") return false;
  const named = "method" in value && typeof value.method === "string";
  if (!("id" in value)) return named && hasSaneParams(value);
  if (named) return (typeof value.id === "string" || typeof value.id === "number") && hasSaneParams(value);
  return "result" in value || "error" in value;
}

/** JSON-RPC 2.0: params, where given, are an object or an array. */
function hasSaneParams(value: object): boolean {
  return (
    !("params" in value) || value.params === null || value.params === undefined || typeof value.params === "object"
  );
}

function idOf(value: unknown): string | number | null {
  if (typeof value !== "object" || value === null || !("id" in value)) return null;
  return typeof value.id === "string" || typeof value.id === "number" ? value.id : null;
}
