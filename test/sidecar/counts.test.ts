// The sidecar counts from edits alone what happens to suggestions; the counts stay on this machine and can be deleted.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import type { Position } from "vscode-languageserver/node";
import { messages, serverCommands } from "../../sidecar/protocol";
import { cleanUp, cursorOf, type Sidecar, start, temporaryFolder } from "./client";

afterEach(cleanUp);
afterAll(cleanUp);

const none = { shown: 0, accepted: 0, partlyAccepted: 0, typed: 0, rejected: 0, charactersTaken: 0 };
const countsOf = (sidecar: Sidecar) => sidecar.connection.sendRequest(messages.counts);

async function running(storagePath: string): Promise<Sidecar> {
  const sidecar = await start({ storagePath });
  await sidecar.reaches("ready");
  return sidecar;
}

let documents = 0;

/** A document in which the model suggests more than two words, on one line. */
async function suggested(
  sidecar: Sidecar,
): Promise<{ uri: string; position: Position; id: number; suggestion: string }> {
  const seen: string[] = [];
  for (const place of [
    "import json\n\ndef read_json(path):\n    with open(path) as file:\n        return |\n",
    "def total_price(prices):\n    total = 0\n    for price in prices:\n        |\n    return total\n",
    "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        |\n",
  ]) {
    documents += 1;
    const uri = `untitled:counted-${documents}`;
    const { trace } = await sidecar.complete(uri, place);
    seen.push(trace.suggestion);
    if (/^\w+\W+\w+\W/.test(trace.suggestion) && !trace.suggestion.includes("\n"))
      return { uri, position: cursorOf(place), id: trace.id, suggestion: trace.suggestion };
  }
  throw new Error(
    `Expected a suggestion of more than two words at one of three places, found ${JSON.stringify(seen)}.`,
  );
}

const columnsAfter = ({ line, character }: Position, characters: number): Position => ({
  line,
  character: character + characters,
});

describe("the usage counts", () => {
  it("distinguish accepted, partly accepted, typed and ignored, and last until they are cleared", async () => {
    const storagePath = await temporaryFolder();
    const sidecar = await running(storagePath);
    const begun = await countsOf(sidecar);
    expect(begun).toMatchObject(none);
    const expected = { ...none, shown: 1 };

    // Only shown suggestions are counted, so the counts are compared from here on.
    const whole = await suggested(sidecar);
    let { shown } = await countsOf(sidecar);
    let { rejected } = await countsOf(sidecar);
    await sidecar.insert(whole.uri, whole.position, whole.suggestion);
    await sidecar.execute(serverCommands.accepted, whole.id);
    Object.assign(expected, { shown, rejected, accepted: 1, charactersTaken: whole.suggestion.length });
    expect(await countsOf(sidecar)).toMatchObject(expected);

    const part = await suggested(sidecar);
    ({ shown, rejected } = await countsOf(sidecar));
    const word = /^\w+/.exec(part.suggestion)?.[0] ?? "";
    await sidecar.insert(part.uri, part.position, word);
    await sidecar.insert(part.uri, columnsAfter(part.position, word.length), "\u00a7");
    Object.assign(expected, {
      shown,
      rejected,
      partlyAccepted: 1,
      charactersTaken: whole.suggestion.length + word.length,
    });
    expect(await countsOf(sidecar)).toMatchObject(expected);

    const typed = await suggested(sidecar);
    ({ shown, rejected } = await countsOf(sidecar));
    for (const [index, key] of [...typed.suggestion].entries())
      await sidecar.insert(typed.uri, columnsAfter(typed.position, index), key);
    Object.assign(expected, { shown, rejected, typed: 1 });
    expect(await countsOf(sidecar)).toMatchObject(expected);

    const passed = await suggested(sidecar);
    ({ shown, rejected } = await countsOf(sidecar));
    await sidecar.insert(passed.uri, passed.position, "\u00a7");
    Object.assign(expected, { shown, rejected: rejected + 1 });
    expect(await countsOf(sidecar)).toEqual({ ...expected, since: begun.since });

    expect(await sidecar.close()).toBe(0);
    const again = await running(storagePath);
    expect(await countsOf(again)).toEqual({ ...expected, since: begun.since });
    const cleared = await again.execute(serverCommands.clearCounts);
    expect(cleared).toMatchObject(none);
    expect(Date.parse(cleared.since)).toBeGreaterThan(Date.parse(begun.since));
    expect(await countsOf(again)).toEqual(cleared);
    expect(await again.close()).toBe(0);
    expect(JSON.parse(await readFile(join(storagePath, "suggestion-counts.json"), "utf8"))).toEqual(cleared);
  });

  it("count a suggestion once while its text is typed", async () => {
    const sidecar = await running(await temporaryFolder());
    const { uri, position, suggestion } = await suggested(sidecar);
    const { shown } = await countsOf(sidecar);
    for (let typed = 1; typed < 4; typed++) {
      await sidecar.insert(uri, columnsAfter(position, typed - 1), suggestion.slice(typed - 1, typed));
      expect((await sidecar.request(uri, columnsAfter(position, typed))).items[0]?.insertText).toBe(
        suggestion.slice(typed),
      );
    }
    expect(await countsOf(sidecar)).toMatchObject({ shown, typed: 0, accepted: 0 });
    await sidecar.insert(uri, columnsAfter(position, 3), suggestion.slice(3));
    expect(await countsOf(sidecar)).toMatchObject({ shown, accepted: 1, charactersTaken: suggestion.length - 3 });
  });

  it("start again when their file is damaged, with a line in the log, and contain no code", async () => {
    const storagePath = await temporaryFolder();
    await writeFile(join(storagePath, "suggestion-counts.json"), '{"since": "2026-');
    const sidecar = await running(storagePath);
    expect(await countsOf(sidecar)).toMatchObject(none);
    await sidecar.until("a warning", () =>
      sidecar.logs.some(({ message }) => /suggestion-counts\.json: expected counts of suggestions/.test(message)),
    );
    const { suggestion } = await suggested(sidecar);
    expect(await sidecar.close()).toBe(0);
    const text = await readFile(join(storagePath, "suggestion-counts.json"), "utf8");
    expect(Object.keys(JSON.parse(text)).sort()).toEqual(["since", ...Object.keys(none)].sort());
    expect(text).not.toContain(suggestion);
    expect((await readdir(storagePath)).filter((name) => name.startsWith("suggestion-counts"))).toEqual([
      "suggestion-counts.json",
    ]);
  });
});
