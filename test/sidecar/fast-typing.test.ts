// 200 keys at 20 a second, each with a request that cancels the older one: no stale and no lost answers.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CancellationTokenSource,
  type InlineCompletionList,
  InlineCompletionRequest,
  InlineCompletionTriggerKind,
  LSPErrorCodes,
  ResponseError,
} from "vscode-languageserver/node";
import { cleanUp, copyOfFixture, type Sidecar, start, uriOf } from "./client";

/** 20 keys a second: faster than anybody types, and similar to the repeat rate of a held key. */
const intervalMs = 50;

const before =
  "from shop.catalog import Catalog\nfrom shop.money import Money\n\n\ndef total_price(catalog: Catalog, isbns: list[str]) -> Money:\n";
const typed = `    total = Money(0, "EUR")
    for isbn in isbns:
        book = catalog.find_by_isbn(isbn)
        if book is None:
            raise KeyError(isbn)
        total = total + book.price
    return total
`.slice(0, 200);
const after = "\n\ndef names(catalog: Catalog) -> list[str]:\n    return [book.title for book in catalog.books]\n";

/** The result of the request after this many characters. */
interface Answer {
  length: number;
  outcome: "cancelled" | "answered";
  /** Undefined when there was no item. */
  text?: string;
}

let folder: string;
let sidecar: Sidecar;

beforeAll(async () => {
  folder = await copyOfFixture();
  sidecar = await start({ folders: [folder] });
  await sidecar.reaches("ready");
});
afterAll(cleanUp);

function placeAt(length: number) {
  const lines = (before + typed.slice(0, length)).split("\n");
  return { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
}

function ask(uri: string, length: number): { answer: Promise<Answer>; cancel(): void } {
  const source = new CancellationTokenSource();
  const position = placeAt(length);
  const params = { textDocument: { uri }, position, context: { triggerKind: InlineCompletionTriggerKind.Automatic } };
  const answer = sidecar.connection.sendRequest(InlineCompletionRequest.type, params, source.token).then(
    (result): Answer => {
      const { items } = result as InlineCompletionList;
      expect(items.length).toBeLessThanOrEqual(1);
      const [item] = items;
      if (item === undefined) return { length, outcome: "answered" };
      expect(item.range).toEqual({ start: position, end: position });
      return { length, outcome: "answered", text: item.insertText as string };
    },
    (error: unknown): Answer => {
      if (error instanceof ResponseError && error.code === LSPErrorCodes.RequestCancelled)
        return { length, outcome: "cancelled" };
      throw error;
    },
  );
  return { answer, cancel: () => source.cancel() };
}

/**
 * Types the whole text with a request after every key. Requests for the status in between must be answered before the end.
 * @param pauses number of waits for a suggestion
 */
async function type(uri: string, pauses = 0): Promise<{ answers: Answer[]; statusesWhileTyping: number }> {
  await sidecar.open(uri, before + after);
  const answers: Promise<Answer>[] = [];
  let statusesWhileTyping = 0;
  let last: { cancel(): void } | undefined;
  let begun = performance.now();
  for (let length = 1; length <= typed.length; length += 1) {
    if (pauses > 0 && length % Math.floor(typed.length / (pauses + 1)) === 0) {
      await Promise.all(answers);
      begun = performance.now() - (length - 1) * intervalMs;
    }
    await new Promise((wake) => setTimeout(wake, Math.max(0, begun + length * intervalMs - performance.now())));
    last?.cancel();
    await sidecar.insert(uri, placeAt(length - 1), typed.charAt(length - 1));
    const asked = ask(uri, length);
    answers.push(asked.answer);
    last = asked;
    if (length % 20 === 0) void sidecar.getStatus().then(() => (statusesWhileTyping += 1));
  }
  return { answers: await Promise.all(answers), statusesWhileTyping };
}

/** Resident memory in MB; undefined when unknown. */
function memory(): number | undefined {
  const path = `/proc/${sidecar.process.pid}/status`;
  const kilobytes = existsSync(path) ? /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(path, "utf8"))?.[1] : undefined;
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
}

describe("fast typing", () => {
  it("gets an answer to every request, and to status requests in between", async () => {
    const { answers, statusesWhileTyping } = await type(uriOf(join(folder, "shop", "typed.py")));
    expect(answers.map(({ length }) => length)).toEqual(Array.from({ length: typed.length }, (_, at) => at + 1));
    expect(answers.at(-1)?.outcome).toBe("answered");
    // The last one may arrive with the last answer.
    expect(statusesWhileTyping).toBeGreaterThanOrEqual(typed.length / 20 - 1);
    expect(sidecar.status?.state).toBe("ready");
    expect(sidecar.logs.filter(({ type: level }) => level === 1)).toEqual([]);
  });

  it("never gets a suggestion made for another text", async () => {
    // Suggestions then depend only on the document, so that they can be computed again.
    await sidecar.configure({ retrieval: false, frequency: "more" });
    const uri = uriOf(join(folder, "shop", "again.py"));
    const { answers } = await type(uri, 16);
    const offered = answers.filter((answer): answer is Answer & { text: string } => answer.text !== undefined);
    expect(offered.length).toBeGreaterThan(0);
    // Without retrieval, this only empties the cache.
    await sidecar.configure({ maxFragments: 3 });
    let version = 1000;
    // From the end, so that the cache has no suggestion for an earlier cursor.
    for (const { length, text } of [...offered].reverse()) {
      const typedAlong = offered.some(
        (earlier) => earlier.length < length && earlier.text === typed.slice(earlier.length, length) + text,
      );
      if (typedAlong) continue;
      version += 1;
      await sidecar.connection.sendNotification("textDocument/didChange", {
        textDocument: { uri, version },
        contentChanges: [{ text: before + typed.slice(0, length) + after }],
      });
      const again = await ask(uri, length).answer;
      expect({ at: typed.slice(0, length), text }).toEqual({ at: typed.slice(0, length), text: again.text });
    }
    await sidecar.configure({ retrieval: true, frequency: "balanced", maxFragments: 4 });
  });

  it("does not increase the memory when repeated", async () => {
    await type(uriOf(join(folder, "shop", "first.py")));
    const first = memory();
    await type(uriOf(join(folder, "shop", "second.py")));
    const second = memory();
    if (first === undefined || second === undefined) return;
    // 200 requests leave no memory in use, except for a few megabytes of garbage.
    expect(second - first).toBeLessThan(40);
  });
});
