// Index runs: joined, restarted, cancelled, paused; and how file changes are collected.
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { IndexCounts } from "../../../../sidecar/protocol";
import { type Indexable, Indexing } from "../../../../sidecar/server/indexing/indexing";

const counts: IndexCounts = { files: 1, fragments: 1, embedded: 1, excluded: {}, storeBytes: 1 };
const log = { debug() {}, info() {}, warn: vi.fn(), error: vi.fn() };

/** An index whose runs are ended by the test. */
class FakeIndex implements Indexable {
  opened: (readonly { uri: string }[])[] = [];
  runs: {
    signal: AbortSignal;
    finish: () => void;
    fail: (error: Error) => void;
    progress: (done: number, total: number) => void;
  }[] = [];
  folders: string[][] = [];
  calls: string[] = [];
  async setFolders(folders: readonly { uri: string }[]): Promise<void> {
    this.folders.push(folders.map(({ uri }) => uri));
  }
  reindex({
    signal = new AbortController().signal,
    onProgress = () => {},
    open: documents = [],
  }: Parameters<Indexable["reindex"]>[0] = {}): Promise<IndexCounts> {
    this.opened.push(documents);
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new DOMException("stop", "AbortError")));
      this.runs.push({ signal, finish: () => resolve(counts), fail: reject, progress: onProgress });
    });
  }
  async updateFile(uri: string): Promise<void> {
    this.calls.push(`update ${uri}`);
    if (uri === "bad") throw new Error("no such file");
  }
  removeFile(uri: string): void {
    this.calls.push(`remove ${uri}`);
  }
  async updateBuffer(uri: string, text: string | undefined): Promise<void> {
    this.calls.push(`buffer ${uri} ${text}`);
  }
  clear = async () => void this.calls.push("clear");
  counts = () => counts;
  flush = async () => void this.calls.push("flush");
}

let index: FakeIndex;
let folders: { uri: string; name: string }[];
let events: string[];
let indexing: Indexing;
const open = [{ uri: "f1/open.py", text: "" }];

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

beforeEach(() => {
  index = new FakeIndex();
  folders = [{ uri: "f1", name: "f1" }];
  events = [];
  indexing = new Indexing(
    () => folders,
    () => open,
    {
      started: () => void events.push("started"),
      progress: (done, total) => void events.push(`${done}/${total}`),
      ended: (_, reason) => void events.push(reason ?? "ended"),
      paused: (reason) => void events.push(`paused: ${reason}`),
      changed: () => void events.push("changed"),
    },
    log,
  );
});

describe("an index run", () => {
  it("begins once there is an index, with the folders that are open then", async () => {
    expect(() => indexing.reindex()).toThrow(/model is not loaded/);
    indexing.attach(index);
    await settle();
    index.runs[0]?.progress(1, 2);
    index.runs[0]?.finish();
    await settle();
    expect(index.folders).toEqual([["f1"]]);
    expect(events).toEqual(["started", "0/0", "1/2", "ended"]);
  });

  it("is joined by a request during the run", async () => {
    indexing.attach(index);
    await settle();
    const joined = indexing.reindex();
    index.runs[0]?.finish();
    expect(await joined.finished).toEqual(counts);
    expect(index.runs).toHaveLength(1);
    expect(events.filter((event) => event === "started")).toHaveLength(1);
  });

  it("restarts when the folders change, and returns the last result", async () => {
    indexing.attach(index);
    await settle();
    const run = indexing.reindex();
    folders = [{ uri: "f2", name: "f2" }];
    indexing.restart("the folders changed");
    await settle();
    expect(index.runs).toHaveLength(2);
    expect(index.runs[0]?.signal.aborted).toBe(true);
    index.runs[1]?.finish();
    expect(await run.finished).toEqual(counts);
    expect(index.folders).toEqual([["f1"], ["f2"]]);
    expect(events.filter((event) => event === "started")).toHaveLength(1);
    expect(events.at(-1)).toBe("ended");
  });

  it("returns null when it is cancelled, and can be started again", async () => {
    indexing.attach(index);
    await settle();
    const run = indexing.reindex();
    run.cancel();
    expect(await run.finished).toBeNull();
    expect(events.at(-1)).toBe("Indexing was cancelled.");
    indexing.reindex();
    await settle();
    expect(index.runs).toHaveLength(2);
  });

  it("fails with its error, which is logged, and the next run works", async () => {
    indexing.attach(index);
    await settle();
    const run = indexing.reindex();
    index.runs[0]?.fail(new Error("disk full"));
    await expect(run.finished).rejects.toThrow("disk full");
    expect(events.at(-1)).toBe("Indexing failed: disk full");
    expect(log.error).toHaveBeenCalled();
    const next = indexing.reindex();
    await settle();
    index.runs[1]?.finish();
    expect(await next.finished).toEqual(counts);
  });

  it("does not start while paused, and starts when resumed", async () => {
    indexing.attach(index);
    await settle();
    indexing.pause("off");
    await settle();
    expect(index.runs[0]?.signal.aborted).toBe(true);
    indexing.restart("x");
    indexing.fileChanged("a", false);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(index.calls).toEqual([]);
    expect(() => indexing.reindex()).toThrow(/selfracg.enable/);
    indexing.resume("off");
    await settle();
    expect(index.runs).toHaveLength(2);
    expect(index.opened).toEqual([open, open]);
  });

  it("resumes only when no reason for a pause is left", async () => {
    indexing.pause("battery");
    indexing.attach(index);
    await settle();
    expect(index.runs).toHaveLength(0);
    expect(() => indexing.reindex()).toThrow(/battery/);
    indexing.pause("asked");
    expect(() => indexing.reindex()).toThrow(/resume it/);
    indexing.bufferChanged("a", "text");
    indexing.resume("battery");
    await settle();
    expect(index.runs).toHaveLength(0);
    indexing.resume("asked");
    indexing.resume("asked");
    await settle();
    expect(index.runs).toHaveLength(1);
    expect(events).toEqual([
      "paused: battery",
      "paused: asked",
      "paused: asked",
      "paused: undefined",
      "started",
      "0/0",
    ]);
    expect(index.calls).toEqual([]);
  });

  it("restarts when the index is cleared", async () => {
    await expect(indexing.clear()).rejects.toThrow(/no index yet/);
    indexing.attach(index);
    await settle();
    const run = indexing.reindex();
    expect(await indexing.clear()).toEqual(counts);
    await settle();
    expect(index.calls).toEqual(["clear"]);
    index.runs.at(-1)?.finish();
    expect(await run.finished).toEqual(counts);
    indexing.pause("asked");
    const before = index.runs.length;
    await indexing.clear();
    await settle();
    expect(index.runs).toHaveLength(before);
  });
});

describe("file changes", () => {
  beforeEach(async () => {
    indexing.attach(index);
    await settle();
    index.runs[0]?.finish();
    await settle();
    events = [];
  });

  it("are collected by file, and only the last one of each counts", async () => {
    indexing.fileChanged("a", false);
    indexing.fileChanged("b", false);
    indexing.fileChanged("a", false);
    indexing.fileChanged("b", true);
    await expect.poll(() => events).toEqual(["changed"]);
    expect(index.calls).toEqual(["update a", "remove b"]);
  });

  it("continue after a file that cannot be indexed", async () => {
    indexing.fileChanged("bad", false);
    indexing.fileChanged("good", false);
    await expect.poll(() => events).toEqual(["changed"]);
    expect(index.calls).toEqual(["update bad", "update good"]);
    expect(log.warn).toHaveBeenCalledWith(expect.stringContaining("no such file"));
  });

  it("become one run when very many files change", async () => {
    vi.useFakeTimers();
    try {
      for (let round = 0; round < 5; round += 1) {
        for (let file = 0; file < 300; file += 1) indexing.fileChanged(`file ${round} ${file}`, false);
        await vi.advanceTimersByTimeAsync(500);
        expect(index.runs).toHaveLength(1);
      }
      await vi.advanceTimersByTimeAsync(1000);
      expect(index.runs).toHaveLength(2);
      expect(index.calls).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("become one run for a hundred thousand events in a second", async () => {
    vi.useFakeTimers();
    try {
      for (let tenth = 0; tenth < 10; tenth += 1) {
        for (let file = 0; file < 10_000; file += 1) indexing.fileChanged(`file ${tenth} ${file}`, file % 3 === 0);
        await vi.advanceTimersByTimeAsync(100);
      }
      await vi.advanceTimersByTimeAsync(1500);
      expect(index.runs).toHaveLength(2);
      expect(index.calls).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("include unsaved text, the last of each file", async () => {
    indexing.bufferChanged("a", "one");
    indexing.bufferChanged("a", "two");
    indexing.bufferChanged("b", undefined);
    indexing.fileChanged("c", false);
    await expect.poll(() => events).toEqual(["changed"]);
    expect(index.calls).toEqual(["buffer a two", "buffer b undefined", "update c"]);
  });

  it("are written to the index at the end", async () => {
    await indexing.dispose();
    expect(index.calls).toEqual(["flush"]);
  });
});
