// When an inline completion request waits, is ended, or is answered in advance.
import { describe, expect, it } from "vitest";
import { InlineCompletionTriggerKind } from "vscode-languageserver/node";
import { messages } from "../../../sidecar/protocol";
import { snapshotAt } from "../../../sidecar/suggestions/document-snapshot";
import {
  ask,
  asked,
  change,
  client,
  documents,
  folders,
  holdRequests,
  nth,
  open,
  scheduler,
  until,
  uri,
} from "./scripted-server";

describe("textDocument/inlineCompletion", () => {
  describe("a request while somebody types", () => {
    const automatic = { triggerKind: InlineCompletionTriggerKind.Automatic };

    it("waits before the model runs, and has the wait in its trace", async () => {
      const holding = holdRequests();
      const position = await open("a = |");
      const answer = ask(position, automatic);
      await until(() => holding.length === 1);
      expect(asked).toHaveLength(0);
      holding[0]?.go();
      (await nth(0)).answer("1");
      expect((await answer).items).toHaveLength(1);
      expect(await client.sendRequest(messages.trace, {})).toMatchObject({ timings: { waitMs: 70 } });
    });

    it.each([
      ["a newer request", () => ask({ line: 0, character: 3 }, automatic)],
      ["an edit", () => change(2, { line: 0, character: 4 }, "x")],
    ])("is ended by %s, and the model does not run", async (_, next) => {
      const holding = holdRequests();
      const answer = ask(await open("a = |"), automatic);
      await until(() => holding.length === 1);
      void next();
      expect(await answer).toEqual({ items: [] });
      expect(asked).toHaveLength(0);
      expect(holding[0]?.signal.aborted).toBe(true);
    });

    it("does not wait when the user asks, nor for a cached suggestion", async () => {
      const holding = holdRequests();
      const position = await open("a = |");
      const answer = ask(position);
      (await nth(0)).answer("12");
      await answer;
      expect((await ask(position, automatic)).items).toHaveLength(1);
      await change(2, position, "1");
      expect((await ask({ line: 0, character: 5 }, automatic)).items[0]?.insertText).toBe("2");
      expect(holding).toEqual([]);
    });
  });

  describe("a suggestion made in advance", () => {
    const prepare = (position: { line: number; character: number }) => {
      const document = documents.get(uri);
      if (document === undefined) throw new Error("not open");
      return scheduler.prepare(snapshotAt(document, position, undefined, { folders, cell: undefined }));
    };

    /** Waits for an answer, which is sent after the notification `didOpen` was handled. */
    const settled = () => client.sendRequest(messages.traces);

    it("answers the next request", async () => {
      const position = await open("a = |");
      await settled();
      const ready = prepare(position);
      (await nth(0)).answer("1");
      await ready;
      expect(await client.sendRequest(messages.traces)).toEqual([]);
      expect((await ask(position)).items).toHaveLength(1);
      expect(asked).toHaveLength(1);
      expect(await client.sendRequest(messages.traces)).toMatchObject([{ id: 1, cached: true }]);
    });

    it("is joined by a request that comes before it is ready", async () => {
      const position = await open("a = |");
      await settled();
      void prepare(position);
      const answer = ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic });
      await settled();
      (await nth(0)).answer("1");
      expect((await answer).items).toHaveLength(1);
      expect(asked).toHaveLength(1);
    });

    it.each([
      ["a request elsewhere", async () => void ask({ line: 0, character: 1 })],
      ["an edit", () => change(2, { line: 0, character: 4 }, "x")],
    ])("is ended by %s", async (_, next) => {
      const position = await open("a = |");
      await settled();
      const ready = prepare(position);
      await next();
      await ready;
      expect((await nth(0)).signal.aborted).toBe(true);
    });

    it("is not made while a request is being answered", async () => {
      const position = await open("a = |");
      const answer = ask(position);
      const { answer: give } = await nth(0);
      await prepare({ line: 0, character: 2 });
      expect(asked).toHaveLength(1);
      give("1");
      await answer;
    });
  });
});
