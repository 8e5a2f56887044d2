// The additions to the library's message reader: answers to invalid messages, and an end when the stream is unusable.
import { PassThrough } from "node:stream";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { LspMessageReader } from "../../../../sidecar/server/connection/message-reader";

function framed(value: unknown): Buffer {
  const body = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
  return Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]);
}

const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
const pong = { jsonrpc: "2.0", id: 2, method: "pong", params: { text: "ä€😀" } };
const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

let input: PassThrough;
let reader: LspMessageReader;
let received: unknown[];
let refusals: { id: string | number | null; code: number; message: string }[];
let ends: string[];

beforeEach(() => {
  input = new PassThrough();
  received = [];
  refusals = [];
  ends = [];
  reader = new LspMessageReader(
    input,
    (id, code, message) => refusals.push({ id, code, message }),
    (reason) => ends.push(reason),
  );
  reader.listen((message) => received.push(message));
});

async function write(...pieces: (Buffer | string)[]): Promise<void> {
  for (const piece of pieces) input.write(piece);
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("LspMessageReader", () => {
  it("delivers messages that arrive together or byte by byte", async () => {
    await write(Buffer.concat([framed(ping), framed(pong)]));
    await write(...[...framed(pong)].map((byte) => Buffer.from([byte])));
    await expect.poll(() => received).toEqual([ping, pong, pong]);
    expect([refusals, ends]).toEqual([[], []]);
  });

  it("answers a body that is not JSON with an error, and reads the next message", async () => {
    await write(framed("{not json"), framed(ping));
    expect(received).toEqual([ping]);
    expect(refusals).toMatchObject([{ id: null, code: -32700, message: expect.stringMatching(/^Expected JSON/) }]);
  });

  it.each<[string, unknown, number | null]>([
    ["a number", 42, null],
    ["null", null, null],
    ["an empty object", {}, null],
    ["a batch", [ping], null],
    ["another version", { ...ping, jsonrpc: "1.0" }, 1],
    ["a method that is no text", { jsonrpc: "2.0", id: 7, method: 5 }, 7],
    ["params that are no structure", { jsonrpc: "2.0", id: 7, method: "x", params: "text" }, 7],
    ["a request with id null", { jsonrpc: "2.0", id: null, method: "x" }, null],
  ])("answers %s with an error, and reads the next message", async (_, value, id) => {
    await write(framed(value), framed(ping));
    expect(received).toEqual([ping]);
    expect(refusals).toMatchObject([{ id, code: -32600 }]);
  });

  it.each<[string, string, number | null]>([
    ["lists alone", deep(1_000_000), null],
    ["objects alone", `${'{"a":'.repeat(300_000)}1${"}".repeat(300_000)}`, null],
    ["params of a request", `{"jsonrpc":"2.0","id":7,"method":"x","params":${deep(200)}}`, 7],
    ["a result", `{"jsonrpc":"2.0","id":7,"result":${deep(100_000)}}`, 7],
    ["an id", `{"jsonrpc":"2.0","id":${deep(100_000)},"method":"x"}`, null],
  ])("refuses a deeply nested message: %s", async (_, body, id) => {
    await write(framed(body), framed(ping));
    await expect.poll(() => received).toEqual([ping]);
    expect(refusals).toMatchObject([{ id, code: -32600, message: expect.stringContaining("nested at most 200 deep") }]);
  });

  it("accepts a message nested 200 levels deep", async () => {
    await write(framed(`{"jsonrpc":"2.0","id":7,"method":"x","params":${deep(199)}}`));
    expect([received.length, refusals]).toEqual([1, []]);
  });

  it("continues after a receiver that throws", async () => {
    const other = new PassThrough();
    let calls = 0;
    new LspMessageReader(
      other,
      (id, code, message) => refusals.push({ id, code, message }),
      (reason) => ends.push(reason),
    ).listen(() => {
      calls += 1;
      if (calls === 1) throw new TypeError("Cannot read properties of undefined");
    });
    other.write(Buffer.concat([framed(ping), framed(pong)]));
    await expect.poll(() => calls).toBe(2);
    expect(refusals).toMatchObject([{ id: 1, code: -32600 }]);
    expect(ends).toEqual([]);
  });

  it.each<[string, string | Buffer]>([
    ["text", "hello there"],
    ["the first letter of text", "h"],
    ["HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["JSON without a header", JSON.stringify(ping)],
    ["bytes", Buffer.from([0, 255, 13, 10, 1, 2, 3])],
    ["a header without a length", "Content-Type: text/plain\r\n\r\n"],
    ["a length that is no number", "Content-Length: many\r\n\r\n"],
    ["a negative length", "Content-Length: -5\r\n\r\n"],
  ])("ends once with one message when the stream begins with %s", async (_, bytes) => {
    await write(bytes, framed(ping), "\r\n\r\n", framed(ping));
    expect(ends).toEqual([expect.stringMatching(/^expected a header "Content-Length: N" .*found .+$/)]);
    expect(received).toEqual([]);
  });

  it("ends after a body that is longer than its Content-Length", async () => {
    const body = JSON.stringify(ping);
    await write(framed(ping));
    await write(`Content-Length: ${body.length - 4}\r\n\r\n${body}`, framed(pong));
    expect(received).toEqual([ping]);
    expect(ends).toHaveLength(1);
  });

  it("ends when the rest of a message does not arrive, but waits for a slow one", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      reader.partialMessageTimeout = 1000;
      await write("Content-Length: 30\r\n\r\n");
      for (let n = 0; n < 12; n++) {
        await vi.advanceTimersByTimeAsync(999);
        await write(" ");
      }
      expect(ends).toEqual([]);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(ends).toEqual(["expected the rest of a message, found nothing more"]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("ends when a message exceeds the maximum length of a string", async () => {
    const block = Buffer.alloc(64 * 2 ** 20, 0x20);
    input.write("Content-Length: 123456789012\r\n\r\n");
    for (let n = 0; n < 8; n++) input.write(block);
    await expect.poll(() => ends).toEqual([expect.stringMatching(/at most 536870912 bytes, found more/)]);
  });
});
