// What a prompt shows of the open document.
import { beforeAll, describe, expect, it } from "vitest";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { alreadyVisible, informativeLines, visibleText } from "../../../sidecar/retrieval/visible-text";
import { modelPath } from "../../model";

let model: ModelPackage;
let tokenizer: Tokenizer;
beforeAll(async () => {
  model = await loadModelPackage(modelPath, { verifyHashes: false });
  tokenizer = await Tokenizer.load(model);
});

const context = (prefix: string, suffix = "") => ({
  uri: "file:///a.ts",
  path: "a.ts",
  languageId: "typescript",
  prefix,
  suffix,
});

describe("the visible lines", () => {
  it("are all of a short document", () => {
    expect(visibleText(context("a1\nb2\nc", "3\nd4\n"), 400, tokenizer)).toEqual({
      uri: "file:///a.ts",
      isCell: false,
      maxTokens: 400,
      startLine: 1,
      endLine: 5,
      lines: new Set(["a1", "b2", "c3", "d4"]),
    });
  });

  it("begin no later than what the prompt shows", () => {
    const numbered = Array.from({ length: 500 }, (_, n) => `        const value${n + 1} = read(${n + 1});`).join("\n");
    const format = new PromptFormat(model, tokenizer);
    for (const room of [64, 300, 900]) {
      const shown = /value(\d+) = /.exec(tokenizer.decode(format.leftToRight("a.ts", numbered, room)))?.[1];
      const { startLine } = visibleText(context(numbered), room, tokenizer);
      expect(startLine).toBeLessThanOrEqual(Number(shown));
      expect(Number(shown) - startLine).toBeLessThan(12);
    }
  });

  it("are those of the fragment's file, however the client encodes its URI", () => {
    const fragment = { path: "(a)/[b].ts", startLine: 2, endLine: 3, text: "something else\nhere" };
    const around = { ...context("a1\nb2\nc", "3\nd4\n"), uri: "file:///w/(a)/[b].ts" };
    const visible = visibleText(around, 400, tokenizer);
    expect(alreadyVisible({ ...fragment, uri: "file:///w/%28a%29/%5Bb%5D.ts" }, visible)).toMatch(/overlaps lines 1-5/);
    expect(alreadyVisible({ ...fragment, uri: "file:///w/a/b.ts" }, visible)).toBeUndefined();
  });

  it("of a notebook's cell are compared by their text with the fragments of the notebook", () => {
    const cell = { ...context("total = price(order)\nc", "ost\n"), uri: "vscode-notebook-cell:/w/a.ipynb#1" };
    const visible = visibleText({ ...cell, notebookUri: "file:///w/a.ipynb" }, 400, tokenizer);
    const fragment = { uri: "file:///w/a.ipynb", path: "a.ipynb", startLine: 90, endLine: 93 };
    const text = "first = 1\nsecond = 2\ntotal = price(order)\nlast = 4";
    expect(alreadyVisible({ ...fragment, text }, visible)).toMatch(/overlaps the cells of this notebook/);
    expect(alreadyVisible({ ...fragment, uri: "file:///w/b.ipynb", text }, visible)).toBeUndefined();
    expect(alreadyVisible({ ...fragment, startLine: 1, endLine: 1, text: "other = 1" }, visible)).toBeUndefined();
  });

  it("are one line where a line is longer than the prompt", () => {
    const { startLine, endLine } = visibleText(context(`a\n${"x1 ".repeat(100_000)}`), 400, tokenizer);
    expect([startLine, endLine]).toEqual([2, 2]);
  });
});

it("informativeLines are the lines with a word", () => {
  expect(informativeLines("  if (ab) {\n\n  }\n});\nx\ngröße")).toEqual(["if (ab) {", "größe"]);
});
