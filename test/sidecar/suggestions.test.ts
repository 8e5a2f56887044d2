// Suggestions of the real model while typing: delayed, cancelled, made in advance, snoozed, off.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type InlineCompletionList,
  InlineCompletionRequest,
  InlineCompletionTriggerKind,
  type Position,
} from "vscode-languageserver/node";
import { type Availability, type CompletionTrace, messages, serverCommands } from "../../sidecar/protocol";
import { cleanUp, copyOfFixture, cursorOf, type Sidecar, start, uriOf } from "./client";

let folder: string;
let sidecar: Sidecar;

beforeAll(async () => {
  folder = await copyOfFixture();
  sidecar = await start({ folders: [folder] });
  await sidecar.reaches("ready");
});
afterAll(cleanUp);

const fresh = (name = "probe.py") => uriOf(join(folder, "shop", `${Math.random().toString(36).slice(2)}_${name}`));
const traces = () => sidecar.connection.sendRequest(messages.traces);
const automatic = (uri: string, position: Position) =>
  sidecar.connection.sendRequest(InlineCompletionRequest.type.method, {
    textDocument: { uri },
    position,
    context: { triggerKind: InlineCompletionTriggerKind.Automatic },
  }) as Promise<InlineCompletionList>;

/** Cursors, of which at least one gets a suggestion. */
const places = [
  "def add(a, b):\n    return |\n",
  "import json\n\ndef read_json(path):\n    with open(path) as file:\n        return |\n",
  "class Point:\n    def __init__(self, x, y):\n        self.x = |\n",
  "for index in |\n    print(index)\n",
];

/** A document with a suggestion of at least `length` characters on one line, and its position. */
async function suggested(length = 3): Promise<{ uri: string; position: Position; trace: CompletionTrace }> {
  for (const place of places) {
    const uri = fresh();
    const { trace } = await sidecar.complete(uri, place);
    if (trace.suggestion.length >= length && !trace.suggestion.includes("\n"))
      return { uri, position: cursorOf(place), trace };
  }
  throw new Error(`Expected a suggestion of ${length} characters at one of ${places.length} places, found none.`);
}

const columnsAfter = ({ line, character }: Position, characters: number): Position => ({
  line,
  character: character + characters,
});

describe("typing", () => {
  it("the text of a suggestion gives its rest from the cache for each key, and deleting gives it again", async () => {
    const { uri, position, trace } = await suggested();
    for (let typed = 1; typed < trace.suggestion.length; typed++) {
      await sidecar.insert(uri, columnsAfter(position, typed - 1), trace.suggestion.slice(typed - 1, typed));
      const { items } = await automatic(uri, columnsAfter(position, typed));
      // Also inside one of its words, because the rest is known.
      expect(items[0]?.insertText).toBe(trace.suggestion.slice(typed));
    }
    const typed = trace.suggestion.length - 1;
    await sidecar.replace(uri, position, columnsAfter(position, typed), "");
    expect((await automatic(uri, position)).items[0]?.insertText).toBe(trace.suggestion);
    expect(await sidecar.trace()).toMatchObject({ id: trace.id, cached: true });
    const next = await sidecar.complete(fresh(), "x = |\n");
    expect(next.trace.id).toBe(trace.id + 1);
  });

  it("delays automatic requests, which the trace shows, but not explicit ones", async () => {
    const uri = fresh();
    await sidecar.open(uri, "total = \n");
    let position = { line: 0, character: 8 };
    for (const key of "qzqzqzqz") {
      await sidecar.insert(uri, position, key);
      position = columnsAfter(position, 1);
    }
    const before = (await sidecar.trace())?.id ?? 0;
    await automatic(uri, position);
    const waited = await sidecar.trace();
    expect(waited?.id).toBe(before + 1);
    expect(waited?.timings.waitMs).toBeGreaterThanOrEqual(0);
    expect(waited?.timings.waitMs).toBeLessThanOrEqual(waited?.timings.totalMs ?? 0);
    await sidecar.insert(uri, position, "x");
    await sidecar.request(uri, columnsAfter(position, 1));
    expect((await sidecar.trace())?.timings.waitMs).toBe(0);
  });

  it("40 keys fast, each with a request, gives an answer to the last one only", async () => {
    const uri = fresh();
    await sidecar.open(uri, "value = \n");
    const answers: Promise<InlineCompletionList>[] = [];
    let position = { line: 0, character: 8 };
    for (const key of "compute_the_price_of(all_orders, in_euros") {
      await sidecar.insert(uri, position, key);
      position = columnsAfter(position, 1);
      answers.push(automatic(uri, position));
    }
    const lists = await Promise.all(answers);
    // Earlier requests are for older texts.
    for (const early of lists.slice(0, -1)) expect(early.items).toEqual([]);
    expect(await sidecar.trace()).toMatchObject({ uri, position });
  });
});

describe("after a suggestion is accepted", () => {
  it.each([
    ["its text, in one edit", false],
    ["its text, and the item's command", true],
  ])("as %s, the next one is ready", async (_, told) => {
    const { uri, position, trace } = await suggested();
    await sidecar.insert(uri, position, trace.suggestion);
    if (told) expect(await sidecar.execute(serverCommands.accepted, trace.id)).toBeNull();
    // The request may arrive before or after it is ready; it is not made twice in either case.
    const { items } = await automatic(uri, columnsAfter(position, trace.suggestion.length));
    const next = await sidecar.trace();
    expect(next).toMatchObject({
      id: trace.id + 1,
      cached: true,
      uri,
      position: columnsAfter(position, trace.suggestion.length),
    });
    expect(items[0]?.insertText ?? "").toBe(next?.suggestion);
    expect(next?.timings.waitMs).toBe(0);
  });

  it("an edit cancels the next one", async () => {
    const { uri, position, trace } = await suggested();
    await sidecar.insert(uri, position, trace.suggestion);
    await sidecar.insert(uri, columnsAfter(position, trace.suggestion.length), "q");
    await sidecar.request(uri, columnsAfter(position, trace.suggestion.length + 1));
    const next = await sidecar.trace();
    expect(next?.cached).toBeUndefined();
    expect(next?.position).toEqual(columnsAfter(position, trace.suggestion.length + 1));
  });
});

describe("the last traces", () => {
  it("are listed newest first and once each, and can be read by id", async () => {
    const first = await suggested();
    const second = await suggested();
    await sidecar.request(first.uri, first.position);
    const list = await traces();
    expect(list[0]).toMatchObject({ id: first.trace.id, cached: true });
    const ids = list.map(({ id }) => id);
    expect(ids).toContain(second.trace.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeLessThanOrEqual(50);
    expect(await sidecar.connection.sendRequest(messages.trace, { id: second.trace.id })).toMatchObject({
      id: second.trace.id,
      uri: second.uri,
    });
  });
});

describe("the availability of suggestions", () => {
  const availability = (uri: string) => sidecar.connection.sendRequest(messages.availability, { uri });
  const text = places[0] ?? "";

  /** Opens a document, requests a suggestion, and returns it with the availability. */
  async function opened(uri: string, languageId = "python"): Promise<{ items: unknown[]; available: Availability }> {
    await sidecar.open(uri, text.replace("|", ""), languageId);
    const before = (await sidecar.trace())?.id;
    const { items } = await sidecar.request(uri, cursorOf(text));
    const available = await availability(uri);
    if (!available.available) expect((await sidecar.trace())?.id).toBe(before);
    return { items, available };
  }

  it("is given for ordinary documents, open or not", async () => {
    expect((await opened(fresh())).available).toEqual({ available: true });
    expect((await opened("untitled:Untitled-7")).available).toEqual({ available: true });
    expect(await availability(fresh())).toEqual({ available: true });
  });

  it.each(["git:/w/a.py?%7B%22ref%22%3A%22~%22%7D", "output:extension-output-1", "vscode-scm:git/scm0/input?rootUri"])(
    "is denied for %s",
    async (uri) => {
      const { items, available } = await opened(uri);
      expect(items).toEqual([]);
      expect(available).toEqual({
        available: false,
        reason: expect.stringMatching(/only in files, untitled documents and notebooks/),
      });
    },
  );

  it("depends on disabledFiles, relative to each workspace folder", async () => {
    await sidecar.configure({ disabledFiles: ["/shop/", "*.secret.py", "!/shop/open.py"] });
    const off = await opened(fresh());
    expect(off.items).toEqual([]);
    expect(off.available).toEqual({
      available: false,
      reason: expect.stringMatching(/matches "\/shop\/"/),
      setting: "disabledFiles",
    });
    expect((await opened(uriOf(join(folder, "other", "shop.py")))).available).toEqual({ available: true });
    expect((await opened("file:///elsewhere/x.secret.py")).available.setting).toBe("disabledFiles");
    await sidecar.configure({ disabledFiles: [] });
    expect(await availability(uriOf(join(folder, "shop", "orders.py")))).toEqual({ available: true });
  });

  it("depends on quietIn at the cursor", async () => {
    const suppressed = async (document: string): Promise<string | undefined> =>
      (await sidecar.complete(fresh(), document)).trace.suppressed;
    const [comment, string] = ["total = 1\n# adds the |\n", 'total = "adds the |"\n'];
    await sidecar.configure({ quietIn: ["comments"] });
    expect(await suppressed(comment)).toBe('the cursor is in a comment, and selfracg.quietIn holds "comments"');
    expect(await suppressed(string)).not.toBe('the cursor is in a string, and selfracg.quietIn holds "strings"');
    await sidecar.configure({ quietIn: ["strings"] });
    expect(await suppressed(string)).toBe('the cursor is in a string, and selfracg.quietIn holds "strings"');
    await sidecar.configure({ quietIn: [] });
    for (const document of [comment, string]) expect((await suppressed(document)) ?? "").not.toContain("quietIn");
  });

  it("does not include unsure suggestions, by frequency, whose confidence is in the trace", async () => {
    const shown: Record<string, number> = {};
    for (const frequency of ["more", "fewer"] as const) {
      await sidecar.configure({ frequency });
      shown[frequency] = 0;
      for (const document of places) {
        const uri = fresh();
        await sidecar.open(uri, document.replace("|", ""), "python");
        const { items } = await automatic(uri, cursorOf(document));
        const trace = await sidecar.trace();
        if (items.length > 0) shown[frequency] += 1;
        if (trace?.confidence === undefined) continue;
        const { probability = 1, threshold = 0 } = trace.confidence;
        expect(items.length > 0).toBe(probability >= threshold);
        if (probability < threshold)
          expect(trace.suppressed).toMatch(/^the model is unsure: .* selfracg\.frequency "\w+" shows from/);
      }
    }
    expect(shown.fewer).toBeLessThanOrEqual(shown.more ?? 0);
    await sidecar.configure({ frequency: "balanced" });
  });

  it("depends on disabledLanguages and enable", async () => {
    await sidecar.configure({ disabledLanguages: ["python"] });
    expect((await opened(fresh())).available).toMatchObject({ available: false, setting: "disabledLanguages" });
    // By the file's name when no client states the language.
    expect(await availability(fresh())).toMatchObject({ available: false, setting: "disabledLanguages" });
    expect((await opened(fresh("a.go"), "go")).available).toEqual({ available: true });
    await sidecar.configure({ disabledLanguages: [], enable: false });
    expect((await opened(fresh())).available).toMatchObject({ available: false, setting: "enable" });
    await sidecar.configure({ enable: true });
    await sidecar.reaches("ready");
  });

  it("is an error for an invalid URI", async () => {
    await expect(sidecar.connection.sendRequest(messages.availability.method, { uri: 1 })).rejects.toThrow(
      /expected \{uri: string\}, found \{"uri":1\}/,
    );
  });

  it("is denied with the reason while the model cannot be used", async () => {
    const broken = await start({ folders: [folder], initializationOptions: { modelPath: join(folder, "no-model") } });
    const { message } = await broken.reaches("error");
    expect(await broken.connection.sendRequest(messages.availability, { uri: fresh() })).toEqual({
      available: false,
      reason: message,
    });
    expect(await broken.close()).toBe(0);
  });
});

describe("a snooze", () => {
  const snooze = (...given: unknown[]) =>
    sidecar.connection.sendRequest(serverCommands.snooze.request, {
      command: serverCommands.snooze.name,
      arguments: given,
    });
  const text = places[0] ?? "";

  it("suppresses suggestions until the time it states, and ends with a notification", async () => {
    const before = Date.now();
    const status = await snooze(0.05);
    expect(status.state).toBe("snoozed");
    expect(status.message).toMatch(/^Snoozed until (?:\d{4}-\d\d-\d\d )?\d\d:\d\d\.$/);
    expect(status.snoozedUntil).toBeGreaterThanOrEqual(before + 3000);
    expect(await sidecar.getStatus()).toEqual(status);
    const uri = fresh();
    await sidecar.open(uri, text.replace("|", ""));
    const last = (await sidecar.trace())?.id;
    expect(await sidecar.request(uri, cursorOf(text))).toEqual({ items: [] });
    expect(await sidecar.connection.sendRequest(messages.availability, { uri })).toEqual({
      available: false,
      reason: status.message,
    });
    expect((await sidecar.trace())?.id).toBe(last);
    const ready = await sidecar.reaches("ready");
    expect(Date.now()).toBeGreaterThanOrEqual(status.snoozedUntil ?? Infinity);
    expect(ready.snoozedUntil).toBeUndefined();
    await sidecar.request(uri, cursorOf(text));
    expect((await sidecar.trace())?.uri).toBe(uri);
  });

  it("is ended by 0, and does not affect indexing", async () => {
    expect((await snooze(60)).state).toBe("snoozed");
    expect(await sidecar.reindex()).not.toBeNull();
    expect((await sidecar.getStatus()).state).toBe("snoozed");
    expect((await snooze(0)).state).toBe("ready");
    expect((await sidecar.getStatus()).snoozedUntil).toBeUndefined();
  });

  it.each([[], ["30"], [-1], [null], [1e9], [{}]])("refuses %j and states what it expects", async (...given) => {
    await expect(snooze(...given)).rejects.toThrow(
      /Expected a number of minutes from 0 to 10080 as the argument of selfracg\.server\.snooze, found/,
    );
    expect((await sidecar.getStatus()).state).toBe("ready");
  });
});
