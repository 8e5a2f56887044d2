// LSP messages from a byte stream by the library's reader; what is framed but no message is refused, what is no LSP stream is reported.
import {
  type DataCallback,
  type Disposable,
  ErrorCodes,
  type Message,
  StreamMessageReader,
} from "vscode-languageserver/node";
import { errorMessage } from "../../host/errors";
import type { Refuse } from "./lifecycle";

/** Deeper structures end in a stack overflow wherever a function calls itself for each level. LSP needs less than twenty. */
const maxDepth = 200;
/** Bytes without a message among them; V8 has no longer string. */
const maxMessageBytes = 512 * 2 ** 20;
/** Reports of the library, ten seconds apart, that a message is not whole, with no byte between them. */
const maxSilentReports = 3;
/** Both headers that LSP knows begin so. */
const headerStart = "content-";
const header = 'a header "Content-Length: N" and an empty line';

/**
 * Reads LSP's base protocol. A well-framed body that is no JSON, no JSON-RPC message, nested too deeply or that the receiver
 * cannot take is answered through `refuse`, and the next message is read.
 */
export class LspMessageReader extends StreamMessageReader {
  private bytesSinceMessage = 0;
  private silentReports = 0;
  private start = "";
  private ended = false;

  /**
   * @param input the client's bytes.
   * @param refuse answers a message with an error.
   * @param broken takes one line that says why `input` is no LSP stream, or why nothing more can come of it. Nothing is
   * delivered afterwards.
   */
  constructor(
    private readonly input: NodeJS.ReadableStream,
    private readonly refuse: Refuse,
    private readonly broken: (reason: string) => void,
  ) {
    super(input, { contentTypeDecoder: { name: "application/json", decode: async (bytes) => decode(bytes) } });
    this.onError((error) => this.end(`expected ${header}, found ${oneLine(error)}`));
    this.onPartialMessage(() => {
      if (++this.silentReports >= maxSilentReports) this.end("expected the rest of a message, found nothing more");
    });
  }

  override listen(callback: DataCallback): Disposable {
    this.input.on("data", (chunk: Buffer | string) => this.watch(chunk));
    return super.listen((message) => {
      this.bytesSinceMessage = 0;
      if (!this.ended) this.deliver(message, callback);
    });
  }

  /** The library waits without end for the end of a header, and for a body of any announced length. */
  private watch(chunk: Buffer | string): void {
    this.silentReports = 0;
    this.bytesSinceMessage += chunk.length;
    if (this.bytesSinceMessage > maxMessageBytes)
      this.end(`expected a message of at most ${maxMessageBytes} bytes, found more without its end`);
    const missing = headerStart.length - this.start.length;
    if (missing === 0) return;
    this.start += chunk.toString().slice(0, missing).toLowerCase();
    if (!headerStart.startsWith(this.start)) this.end(`expected ${header} first, found ${JSON.stringify(this.start)}`);
  }

  private end(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    this.broken(reason);
  }

  private deliver(value: unknown, callback: DataCallback): void {
    if (value instanceof Undecodable) this.refuse(null, ErrorCodes.ParseError, value.reason);
    else if (nestsDeeperThan(value, maxDepth))
      this.refuse(
        idOf(value),
        ErrorCodes.InvalidRequest,
        `Expected a message nested at most ${maxDepth} deep, found a deeper one.`,
      );
    else if (!isMessage(value))
      this.refuse(
        idOf(value),
        ErrorCodes.InvalidRequest,
        "Expected a JSON-RPC 2.0 request, notification or response, found something else.",
      );
    else
      try {
        callback(value);
      } catch (error) {
        this.refuse(idOf(value), ErrorCodes.InvalidRequest, `The message could not be taken: ${oneLine(error)}.`);
      }
  }
}

/** Stands for a body that is no JSON, since the library delivers whatever was decoded. */
class Undecodable implements Message {
  readonly jsonrpc = "2.0";

  constructor(readonly reason: string) {}
}

function decode(body: Uint8Array): Message {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
  } catch (error) {
    return new Undecodable(`Expected JSON of ${body.length} bytes after the header: ${oneLine(error)}.`);
  }
}

/** Whether a value of JSON has lists or objects in more than `max` levels. Level by level, since no stack is deep enough. */
function nestsDeeperThan(value: unknown, max: number): boolean {
  let level = [value].filter(isStructure);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === max) return true;
    level = level.flatMap((structure) => Object.values(structure).filter(isStructure));
  }
  return false;
}

function isStructure(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isMessage(value: unknown): value is Message {
  if (!isStructure(value) || !("jsonrpc" in value) || value.jsonrpc !== "2.0") return false;
  const named = "method" in value && typeof value.method === "string";
  if (!("id" in value)) return named && hasSaneParams(value);
  if (named) return (typeof value.id === "string" || typeof value.id === "number") && hasSaneParams(value);
  return "result" in value || "error" in value;
}

/** JSON-RPC 2.0: params, where given, are an object or an array. */
function hasSaneParams(value: object): boolean {
  return !("params" in value) || value.params === undefined || typeof value.params === "object";
}

function idOf(value: unknown): string | number | null {
  if (!isStructure(value) || !("id" in value)) return null;
  return typeof value.id === "string" || typeof value.id === "number" ? value.id : null;
}

function oneLine(error: unknown): string {
  const message = errorMessage(error);
  return message.replace(/\s+/g, " ").slice(0, 200);
}
