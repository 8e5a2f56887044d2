// The life of the process: capabilities, statuses, a restart with the same index, an orderly end.
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { defaultSettings, messages, serverCommands } from "../../sidecar/protocol";
import { cleanUp, copyOfFixture, Sidecar, start, temporaryFolder } from "./client";

afterEach(cleanUp);

describe("the handshake", () => {
  it("answers initialize before the model is loaded, with its capabilities", async () => {
    const sidecar = await start({ folders: [await copyOfFixture()] });
    expect(sidecar.initializeResult).toMatchObject({
      serverInfo: { name: "selfracg-code", version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
      capabilities: {
        textDocumentSync: { openClose: true, change: 2, save: { includeText: false } },
        inlineCompletionProvider: true,
        workspace: { workspaceFolders: { supported: true, changeNotifications: true } },
        executeCommandProvider: { commands: Object.values(serverCommands).map(({ name }) => name) },
      },
    });
    expect((await sidecar.getStatus()).state).toBe("starting");
    await sidecar.until("registrations", () => sidecar.registrations.length === 2);
    expect(sidecar.registrations).toEqual([
      expect.objectContaining({
        method: "workspace/didChangeWatchedFiles",
        registerOptions: { watchers: [{ globPattern: "**/*" }] },
      }),
      expect.objectContaining({
        method: "workspace/didChangeConfiguration",
        registerOptions: { section: ["selfracg", "files.exclude"] },
      }),
    ]);
  });

  it("goes from starting to indexing to ready, and a second start embeds nothing", async () => {
    const folders = [await copyOfFixture()];
    const storagePath = await temporaryFolder();
    const first = await start({ folders, storagePath });
    const ready = await first.reaches("ready");
    expect([...new Set(first.statuses.map(({ state }) => state))]).toEqual(["starting", "indexing", "ready"]);
    const indexing = first.statuses.filter(({ state }) => state === "indexing");
    expect(indexing.some(({ progress }) => progress !== undefined && progress.total > 0)).toBe(true);
    for (const { progress } of indexing) expect(progress?.done ?? -1).toBeLessThanOrEqual(progress?.total ?? -1);
    expect(ready.index?.files).toBeGreaterThan(8);
    expect(ready.index?.embedded).toBe(ready.index?.fragments);
    expect(ready.model).toMatchObject({ name: expect.any(String), version: expect.any(String) });
    expect(ready.provider).toMatchObject({ name: "cpu", reason: expect.stringMatching(/./) });
    expect(ready.vectorIndex).toMatchObject({ name: "faiss", reason: expect.stringMatching(/./) });
    expect(await first.getStatus()).toEqual(ready);
    expect(await first.close()).toBe(0);

    const second = await start({ folders, storagePath });
    const again = await second.reaches("ready");
    expect(again.index).toMatchObject({ files: ready.index?.files, fragments: ready.index?.fragments, embedded: 0 });
  });

  it("reads the settings and warns once for each invalid member", async () => {
    const sidecar = await start({ settings: { maxTokens: 100000, executionProvider: "tpu" } });
    await sidecar.reaches("ready");
    await sidecar.configure({});
    await sidecar.configure({ maxTokens: 12 });
    await sidecar.getStatus();
    const warnings = sidecar.logs
      .filter(({ type, message }) => type === 2 && message.startsWith("Setting "))
      .map(({ message }) => message);
    expect(warnings).toHaveLength(2);
    expect(warnings.join("\n")).toContain(
      `selfracg.maxTokens: expected a whole number from 1 to 256, found 100000; ${defaultSettings.maxTokens} is used instead`,
    );
  });

  it("works with a client without optional capabilities", async () => {
    const sidecar = await start({ folders: [await copyOfFixture()], capabilities: {} });
    await sidecar.reaches("ready");
    expect(sidecar.registrations).toEqual([]);
    expect(sidecar.progress).toEqual([]);
    await sidecar.connection.sendNotification("workspace/didChangeConfiguration", {
      settings: { selfracg: { enable: false } },
    });
    await sidecar.reaches("off");
    // Pushed settings of other servers do not change this server's.
    for (const settings of [{ editor: { tabSize: 2 } }, null, undefined, {}, [], "text", 5]) {
      await sidecar.connection.sendNotification("workspace/didChangeConfiguration", { settings });
      expect((await sidecar.getStatus()).state).toBe("off");
    }
    await sidecar.connection.sendNotification("workspace/didChangeConfiguration", { settings: { enable: true } });
    await sidecar.reaches("ready");
  });

  it("loads nothing while disabled, and everything when enabled", async () => {
    const sidecar = await start({ folders: [await copyOfFixture()], settings: { enable: false } });
    await sidecar.reaches("off");
    expect(sidecar.status?.model).toBeUndefined();
    await expect(sidecar.reindex()).rejects.toThrow(/selfracg.enable/);
    await sidecar.configure({ enable: true });
    await sidecar.reaches("ready");
    expect([...new Set(sidecar.statuses.map(({ state }) => state))]).toEqual(["starting", "off", "indexing", "ready"]);
  });

  it("refuses a second initialize and unknown commands, and continues", async () => {
    const sidecar = await start();
    await sidecar.reaches("ready");
    await expect(
      sidecar.connection.sendRequest("initialize", { processId: null, rootUri: null, capabilities: {} }),
    ).rejects.toMatchObject({ code: -32600 });
    await expect(sidecar.connection.sendRequest("workspace/executeCommand", { command: "rm" })).rejects.toMatchObject({
      code: -32602,
    });
    await expect(sidecar.connection.sendRequest("textDocument/nothing", {})).rejects.toMatchObject({ code: -32601 });
    expect((await sidecar.getStatus()).state).toBe("ready");
  });
});

describe("the process", () => {
  it("ends with a message when its input closes", async () => {
    const sidecar = await start();
    await sidecar.reaches("ready");
    sidecar.process.stdin?.end();
    expect(await sidecar.exited).toBe(1);
    expect(sidecar.stderr).toMatch(/Standard input was closed/);
  });

  it("ends when the client's process has ended", async () => {
    const sidecar = new Sidecar({});
    const { spawn } = await import("node:child_process");
    const client = spawn(process.execPath, ["-e", "setTimeout(() => {}, 200)"]);
    await sidecar.connection.sendRequest("initialize", {
      processId: client.pid,
      rootUri: null,
      workspaceFolders: null,
      capabilities: {},
    });
    expect(await sidecar.exited).toBe(1);
  });

  it("writes only messages to standard output", async () => {
    const sidecar = await start({ folders: [await copyOfFixture()] });
    const strange: Error[] = [];
    sidecar.connection.onError(([error]) => strange.push(error));
    await sidecar.reaches("ready");
    expect(await sidecar.connection.sendRequest(messages.trace, {})).toBeNull();
    expect(await sidecar.close()).toBe(0);
    expect(strange).toEqual([]);
  });
});

it("a server that is started in a deleted working folder indexes and completes", async () => {
  const gone = join(await temporaryFolder(), "gone");
  const script = 'mkdir "$0" && cd "$0" && rmdir "$0" && exec "$@"';
  const sidecar = await start({ folders: [await copyOfFixture()], through: ["/bin/sh", "-c", script, gone] });
  const { index } = await sidecar.reaches("ready");
  expect(index?.embedded).toBeGreaterThan(0);
  expect(await sidecar.close()).toBe(0);
});
