// A newer request and an edit cancel the older request within one run of the real model.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createConnection, StreamMessageReader, StreamMessageWriter } from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { type Engine, openEngine } from "../../../sidecar/engine";
import { type CompletionTrace, defaultSettings } from "../../../sidecar/protocol";
import { CompletionCache } from "../../../sidecar/suggestions/completion-cache";
import { type DocumentSnapshot, snapshotAt } from "../../../sidecar/suggestions/document-snapshot";
import { RequestScheduler } from "../../../sidecar/suggestions/request-scheduler";
import { Traces } from "../../../sidecar/suggestions/traces";
import { modelPath } from "../../model";

const log = { debug() {}, info() {}, warn() {}, error() {} };
let storagePath: string;
let engine: Engine;
let scheduler: RequestScheduler;
let finished: CompletionTrace[];
/** Called before each of the model's runs after the prompt. */
let beforeDecode: (run: number) => void;
/** Number of runs after the prompt of the current completion. */
let runs: number;

beforeAll(async () => {
  storagePath = await mkdtemp(join(tmpdir(), "selfracg-cancel-"));
  const grammarPath = resolve(import.meta.dirname, "../../../dist/grammars");
  engine = await openEngine({
    modelPath,
    grammarPath,
    storagePath,
    executionProvider: "cpu",
    threads: 1,
    maxFileKilobytes: 512,
    log,
    hasFolders: () => false,
  });
  const { backbone } = engine;
  const decode = backbone.decode.bind(backbone);
  const prefill = backbone.prefill.bind(backbone);
  backbone.prefill = async (...given) => {
    const read = await prefill(...given);
    runs = 0;
    return read;
  };
  backbone.decode = (...given) => {
    runs += 1;
    beforeDecode(runs);
    return decode(...given);
  };
});
afterAll(async () => {
  await engine.dispose();
  await rm(storagePath, { recursive: true, force: true });
});

beforeEach(() => {
  finished = [];
  beforeDecode = () => {};
  scheduler = new RequestScheduler({
    cache: new CompletionCache(),
    traces: new Traces(
      createConnection(new StreamMessageReader(new PassThrough()), new StreamMessageWriter(new PassThrough())),
    ),
    debounce: { hold: async () => 0, completed() {} },
    settings: () => defaultSettings,
    modelNeeded() {},
    modelHash: () => "m",
    revision: () => undefined,
    completer: () => ({
      complete: async (context, settings, position, signal, arrivedAt) => {
        const trace = await engine.completer.complete(context, settings, position, signal, arrivedAt);
        finished.push(trace);
        return trace;
      },
    }),
  });
});

const text =
  "import json\n\ndef read_settings(path):\n    with open(path) as file:\n        \n\ndef total(prices):\n    \n";
const uri = "file:///a.py";
const document = TextDocument.create(uri, "python", 1, text);
const at = (line: number, character: number): DocumentSnapshot =>
  snapshotAt(document, { line, character }, undefined, { folders: [], cell: undefined });
const ask = (place: DocumentSnapshot, signal = new AbortController().signal) =>
  scheduler.suggest(place, { invoked: true, signal, arrivedAt: performance.now() });

describe("a cancelled decoding", () => {
  it("would need more than three runs without the cancellation", async () => {
    await ask(at(4, 8));
    expect(finished[0]?.decodeSteps).toBeGreaterThan(3);
  });

  it.each<[string, (external: AbortController) => unknown]>([
    ["a newer request", () => ask(at(7, 4))],
    ["an edit of the document", () => scheduler.edited(uri)],
    ["the client", (external) => external.abort()],
  ])("ends within one run of the model after %s", async (_, cancel) => {
    const external = new AbortController();
    let next: unknown;
    let runsAtCancel = 0;
    let lastRun = 0;
    beforeDecode = (run) => {
      if (runsAtCancel === 0) lastRun = run;
      if (run === 2 && runsAtCancel === 0) {
        runsAtCancel = run;
        // The run after this call still starts; no other may follow at the old cursor.
        next = cancel(external);
      } else if (runsAtCancel > 0 && finished.length === 0) lastRun = run;
    };
    expect(await ask(at(4, 8), external.signal)).toBeUndefined();
    expect(finished[0]?.stopReason).toBe("cancelled");
    expect(lastRun).toBe(2);
    await next;
    if (finished.length > 1)
      expect(finished[1]).toMatchObject({
        position: { line: 7, character: 4 },
        stopReason: expect.not.stringMatching("cancelled"),
      });
  });
});
