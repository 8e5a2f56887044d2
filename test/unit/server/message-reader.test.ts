// The reader's way through good, cut-up and malformed input.
import { PassThrough } from "node:stream";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { LspMessageReader, type MalformedInput } from "../../../sidecar/server/message-reader";

function framed(value: unknown): Buffer {
  const body = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
  return Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]);
}

const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
const pong = { jsonrpc: "2.0", id: 2, method: "pong", params: { text: "ä€😀" } };

let input: PassThrough;
let received: unknown[];
let problems: MalformedInput[];

beforeEach(() => {
  input = new PassThrough();
  received = [];
  problems = [];
  new LspMessageReader(input, (problem) => problems.push(problem)).listen((message) => received.push(message));
});

async function write(...pieces: (Buffer | string)[]): Promise<void> {
  for (const piece of pieces) input.write(piece);
  await new Promise((resolve) => setImmediate(resolve));
}

describe("LspMessageReader", () => {
  it("reads several messages out of one piece", async () => {
    await write(Buffer.concat([framed(ping), framed(pong)]));
    expect(received).toEqual([ping, pong]);
  });

  it("reads a message that comes byte by byte, also inside a character", async () => {
    await write(...[...framed(pong)].map((byte) => Buffer.from([byte])));
    expect(received).toEqual([pong]);
    expect(problems).toEqual([]);
  });

  it("takes other headers and any case", async () => {
    const body = JSON.stringify(ping);
    await write(
      `Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    expect(received).toEqual([ping]);
  });

  it.each([
    ["no number", "Content-Length: many\r\n\r\n"],
    ["a negative number", "Content-Length: -5\r\n\r\n"],
    ["an absurd number", "Content-Length: 99999999999\r\n\r\n"],
    ["no length", "Content-Type: text/plain\r\n\r\n"],
    ["garbage", "hello there\r\n\r\n"],
    ["garbage without an end", "GET / HTTP/1.1\nHost: x\n"],
    ["binary garbage", Buffer.from([0, 255, 13, 10, 1, 2, 3])],
  ])("goes on after a header with %s, in the same piece", async (_, bad) => {
    await write(Buffer.concat([framed(ping), Buffer.from(bad), framed(pong)]));
    expect(received).toEqual([ping, pong]);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]).toMatchObject({ code: -32700, id: null });
    expect(problems[0]?.message).toMatch(/Expected a header "Content-Length: N".*found/);
  });

  it("does not keep an endless header in memory", async () => {
    await write("x".repeat(100_000));
    expect(problems.length).toBeGreaterThan(0);
    await write(framed(ping));
    expect(received).toEqual([ping]);
  });

  it("answers bad JSON and goes on", async () => {
    await write(framed("{not json"), framed(ping));
    expect(received).toEqual([ping]);
    expect(problems).toMatchObject([{ code: -32700, id: null }]);
  });

  it("finds its way after a length that is too short, and one that is too long", async () => {
    const body = JSON.stringify(ping);
    await write(`Content-Length: ${body.length - 4}\r\n\r\n${body}`, framed(pong));
    expect(received).toEqual([pong]);
    await write(`Content-Length: ${body.length + 4}\r\n\r\n${body}`, framed(pong), framed(ping));
    expect(received.at(-1)).toEqual(ping);
  });

  it.each([
    ["a number", 42],
    ["null", null],
    ["an empty object", {}],
    ["a batch", [ping]],
    ["another version", { ...ping, jsonrpc: "1.0" }],
    ["a method that is no text", { jsonrpc: "2.0", id: 7, method: 5 }],
    ["params that are no structure", { jsonrpc: "2.0", id: 7, method: "x", params: "text" }],
    ["a request with id null", { jsonrpc: "2.0", id: null, method: "x" }],
  ])("refuses %s as no message", async (_, value) => {
    await write(framed(value), framed(ping));
    expect(received).toEqual([ping]);
    expect(problems).toMatchObject([{ code: -32600 }]);
  });

  it("says which request was broken where it can", async () => {
    await write(framed({ jsonrpc: "2.0", id: 7, method: "x", params: 1 }));
    expect(problems).toMatchObject([{ code: -32600, id: 7 }]);
  });

  it.each([
    [
      "a body shorter than announced",
      Buffer.concat([Buffer.from('Content-Length: 4000\r\n\r\n{"jsonrpc"'), framed(ping)]),
    ],
    ["no body at all", Buffer.concat([Buffer.from("Content-Length: 4000\r\n\r\n"), framed(ping)])],
    ["a header that is not finished", Buffer.concat([Buffer.from("Content-Length: 4000\r\n"), framed(ping)])],
  ])("gives up %s once it is quiet, and finds the message behind it", async (_, bytes) => {
    const other = new PassThrough();
    const seen: MalformedInput[] = [];
    const good: unknown[] = [];
    new LspMessageReader(other, (problem) => seen.push(problem), 50).listen((message) => good.push(message));
    other.write(bytes);
    await vi.waitFor(() => expect(good).toEqual([ping]));
    expect(seen.length).toBeLessThanOrEqual(1);
    other.write(framed(pong));
    await vi.waitFor(() => expect(good).toEqual([ping, pong]));
  });

  it("waits for a slow message as long as it goes on", async () => {
    const other = new PassThrough();
    const seen: MalformedInput[] = [];
    const good: unknown[] = [];
    new LspMessageReader(other, (problem) => seen.push(problem), 200).listen((message) => good.push(message));
    const bytes = framed(pong);
    for (let at = 0; at < bytes.length; at += 10) {
      other.write(bytes.subarray(at, at + 10));
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    expect(good).toEqual([pong]);
    expect(seen).toEqual([]);
  });

  it("survives a receiver that throws", async () => {
    const other = new PassThrough();
    const seen: MalformedInput[] = [];
    let calls = 0;
    new LspMessageReader(other, (problem) => seen.push(problem)).listen(() => {
      calls += 1;
      if (calls === 1) throw new TypeError("Cannot read properties of undefined");
    });
    other.write(Buffer.concat([framed(ping), framed(pong)]));
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toBe(2);
    expect(seen).toMatchObject([{ code: -32600, id: 1 }]);
  });

  it("joins a large body once, not once for each piece", async () => {
    const text = "a".repeat(20_000_000);
    const bytes = framed({ jsonrpc: "2.0", method: "big", params: { text } });
    const start = performance.now();
    for (let at = 0; at < bytes.length; at += 65536) input.write(bytes.subarray(at, at + 65536));
    while (received.length === 0) await new Promise((resolve) => setImmediate(resolve));
    // 305 pieces joined anew each time would copy 3 GB.
    expect(performance.now() - start).toBeLessThan(3000);
    expect(received).toHaveLength(1);
  });
});
