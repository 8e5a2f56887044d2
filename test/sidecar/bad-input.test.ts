// A missing or changed model package and malformed messages lead to clear errors, and never to a hang.
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { messages, serverCommands } from "../../sidecar/protocol";
import { cleanUp, copyOfFixture, modelPath, Sidecar, start, temporaryFolder } from "./client";

afterEach(cleanUp);

describe("a model package that cannot be used", () => {
  async function copyOfModel(): Promise<string> {
    const folder = join(await temporaryFolder(), "model");
    await cp(modelPath, folder, { recursive: true, filter: (source) => !source.includes(".git") });
    return folder;
  }

  async function flipByte(path: string, at: number): Promise<void> {
    const bytes = await readFile(path);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(path, bytes);
  }

  const cases: [string, string, (folder: string) => Promise<unknown>][] = [
    ["a missing folder", "model.json", async () => {}],
    ["an altered graph", "model.onnx", async (folder) => flipByte(join(folder, "model.onnx"), 5000)],
    [
      "a cut-off graph",
      "model.onnx",
      async (folder) =>
        writeFile(join(folder, "model.onnx"), (await readFile(join(folder, "model.onnx"))).subarray(0, 1000)),
    ],
    ["an altered tokenizer", "tokenizer.json", async (folder) => flipByte(join(folder, "tokenizer.json"), 200)],
    ["a model.json that is not JSON", "model.json", async (folder) => writeFile(join(folder, "model.json"), "{")],
    [
      "an unknown format",
      "formatVersion",
      async (folder) => {
        const path = join(folder, "model.json");
        await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), formatVersion: 99 }));
      },
    ],
  ];

  it.each(cases)("with %s is an error that names it, and the process suggests nothing", async (name, named, spoil) => {
    const folder = name === "a missing folder" ? join(await temporaryFolder(), "nothing-here") : await copyOfModel();
    await spoil(folder);
    const sidecar = await start({ folders: [await copyOfFixture()], initializationOptions: { modelPath: folder } });
    const status = await sidecar.reaches("error");
    expect(status.message).toContain(named);
    expect(status.message).toContain(folder);
    expect(status.message).toMatch(/expected .*found/is);
    await sidecar.open("untitled:a", "x = ");
    expect(await sidecar.request("untitled:a", { line: 0, character: 4 })).toEqual({ items: [] });
    expect(await sidecar.trace()).toBeNull();
    await expect(sidecar.reindex()).rejects.toThrow(named);
    expect(sidecar.logs.some(({ type, message }) => type === 1 && message.includes(named))).toBe(true);
    expect(await sidecar.close()).toBe(0);
  });
});

describe("malformed JSON-RPC", () => {
  const numbers = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 1, -1, 2 ** 31, 2 ** 53));
  const uris = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "untitled:a",
      "file:",
      "file:///",
      "file:///%",
      "file://host/share/a.py",
      "file:///a%00b",
      "http://[",
    ),
  );
  const anyUri = fc.oneof({ weight: 3, arbitrary: uris }, fc.jsonValue());
  const anyText = fc.oneof({ weight: 3, arbitrary: fc.string() }, fc.jsonValue());
  /** All messages that the server handles, except for the two that end it. */
  const methods = fc.constantFrom(
    "$/cancelRequest",
    "$/setTrace",
    "initialized",
    "textDocument/didOpen",
    "textDocument/didChange",
    "textDocument/didClose",
    "textDocument/didSave",
    "textDocument/inlineCompletion",
    "notebookDocument/didOpen",
    "notebookDocument/didChange",
    "notebookDocument/didClose",
    "workspace/didChangeConfiguration",
    "workspace/didChangeWatchedFiles",
    "workspace/didChangeWorkspaceFolders",
    "workspace/executeCommand",
    "window/workDoneProgress/cancel",
    ...Object.values(messages),
    "no/such",
    "__proto__",
  );
  const framed = (body: string) => `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

  it.each([
    ["invalid JSON", framed("{oops")],
    ["JSON that is not a message", framed("[1, 2]")],
    ["lists nested a hundred thousand deep", framed("[".repeat(100_000) + "]".repeat(100_000))],
    [
      "parameters nested a hundred thousand deep",
      framed(
        `{"jsonrpc":"2.0","method":"workspace/didChangeConfiguration","params":{"settings":${'{"a":'.repeat(1e5)}1${"}".repeat(1e5)}}}`,
      ),
    ],
    ["a wrong version", framed('{"jsonrpc":"1.0","id":5,"method":"x"}')],
    ["a cancellation without parameters", framed('{"jsonrpc":"2.0","method":"$/cancelRequest"}')],
    ["an opened document without fields", framed('{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{}}')],
    [
      "a change of nothing",
      framed(
        '{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"uri":"x"},"contentChanges":[{}]}}',
      ),
    ],
    [
      "invalid watched files",
      framed(
        '{"jsonrpc":"2.0","method":"workspace/didChangeWatchedFiles","params":{"changes":[{"uri":7,"type":"x"}]}}',
      ),
    ],
    ["an unknown notification", framed('{"jsonrpc":"2.0","method":"no/such"}')],
    ["an answer to no question", framed('{"jsonrpc":"2.0","id":4711,"result":1}')],
    [
      "an acceptance of nothing",
      framed(
        '{"jsonrpc":"2.0","id":4712,"method":"workspace/executeCommand","params":{"command":"selfracg.server.accepted","arguments":["x"]}}',
      ),
    ],
  ])("such as %s does not stop the next message", async (_, bytes) => {
    const sidecar = await start();
    sidecar.write(bytes);
    const status = await sidecar.getStatus();
    expect(["starting", "indexing", "ready"]).toContain(status.state);
    expect(await sidecar.close()).toBe(0);
  });

  it.each<[string, string | Buffer]>([
    ["text", "hello\r\n\r\n"],
    ["a length that is not a number", "Content-Length: abc\r\n\r\n"],
    ["a negative length", "Content-Length: -1\r\n\r\n"],
    ["bytes", Buffer.from([0, 159, 146, 150, 10, 13])],
  ])("ends the process with one clear line when the stream is %s", async (_, bytes) => {
    const sidecar = new Sidecar({});
    sidecar.write(bytes);
    expect(await sidecar.exited).toBe(65);
    expect(sidecar.stderr).toMatch(
      /^\[warn\] Standard input is not an LSP stream: expected a header .*found .*; exiting\.\n$/,
    );
  });

  it("never stops the process when its frame is valid", async () => {
    const sidecar = await start({ folders: [await copyOfFixture()] });
    await sidecar.reaches("ready");
    const params = fc.oneof(
      fc.jsonValue({ depthSize: "small" }),
      fc.record(
        {
          textDocument: fc.record({ uri: anyUri, version: numbers, languageId: anyText, text: anyText }),
          position: fc.record({ line: numbers, character: numbers }),
          contentChanges: fc.array(fc.record({ text: fc.string() }, { requiredKeys: [] }), { maxLength: 3 }),
          context: fc.record({ triggerKind: numbers }),
          changes: fc.array(fc.record({ uri: anyUri, type: numbers }), { maxLength: 3 }),
          event: fc.record({ added: fc.array(fc.record({ uri: uris, name: anyText })), removed: fc.jsonValue() }),
          command: fc.constantFrom(...Object.values(serverCommands)),
          arguments: fc.array(fc.jsonValue(), { maxLength: 3 }),
          settings: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
    );
    const message = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ jsonrpc: fc.constant("2.0"), id: fc.integer({ min: 1e6 }), method: methods, params }),
      },
      { weight: 4, arbitrary: fc.record({ jsonrpc: fc.constant("2.0"), method: methods, params }) },
      { weight: 1, arbitrary: fc.record({ jsonrpc: fc.constant("2.0"), id: fc.integer(), result: fc.jsonValue() }) },
      { weight: 1, arbitrary: fc.jsonValue() },
    );
    const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1e9);
    for (const value of fc.sample(message, { seed, numRuns: 600 })) sidecar.write(framed(JSON.stringify(value)));
    expect(["indexing", "ready", "snoozed", "off"], `seed ${seed}`).toContain((await sidecar.getStatus()).state);
    // Indexing works again after all these messages.
    await sidecar.connection.sendRequest(serverCommands.resumeIndexing.request, serverCommands.resumeIndexing.params());
    const counts = await sidecar.reindex();
    expect(counts?.files, `seed ${seed}`).toBeGreaterThan(0);
    expect(await sidecar.close(), `seed ${seed}`).toBe(0);
    expect(sidecar.stderr, `seed ${seed}`).not.toMatch(/Unexpected error|Unhandled promise rejection/);
  });

  it("in the parameters of a request is answered with an error", async () => {
    const sidecar = await start();
    await sidecar.reaches("ready");
    await expect(sidecar.connection.sendRequest("textDocument/inlineCompletion", {})).rejects.toMatchObject({
      code: expect.any(Number),
    });
    await expect(sidecar.connection.sendRequest("workspace/executeCommand", { command: 5 })).rejects.toMatchObject({
      code: -32602,
    });
    expect((await sidecar.getStatus()).state).toBe("ready");
  });

  it("is reported on standard error and in the answer", async () => {
    const sidecar = new Sidecar({});
    const answers: string[] = [];
    sidecar.process.stdout?.on("data", (bytes) => answers.push(String(bytes)));
    sidecar.write(framed("{oops"));
    await sidecar.until("the answer", () => answers.join("").includes("-32700"));
    expect(sidecar.stderr).toMatch(/Malformed input: Expected JSON/);
  });

  it("does not stop the process when the client closes standard error", async () => {
    const sidecar = await start();
    await sidecar.reaches("ready");
    sidecar.process.stderr?.destroy();
    for (let n = 0; n < 5; n++) {
      sidecar.write(framed("{oops"));
      expect((await sidecar.getStatus()).state).toBe("ready");
    }
    expect(await sidecar.close()).toBe(0);
  });

  it("such as a document whose URI is not a string does not stop indexing", async () => {
    const sidecar = await start({ folders: [await copyOfFixture()] });
    await sidecar.reaches("ready");
    for (const textDocument of [
      { uri: 7, languageId: "python", version: 1, text: "a = 1\n" },
      { uri: "untitled:a", languageId: null, version: 1, text: "a = 1\n" },
      { uri: "untitled:b", languageId: "python", version: 1, text: ["a"] },
    ])
      sidecar.write(
        framed(JSON.stringify({ jsonrpc: "2.0", method: "textDocument/didOpen", params: { textDocument } })),
      );
    expect((await sidecar.reindex())?.files).toBeGreaterThan(0);
    expect(await sidecar.close()).toBe(0);
  });

  it("includes requests before initialize, which are refused", async () => {
    const sidecar = new Sidecar({});
    await expect(sidecar.request("untitled:a", { line: 0, character: 0 })).rejects.toMatchObject({ code: -32002 });
    await sidecar.initialize();
    expect((await sidecar.getStatus()).state).toBe("starting");
  });

  it("that ends within a message ends the process", async () => {
    const sidecar = await start();
    sidecar.process.stdin?.end("Content-Length: 1000\r\n\r\n{");
    expect(await sidecar.exited).toBe(1);
  });
});

describe.skipIf(process.platform === "win32")("the signal that makes Node.js open its debugger", () => {
  it("neither opens a debugger nor ends the process", async () => {
    const sidecar = await start();
    await sidecar.reaches("ready");
    for (let n = 0; n < 3; n++) {
      sidecar.process.kill("SIGUSR1");
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect((await sidecar.getStatus()).state).toBe("ready");
    }
    expect(sidecar.stderr).not.toContain("Debugger");
    expect(await sidecar.close()).toBe(0);
  });
});
