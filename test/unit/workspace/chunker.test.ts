// Fragments follow the syntax of every language, and no input breaks the chunker.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Chunk, Chunker } from "../../../sidecar/workspace/chunker";
import { createChunker } from "../../../sidecar/workspace/create-chunker";
import { languageNameOf, languageNames } from "../../../sidecar/workspace/languages";
import { LineChunker } from "../../../sidecar/workspace/line-chunker";
import { estimateTokens, maxLines } from "../../../sidecar/workspace/segment";
import { samples } from "./samples";

const grammarFolder = resolve(__dirname, "../../../dist/grammars");
const warnings: string[] = [];
let chunker: Chunker;

beforeAll(async () => {
  chunker = await createChunker(grammarFolder, (message) => warnings.push(message));
});

/** What holds of every result: whole lines in order, no overlap, no blank ends, the size that was promised. */
function checkShape(text: string, chunks: readonly Chunk[]): void {
  const lines = text.split("\n");
  let end = 0;
  for (const chunk of chunks) {
    expect(chunk.startLine).toBeGreaterThan(end);
    expect(chunk.endLine - chunk.startLine).toBeLessThan(maxLines);
    expect(chunk.text).toBe(lines.slice(chunk.startLine - 1, chunk.endLine).join("\n"));
    expect(lines[chunk.startLine - 1]?.trim()).not.toBe("");
    expect(lines[chunk.endLine - 1]?.trim()).not.toBe("");
    end = chunk.endLine;
  }
}

function tokensOf(text: string): number {
  return text.split("\n").reduce((sum, line) => sum + estimateTokens(line), 0);
}

describe("tree-sitter", () => {
  it("loads every grammar, and has a sample for every language", () => {
    expect(warnings).toEqual([]);
    expect(new Set(samples.map(({ path }) => languageNameOf(path)))).toEqual(new Set(languageNames()));
  });

  it.each(samples.map((sample) => [sample.path, sample] as const))("%s", async (path, { text, opens }) => {
    const chunks = await chunker.chunk(path, text);
    checkShape(text, chunks);
    for (const beginning of opens) {
      expect(chunks.map((chunk) => chunk.text.startsWith(beginning)), `${beginning}\nin\n${chunks.map((chunk) => chunk.text).join("\n-----\n")}`).toContain(true);
    }
    // Every line that says something is in some fragment.
    const covered = new Set(chunks.flatMap((chunk) => chunk.text.split("\n")));
    expect(text.split("\n").filter((line) => /\w{3}/.test(line) && !covered.has(line))).toEqual([]);
    for (const chunk of chunks) {
      const lines = chunk.text.split("\n").filter((line) => line.trim() !== "").length;
      expect(tokensOf(chunk.text), chunk.text).toBeLessThanOrEqual(160);
      expect(lines, chunk.text).toBeGreaterThanOrEqual(2);
    }
    expect(chunks.filter((chunk) => chunk.text.split("\n").length >= 3).length / chunks.length).toBeGreaterThanOrEqual(0.75);
  });

  it.each(samples.map((sample) => [sample.path, sample] as const))("%s without its blank lines, which only a grammar can cut", async (path, sample) => {
    const text = sample.text.replace(/\n\n+/g, "\n");
    const chunks = await chunker.chunk(path, text);
    checkShape(text, chunks);
    for (const beginning of sample.opens) {
      expect(chunks.map((chunk) => chunk.text.startsWith(beginning)), `${beginning}\nin\n${chunks.map((chunk) => chunk.text).join("\n-----\n")}`).toContain(true);
    }
  });

  it("keeps comments, decorators and attributes with what they are about", async () => {
    const text = "import a\n\n\ndef first():\n    x = 1\n    return x\n\n# about second\n# more\n@decorated\n@again(1)\ndef second():\n    y = 2\n    return y\n";
    expect((await chunker.chunk("a.py", text)).map((chunk) => chunk.text)).toContain("# about second\n# more\n@decorated\n@again(1)\ndef second():\n    y = 2\n    return y");
  });

  it("puts short statements together and cuts long functions between statements", async () => {
    const constants = Array.from({ length: 6 }, (_, i) => `export const value${i} = ${i};`).join("\n");
    expect(await chunker.chunk("a.ts", constants)).toHaveLength(1);
    const body = Array.from({ length: 60 }, (_, i) => `  if (input === ${i}) {\n    handle(${i}, input);\n  }`).join("\n");
    const long = `export function choose(input: number): void {\n${body}\n}\n`;
    const chunks = await chunker.chunk("a.ts", long);
    checkShape(long, chunks);
    expect(chunks.length).toBeGreaterThan(8);
    for (const chunk of chunks.slice(1)) expect(chunk.text).toMatch(/^ {2}if/);
  });

  it("leaves out a licence at the top", async () => {
    const licence = "/*\n * Copyright 2020 Somebody\n * Licensed under the Apache License, Version 2.0\n */\n";
    const [first] = await chunker.chunk("A.java", `${licence}package a;\n\nimport java.util.List;\nimport java.util.Map;\nclass A {\n}\n`);
    expect(first?.startLine).toBe(5);
    const [other] = await chunker.chunk("a.py", "# Copyright 2020\n# SPDX-License-Identifier: MIT\n\nimport os\nimport sys\nprint(os.name)\n");
    expect(other?.startLine).toBe(4);
    const [kept] = await chunker.chunk("a.py", "# Reads the settings.\n# Twice.\nimport os\nimport sys\n");
    expect(kept?.startLine).toBe(1);
  });

  it("takes broken code, endless nesting and files with nothing in them", async () => {
    const broken = "def f(:\n  class {{{ ]]\n    return\n\nfunction <<<< 1 2 3\nend end\n".repeat(20);
    for (const path of samples.map((sample) => sample.path)) checkShape(broken, await chunker.chunk(path, broken));
    const nested = `${"[\n".repeat(4000)}${"]\n".repeat(4000)}`;
    checkShape(nested, await chunker.chunk("a.js", nested));
    expect(await chunker.chunk("a.ts", "")).toEqual([]);
    expect(await chunker.chunk("a.ts", "\n\n  \n")).toEqual([]);
    expect(await chunker.chunk("a.ts", "});\n}\n")).toEqual([]);
  });

  it("cuts two files of one language at the same time as it cuts them one by one", async () => {
    const one = Array.from({ length: 3000 }, (_, i) => `function f${i}() {\n  return ${i};\n}\n`).join("\n");
    const two = samples[1]?.text ?? "";
    const [left, right] = await Promise.all([chunker.chunk("a.ts", one), chunker.chunk("b.ts", two)]);
    expect(left).toEqual(await chunker.chunk("a.ts", one));
    expect(right).toEqual(await chunker.chunk("b.ts", two));
  });

  it("does not hold the event loop while it cuts a large file", async () => {
    const text = Array.from({ length: 4000 }, (_, i) => `  void method${i}(int a, int b) {\n    call(a + ${i}, b);\n  }\n`).join("\n");
    // Once before, so that compiling the grammar is not counted.
    await chunker.chunk("A.java", text.slice(0, 50_000));
    let longest = 0;
    let last = performance.now();
    const began = last;
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const chunks = await chunker.chunk("A.java", `class A {\n${text}}\n`);
    clearInterval(timer);
    expect(chunks.length).toBeGreaterThan(1000);
    // Held for all of it, one pause would be nearly as long as the whole: a measure that holds on a busy machine too.
    expect(longest).toBeLessThan((performance.now() - began) / 2);
  });
});

describe("line windows", () => {
  const lines = new LineChunker();

  it("cut at blank lines and headings", async () => {
    const text = "# Title\n\nA first paragraph\nof two lines.\n\n## Install\n\nRun this\nand then that\nand wait.\n\n## Use\n\nCall it\nwith care.\n";
    const chunks = await lines.chunk("README.md", text);
    checkShape(text, chunks);
    expect(chunks.map((chunk) => chunk.text.split("\n")[0])).toEqual(["# Title", "## Install", "## Use"]);
  });

  it("cut what has no blank lines, and leave out overlong lines", async () => {
    const text = Array.from({ length: 100 }, (_, i) => `key${i} = value number ${i}`).join("\n");
    const chunks = await lines.chunk("a.conf", text);
    checkShape(text, chunks);
    expect(chunks.length).toBeGreaterThanOrEqual(5);
    expect(chunks.at(-1)?.endLine).toBe(100);
    expect(await lines.chunk("a.txt", "y".repeat(5000))).toEqual([]);
  });

  it("take over when no grammar can be loaded", async () => {
    const folder = mkdtempSync(join(tmpdir(), "no-grammars-"));
    const messages: string[] = [];
    const fallback = await createChunker(folder, (message) => messages.push(message));
    rmSync(folder, { recursive: true });
    expect((await fallback.chunk("a.py", "def f():\n    return 1\n"))[0]?.startLine).toBe(1);
    expect(messages).not.toEqual([]);
    expect(fallback.version).not.toBe(chunker.version);
  });
});
