// The last traces over a real connection in memory, newest first, and what is kept to compute them again.
import { PassThrough } from "node:stream";
import { beforeEach, describe, expect, it } from "vitest";
import {
  createConnection,
  createProtocolConnection,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver/node";
import { type CompletionTrace, messages } from "../../../sidecar/protocol";
import { Traces } from "../../../sidecar/suggestions/traces";
import { traceWith } from "../completion-trace";

let client: ProtocolConnection;
let traces: Traces;

const trace = (id: number, change: Partial<CompletionTrace> = {}): CompletionTrace =>
  traceWith({ id, suggestion: "abc", ...change });

const ids = async (): Promise<number[]> => (await client.sendRequest(messages.traces)).map(({ id }) => id);

beforeEach(() => {
  const [up, down] = [new PassThrough(), new PassThrough()];
  const server = createConnection(new StreamMessageReader(up), new StreamMessageWriter(down));
  traces = new Traces(server);
  server.listen();
  client = createProtocolConnection(new StreamMessageReader(down), new StreamMessageWriter(up));
  client.listen();
});

describe("Traces", () => {
  it("are none at first", async () => {
    expect(await client.sendRequest(messages.trace, {})).toBeNull();
    expect(await ids()).toEqual([]);
  });

  it("are the last fifty, newest first", async () => {
    for (let id = 1; id <= 60; id++) traces.put(trace(id));
    expect(await ids()).toEqual(Array.from({ length: 50 }, (_, n) => 60 - n));
  });

  it("are sent to the client, before later answers", async () => {
    const told: number[] = [];
    client.onNotification(messages.completed, ({ id }) => void told.push(id));
    traces.put(trace(1));
    traces.put(trace(2));
    traces.put(trace(1, { cached: true }));
    await ids();
    expect(told).toEqual([1, 2, 1]);
  });

  it("hold a suggestion that is typed along once, as it was shown last", async () => {
    traces.put(trace(1));
    traces.put(trace(2));
    traces.put(trace(1, { suggestion: "bc", cached: true }));
    expect(await ids()).toEqual([1, 2]);
    expect(await client.sendRequest(messages.trace, {})).toMatchObject({ id: 1, suggestion: "bc", cached: true });
  });

  it("are found by id", async () => {
    traces.put(trace(1));
    traces.put(trace(2));
    expect(await client.sendRequest(messages.trace, { id: 1 })).toMatchObject({ id: 1 });
    expect(await client.sendRequest(messages.trace, {})).toMatchObject({ id: 2 });
    expect(await client.sendRequest(messages.trace, { id: 3 })).toBeNull();
    await expect(client.sendRequest(messages.trace.method, { id: "1" })).rejects.toThrow(
      /expected \{id\?: number\}, found \{"id":"1"\}/,
    );
  });
});
