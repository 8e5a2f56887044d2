// The inline completion request over a real in-memory connection, with a scripted completer.
import { describe, expect, it } from "vitest";
import { InlineCompletionRequest, InlineCompletionTriggerKind } from "vscode-languageserver/node";
import { messages, serverCommands } from "../../../sidecar/protocol";
import { ask, asked, change, changeSettings, client, invocations, nth, open, shown, uri } from "./scripted-server";

describe("textDocument/inlineCompletion", () => {
  it("answers with the suggestion at the cursor, and sends its trace", async () => {
    const position = await open("import x\nx = ad|\ny = 2\n");
    const answer = ask(position);
    const { context, answer: give } = await nth(0);
    expect(context).toEqual({
      uri,
      path: "src/a.py",
      languageId: "python",
      prefix: "import x\nx = ad",
      suffix: "\ny = 2\n",
    });
    give("d(1)");
    const command = { title: "Suggestion accepted", command: serverCommands.accepted.name, arguments: [1] };
    expect(await answer).toEqual({
      items: [{ insertText: "d(1)", range: { start: position, end: position }, command }],
    });
    expect(await client.sendRequest(messages.trace, {})).toMatchObject({ id: 1, suggestion: "d(1)" });
  });

  it("counts characters in UTF-16 units and clamps a position beyond the line", async () => {
    await open("s = '😀'; t|\nrest");
    const answer = ask({ line: 0, character: 999 });
    const { context, answer: give } = await nth(0);
    expect(context.prefix).toBe("s = '😀'; t");
    give("x");
    expect((await answer).items[0]?.range).toEqual({
      start: { line: 0, character: 11 },
      end: { line: 0, character: 11 },
    });
  });

  it("lets a newer request cancel the older one", async () => {
    const position = await open("a = |");
    const first = ask(position);
    const { signal } = await nth(0);
    const second = ask({ line: 0, character: 3 });
    expect(await first).toEqual({ items: [] });
    expect(signal.aborted).toBe(true);
    (await nth(1)).answer(" 1");
    expect((await second).items).toHaveLength(1);
  });

  it("passes the client's cancellation on", async () => {
    const position = await open("a = |");
    const { CancellationTokenSource } = await import("vscode-languageserver/node");
    const source = new CancellationTokenSource();
    const answer = client.sendRequest(
      InlineCompletionRequest.type,
      { textDocument: { uri }, position, context: { triggerKind: 1 } },
      source.token,
    );
    const { signal } = await nth(0);
    source.cancel();
    await expect(answer).rejects.toMatchObject({ code: -32800 });
    expect(signal.aborted).toBe(true);
  });

  it("does not run the model while the suggestion is typed", async () => {
    const position = await open("a = |");
    const answer = ask(position);
    (await nth(0)).answer("foo(1)");
    await answer;
    await change(2, position, "fo");
    const rest = await ask({ line: 0, character: 6 });
    expect(rest.items).toMatchObject([
      { insertText: "o(1)", range: { start: { line: 0, character: 6 }, end: { line: 0, character: 6 } } },
    ]);
    expect(asked).toHaveLength(1);
    expect(await client.sendRequest(messages.trace, {})).toMatchObject({
      id: 1,
      cached: true,
      suggestion: "o(1)",
      position: { line: 0, character: 6 },
    });
  });

  it.each([
    ["switched off", { enable: false }],
    ["off for the language", { disabledLanguages: ["go", "python"] }],
    ["off for the file", { disabledFiles: ["src/"] }],
  ])("suggests nothing when %s, asked or not", async (_, change) => {
    changeSettings(change);
    const position = await open("a = |");
    expect(await ask(position)).toEqual({ items: [] });
    expect(await ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic })).toEqual({ items: [] });
    expect(asked).toHaveLength(0);
  });

  it("suggests nothing inside a word unless asked", async () => {
    const position = await open("a = na|me");
    expect(await ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic })).toEqual({ items: [] });
    expect(asked).toHaveLength(0);
    const answer = ask(position);
    (await nth(0)).answer("x");
    expect((await answer).items).toHaveLength(1);
  });

  it.each([
    "caf\u00e9|s = 1\n",
    "cafe\u0301|s = 1\n",
    "\u0915\u093f|\u0924\u093e\u092c = 1\n",
    "\u0e0a\u0e37\u0e48|\u0e2d = 1\n",
    "\u0645\u06cc\u200c|\u0634\u0648\u062f = 1\n",
    "\u{1d4d0}|\u{1d4d1} = 1\n",
  ])("suggests nothing inside the word %j unless asked", async (marked) => {
    const position = await open(marked);
    expect(await ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic })).toEqual({ items: [] });
    expect(asked).toHaveLength(0);
  });

  it.each(["caf\u0065|\u0301 = 1\n", "s = '\u{1f469}\u200d|\u{1f4bb}'\n", "s = '\u{1f44d}|\u{1f3fd}'\n"])(
    "suggests nothing inside the character at the cursor of %j, asked or not",
    async (marked) => {
      const position = await open(marked);
      expect(await ask(position)).toEqual({ items: [] });
      expect(await ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic })).toEqual({ items: [] });
      expect(asked).toHaveLength(0);
    },
  );

  it("shows the model no byte-order mark", async () => {
    const answer = ask(await open("\ufeffa = |\r\n"));
    const { context, answer: give } = await nth(0);
    expect([context.prefix, context.suffix]).toEqual(["a = ", "\n"]);
    give("1");
    await answer;
  });

  it("suggests nothing between the two units of a character, asked or not", async () => {
    for (const text of ["name = '\ud83d|\ude00'\n", "\ud83d|\ude00", "print('\ud83d\ude00\ud83d|\ude80', 1)\n"]) {
      const position = await open(text);
      expect(await ask(position)).toEqual({ items: [] });
      expect(await ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic })).toEqual({ items: [] });
    }
    expect(asked).toHaveLength(0);
    const position = await open("print('\ud83d\ude00|', 1)\n");
    const answer = ask(position);
    (await nth(0)).answer("x");
    expect((await answer).items).toHaveLength(1);
  });

  it("continues the entry that is selected in the suggest widget", async () => {
    const position = await open("obj.na|\n");
    const range = { start: { line: 0, character: 4 }, end: position };
    const answer = ask(position, { selectedCompletionInfo: { range, text: "namespace" } });
    const { context, answer: give } = await nth(0);
    expect(context.prefix).toBe("obj.namespace");
    give("(x)");
    expect((await answer).items).toMatchObject([{ insertText: "namespace(x)", range }]);
  });

  it("ignores a selected entry that does not end at the cursor", async () => {
    const position = await open("obj.na|me\n");
    const range = { start: { line: 0, character: 4 }, end: { line: 0, character: 8 } };
    const answer = ask(position, { selectedCompletionInfo: { range, text: "other" } });
    const { context, answer: give } = await nth(0);
    expect(context.prefix).toBe("obj.na");
    give("x");
    expect((await answer).items[0]?.range).toEqual({ start: position, end: position });
  });

  it("reuses the suggestion while more of the selected entry is typed", async () => {
    const position = await open("obj.na|\n");
    const answer = ask(position, {
      selectedCompletionInfo: { range: { start: { line: 0, character: 4 }, end: position }, text: "namespace" },
    });
    (await nth(0)).answer("(x)");
    await answer;
    await change(2, position, "m");
    const end = { line: 0, character: 7 };
    const range = { start: { line: 0, character: 4 }, end };
    expect(await ask(end, { selectedCompletionInfo: { range, text: "namespace" } })).toMatchObject({
      items: [{ insertText: "namespace(x)", range }],
    });
    expect(asked).toHaveLength(1);
    const place = { id: 1, uri, offset: 13, selected: "namespace", suggestion: "(x)" };
    expect(shown).toEqual([
      { ...place, presentLength: 2 },
      { ...place, presentLength: 3 },
    ]);
  });

  it("continues the entry that begins with what was suggested before it was selected", async () => {
    const position = await open("obj.|\n");
    const answer = ask(position);
    (await nth(0)).answer("name(x)");
    await answer;
    await change(2, position, "n");
    const end = { line: 0, character: 5 };
    const range = { start: position, end };
    expect(await ask(end, { selectedCompletionInfo: { range, text: "name" } })).toMatchObject({
      items: [{ insertText: "name(x)", range }],
    });
    expect(asked).toHaveLength(1);
    expect(shown[1]).toEqual({ id: 1, uri, offset: 4, selected: "", suggestion: "name(x)", presentLength: 1 });
  });

  it("runs the model again for another selected entry", async () => {
    const position = await open("obj.na|\n");
    const range = { start: { line: 0, character: 4 }, end: position };
    for (const [index, text] of ["name", "native"].entries()) {
      const answer = ask(position, { selectedCompletionInfo: { range, text } });
      (await nth(index)).answer("()");
      expect((await answer).items[0]?.insertText).toBe(`${text}()`);
    }
  });

  it("accepts null for missing members", async () => {
    const position = await open("a = |");
    const answer = client.sendRequest(InlineCompletionRequest.type.method, {
      textDocument: { uri },
      position,
      context: { triggerKind: 1, selectedCompletionInfo: null },
    });
    (await nth(0)).answer("1");
    expect(await answer).toMatchObject({ items: [{ insertText: "1" }] });
  });

  it("replaces the bracket that the editor closed while the suggestion was typed", async () => {
    const position = await open("def |\n");
    const answer = ask(position);
    (await nth(0)).answer("add(a):");
    await answer;
    await change(2, position, "add()");
    const start = { line: 0, character: 8 };
    expect((await ask(start)).items).toMatchObject([
      { insertText: "a):", range: { start, end: { line: 0, character: 9 } } },
    ]);
    expect(asked).toHaveLength(1);
  });

  it("has the rest of a suggestion in a document with other line breaks", async () => {
    const position = await open("def f():|\r\n");
    const answer = ask(position);
    const { context, answer: give } = await nth(0);
    expect(context.suffix).toBe("\n");
    give("\n  a = 1\n  b");
    await answer;
    await change(2, position, "\r\n  a");
    expect((await ask({ line: 1, character: 3 })).items[0]?.insertText).toBe(" = 1\n  b");
    expect(shown.map(({ offset }) => offset)).toEqual([8, 8]);
  });

  it("is cancelled by an edit of its document, without a newer request", async () => {
    const position = await open("a = |");
    const answer = ask(position);
    const { signal } = await nth(0);
    await change(2, position, "x");
    expect(await answer).toEqual({ items: [] });
    expect(signal.aborted).toBe(true);
  });

  it("passes on whether the user asked", async () => {
    const position = await open("a = |");
    const automatic = ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic });
    (await nth(0)).answer("");
    expect(await automatic).toEqual({ items: [] });
    // The result of an automatic request is not reused for an explicit one.
    const invoked = ask(position);
    (await nth(1)).answer("1");
    expect((await invoked).items).toHaveLength(1);
    expect(invocations).toEqual([false, true]);
  });

  it("answers with an empty list for a document that is not open", async () => {
    expect(await ask({ line: 0, character: 0 })).toEqual({ items: [] });
  });

  it("answers with an error when the completer fails, and works after that", async () => {
    const position = await open("a = |");
    const answer = ask(position);
    (await nth(0)).fail(new Error("out of memory"));
    await expect(answer).rejects.toThrow(/out of memory/);
    const next = ask(position);
    (await nth(1)).answer("1");
    expect((await next).items).toHaveLength(1);
  });
});
