// The status computed from the state of the sidecar, and a notification for each change.

import { describe, expect, it } from "vitest";
import type { Connection } from "vscode-languageserver/node";
import type { PauseReason, SidecarStatus } from "../../../sidecar/protocol";
import { StatusBoard, statusOf } from "../../../sidecar/server/status";

const counts = { files: 2, fragments: 9, embedded: 9, excluded: {}, storeBytes: 10 };

describe("statusOf", () => {
  it.each([
    ["starting", { enabled: true, engine: "loading", folders: 1 }],
    ["off", { enabled: false, engine: "not-loaded", folders: 1 }],
    ["off", { enabled: false, engine: "loaded", folders: 1, indexing: { done: 1, total: 2 } }],
    ["error", { enabled: false, engine: "failed", reason: "gone", folders: 1 }],
    ["indexing", { enabled: true, engine: "loaded", folders: 1, indexing: { done: 1, total: 2 } }],
    ["ready", { enabled: true, engine: "loaded", folders: 1, index: counts }],
    ["snoozed", { enabled: true, engine: "loaded", folders: 1, indexing: { done: 1, total: 2 }, snoozedUntil: 1 }],
    ["starting", { enabled: true, engine: "loading", folders: 1, snoozedUntil: 1 }],
    ["off", { enabled: false, engine: "loaded", folders: 1, snoozedUntil: 1 }],
  ] as const)("%s", (state, parts) => {
    expect(statusOf(parts).state).toBe(state);
  });

  it("has a message for each state", () => {
    expect(statusOf({ enabled: true, engine: "failed", reason: "model.json: expected x", folders: 0 }).message).toBe(
      "model.json: expected x",
    );
    expect(statusOf({ enabled: true, engine: "loaded", folders: 0 }).message).toMatch(/No folder is open/);
    expect(statusOf({ enabled: true, engine: "loaded", folders: 1 }).message).toMatch(/Nothing is indexed/);
    const ready = statusOf({
      enabled: true,
      engine: "loaded",
      folders: 1,
      index: counts,
      note: "Indexing was cancelled.",
    });
    expect(ready.message).toBe("Ready: 9 fragments of 2 files. Indexing was cancelled.");
    const until = new Date(2026, 0, 5, 14, 35).getTime();
    const snoozed = statusOf({ enabled: true, engine: "loaded", folders: 1, snoozedUntil: until }, until - 60_000);
    expect(snoozed).toEqual({ state: "snoozed", message: "Snoozed until 14:35.", snoozedUntil: until });
    const indexing = statusOf({ enabled: true, engine: "loaded", folders: 1, indexing: { done: 3, total: 8 } });
    expect(indexing).toMatchObject({ message: "Indexing 3/8 files.", progress: { done: 3, total: 8 } });
  });

  it.each([
    [undefined, ""],
    [20, ", less than a minute left"],
    [200, ", about 3 min left"],
    [9000, ", about 3 h left"],
  ])("rounds an estimate of %s s", (secondsLeft, words) => {
    const indexing = { done: 3, total: 8, ...(secondsLeft !== undefined && { secondsLeft }) };
    expect(statusOf({ enabled: true, engine: "loaded", folders: 1, indexing })).toMatchObject({
      message: `Indexing 3/8 files${words}.`,
      progress: indexing,
    });
  });

  it.each<[PauseReason, RegExp]>([
    ["asked", /paused until it is resumed/],
    ["battery", /paused while .* battery/],
  ])("has a message while indexing is paused: %s", (paused, words) => {
    const status = statusOf({ enabled: true, engine: "loaded", folders: 1, index: counts, paused });
    expect(status).toMatchObject({ state: "ready", paused });
    expect(status.message).toMatch(words);
  });
});

describe("StatusBoard", () => {
  function board() {
    const sent: SidecarStatus[] = [];
    const connection = {
      onRequest: () => {},
      sendNotification: async (_: string, status: SidecarStatus) => void sent.push(status),
    };
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    return { sent, status: new StatusBoard(connection as unknown as Connection, log, { folders: [] }) };
  }

  it("sends nothing before initialized, then the current status", () => {
    const { sent, status } = board();
    status.set({ folders: 2 });
    expect(sent).toEqual([]);
    status.initialized();
    expect(sent.map(({ state }) => state)).toEqual(["starting"]);
  });

  it("sends changes, and no status twice in a row", () => {
    const { sent, status } = board();
    status.initialized();
    status.set({ engine: "loading" });
    status.set({ engine: "loaded", folders: 1, indexing: { done: 0, total: 2 } });
    status.set({ indexing: { done: 0, total: 2 } });
    status.set({ indexing: undefined, index: counts });
    expect(sent.map(({ state }) => state)).toEqual(["starting", "indexing", "ready"]);
    expect(sent.at(-1)).not.toHaveProperty("progress");
  });
});
