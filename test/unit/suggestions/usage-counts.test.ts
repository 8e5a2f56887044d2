// Counts on disk: added to by several windows, whole whatever happens, begun anew when broken.
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CountsStore, countsFileName } from "../../../sidecar/suggestions/usage-counts";

let folder: string;
let warnings: string[];
const log = { debug() {}, info() {}, warn: (line: string) => void warnings.push(line), error() {} };
const none = { shown: 0, accepted: 0, partlyAccepted: 0, typed: 0, rejected: 0, charactersTaken: 0 };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "selfracg-counts-"));
  warnings = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("CountsStore", () => {
  it("starts at zero and writes no file", async () => {
    const store = new CountsStore(join(folder, "new"), log);
    const counts = await store.read();
    expect(counts).toMatchObject(none);
    expect(Date.now() - Date.parse(counts.since)).toBeLessThan(60_000);
    expect((await store.read()).since).toBe(counts.since);
    await store.flush();
    expect(await readdir(folder)).toEqual([]);
  });

  it("has the same counts and start after a restart", async () => {
    const first = new CountsStore(join(folder, "new"), log);
    first.add({ shown: 2, accepted: 1, charactersTaken: 40 });
    first.add({ shown: 1, rejected: 1 });
    const { since } = await first.read();
    await first.flush();
    expect(await readdir(join(folder, "new"))).toEqual([countsFileName]);
    const second = new CountsStore(join(folder, "new"), log);
    expect(await second.read()).toEqual({ ...none, since, shown: 3, accepted: 1, rejected: 1, charactersTaken: 40 });
  });

  it("adds to the counts that another window wrote", async () => {
    const [one, other] = [new CountsStore(folder, log), new CountsStore(folder, log)];
    one.add({ shown: 1 });
    await one.flush();
    other.add({ shown: 2 });
    await other.flush();
    one.add({ shown: 4 });
    expect((await one.read()).shown).toBe(7);
    await one.flush();
    expect((await other.read()).shown).toBe(7);
  });

  it("clears the file as well", async () => {
    const store = new CountsStore(folder, log);
    store.add({ shown: 5 });
    await store.flush();
    store.add({ shown: 5 });
    expect(await store.clear()).toMatchObject(none);
    await store.flush();
    expect(JSON.parse(await readFile(join(folder, countsFileName), "utf8"))).toMatchObject(none);
    // A correction of what was cleared.
    store.add({ rejected: -1 });
    expect(await store.read()).toMatchObject(none);
  });

  it.each([
    ["half a file", '{"since":"2026-01-01T00:00:00.000Z","shown":3'],
    ["another file", "[]"],
    ["counts that are none", JSON.stringify({ ...none, since: "2026-01-01T00:00:00.000Z", shown: -1 })],
    ["a beginning that is no time", JSON.stringify({ ...none, since: "then" })],
    ["nothing", ""],
  ])("starts again after %s, with a warning", async (_, text) => {
    await writeFile(join(folder, countsFileName), text);
    const store = new CountsStore(folder, log);
    store.add({ shown: 1 });
    await store.flush();
    expect(await store.read()).toMatchObject({ ...none, shown: 1 });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /suggestion-counts\.json: expected counts of suggestions, found .*; counting starts again\./,
    );
  });

  it.skipIf(process.platform === "win32" || process.getuid?.() === 0)(
    "counts for this run where the folder cannot be written, and says so once",
    async () => {
      await chmod(folder, 0o500);
      const store = new CountsStore(folder, log);
      for (let n = 0; n < 2; n++) {
        store.add({ shown: 1 });
        await store.flush();
      }
      expect((await store.read()).shown).toBe(2);
      expect(warnings).toHaveLength(1);
      await chmod(folder, 0o700);
    },
  );

  it("counts for this run where the folder cannot be made", async () => {
    await writeFile(join(folder, "taken"), "");
    const store = new CountsStore(join(folder, "taken"), log);
    for (let n = 0; n < 2; n++) {
      store.add({ shown: 1 });
      await store.flush();
    }
    expect((await store.read()).shown).toBe(2);
    expect(warnings).toHaveLength(1);
  });
});
