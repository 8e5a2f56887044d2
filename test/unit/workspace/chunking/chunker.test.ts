// Fragments follow the syntax of every language, and no input breaks the chunker.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { Parser } from "web-tree-sitter";
import { grammars, languageOfFile } from "../../../../sidecar/languages/languages";
import type { Chunk, Chunker } from "../../../../sidecar/workspace/chunking/chunker";
import { createChunker } from "../../../../sidecar/workspace/chunking/create-chunker";
import { estimateTokens } from "../../../../sidecar/workspace/chunking/estimate-tokens";
import { LineChunker } from "../../../../sidecar/workspace/chunking/line-chunker";
import { maxLines, maxTokens } from "../../../../sidecar/workspace/chunking/segment";
import { cpuTime } from "../../cpu-time";
import { samples } from "../vectors/samples";

const grammarFolder = resolve(__dirname, "../../../../dist/grammars");
const warnings: string[] = [];
let chunker: Chunker;

beforeAll(async () => {
  chunker = await createChunker(grammarFolder, (message) => warnings.push(message));
});

/** Checks every result: whole lines in order, no overlap, no blank ends, and the size within the limits. */
function checkShape(text: string, chunks: readonly Chunk[]): void {
  const lines = text.split("\n");
  let end = 0;
  for (const chunk of chunks) {
    expect(chunk.startLine).toBeGreaterThan(end);
    expect(chunk.endLine - chunk.startLine).toBeLessThan(maxLines);
    expect(chunk.text).toBe(lines.slice(chunk.startLine - 1, chunk.endLine).join("\n"));
    expect(lines[chunk.startLine - 1]?.trim()).not.toBe("");
    expect(lines[chunk.endLine - 1]?.trim()).not.toBe("");
    if (chunk.endLine > chunk.startLine) expect(tokensOf(chunk.text)).toBeLessThanOrEqual(maxTokens);
    if (chunk.scope !== undefined) expect(chunk.scope.length).toBeGreaterThan(0);
    // Each signature is the beginning of a line above the chunk.
    for (const signature of chunk.scope ?? [])
      expect(
        lines.slice(0, chunk.startLine - 1).some((line) => line.trim().startsWith(signature)),
        `${signature} above ${chunk.startLine}`,
      ).toBe(true);
    end = chunk.endLine;
  }
}

/** Lines with content that are in no chunk, except a licence at the top. */
function lostLines(text: string, chunks: readonly Chunk[]): string[] {
  const lines = text.split("\n");
  const covered = new Set(
    chunks.flatMap(({ startLine, endLine }) =>
      Array.from({ length: endLine - startLine + 1 }, (_, i) => startLine - 1 + i),
    ),
  );
  const lost = [...lines.keys()].filter(
    (row) =>
      !covered.has(row) && (lines[row]?.match(/[\p{L}\p{N}]/gu)?.length ?? 0) >= 6 && (lines[row]?.length ?? 0) <= 2000,
  );
  const [first] = chunks;
  const firstRow = first === undefined ? lines.length : first.startLine - 1;
  const licence = lost.filter((row) => row < firstRow && row < 90);
  const isLicence = /licen[cs]e|copyright|spdx-/i.test(licence.map((row) => lines[row]).join("\n"));
  return lost.filter((row) => !isLicence || !licence.includes(row)).map((row) => `${row + 1}: ${lines[row]}`);
}

function tokensOf(text: string): number {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .reduce((sum, line) => sum + estimateTokens(line), 0);
}

describe("tree-sitter", () => {
  it("loads every grammar, and has a sample for every language", () => {
    expect(warnings).toEqual([]);
    expect(new Set(samples.map(({ path }) => languageOfFile(path)?.grammar))).toEqual(new Set(grammars()));
  });

  it.each(samples.map((sample) => [sample.path, sample] as const))("%s", async (path, { text, opens }) => {
    const chunks = await chunker.chunk(path, text);
    checkShape(text, chunks);
    for (const beginning of opens) {
      expect(
        chunks.map((chunk) => chunk.text.startsWith(beginning)),
        `${beginning}\nin\n${chunks.map((chunk) => chunk.text).join("\n-----\n")}`,
      ).toContain(true);
    }
    // Every line with content is in a fragment.
    const covered = new Set(chunks.flatMap((chunk) => chunk.text.split("\n")));
    expect(text.split("\n").filter((line) => /\w{3}/.test(line) && !covered.has(line))).toEqual([]);
    for (const chunk of chunks) {
      const lines = chunk.text.split("\n").filter((line) => line.trim() !== "").length;
      expect(tokensOf(chunk.text), chunk.text).toBeLessThanOrEqual(maxTokens);
      expect(lines, chunk.text).toBeGreaterThanOrEqual(2);
    }
    expect(chunks.filter((chunk) => chunk.text.split("\n").length >= 3).length / chunks.length).toBeGreaterThanOrEqual(
      0.75,
    );
  });

  it.each(samples.map((sample) => [sample.path, sample] as const))(
    "%s without its blank lines, which only a grammar can cut",
    async (path, sample) => {
      const text = sample.text.replace(/\n\n+/g, "\n");
      const chunks = await chunker.chunk(path, text);
      checkShape(text, chunks);
      for (const beginning of sample.opens) {
        expect(
          chunks.map((chunk) => chunk.text.startsWith(beginning)),
          `${beginning}\nin\n${chunks.map((chunk) => chunk.text).join("\n-----\n")}`,
        ).toContain(true);
      }
    },
  );

  it("puts comments, decorators and attributes in one chunk with the code they are about", async () => {
    const text =
      "import a\n\n\ndef first():\n    x = 1\n    return x\n\n# about second\n# more\n@decorated\n@again(1)\ndef second():\n    y = 2\n    return y\n";
    expect((await chunker.chunk("a.py", text)).map((chunk) => chunk.text)).toContain(
      "# about second\n# more\n@decorated\n@again(1)\ndef second():\n    y = 2\n    return y",
    );
  });

  it("puts short statements together and cuts long functions between statements", async () => {
    const constants = Array.from({ length: 6 }, (_, i) => `export const value${i} = ${i};`).join("\n");
    expect(await chunker.chunk("a.ts", constants)).toHaveLength(1);
    const body = Array.from({ length: 60 }, (_, i) => `  if (input === ${i}) {\n    handle(${i}, input);\n  }`).join(
      "\n",
    );
    const long = `export function choose(input: number): void {\n${body}\n}\n`;
    const chunks = await chunker.chunk("a.ts", long);
    checkShape(long, chunks);
    expect(chunks.length).toBeGreaterThan(8);
    for (const chunk of chunks.slice(1)) expect(chunk.text).toMatch(/^ {2}if/);
  });

  it("excludes a licence at the top", async () => {
    const licence = "/*\n * Copyright 2020 Somebody\n * Licensed under the Apache License, Version 2.0\n */\n";
    const [first] = await chunker.chunk(
      "A.java",
      `${licence}package a;\n\nimport java.util.List;\nimport java.util.Map;\nclass A {\n}\n`,
    );
    expect(first?.startLine).toBe(5);
    const [other] = await chunker.chunk(
      "a.py",
      "# Copyright 2020\n# SPDX-License-Identifier: MIT\n\nimport os\nimport sys\nprint(os.name)\n",
    );
    expect(other?.startLine).toBe(4);
    const [kept] = await chunker.chunk("a.py", "# Reads the settings.\n# Twice.\nimport os\nimport sys\n");
    expect(kept?.startLine).toBe(1);
  });

  it("handles broken code, very deep nesting and empty files", async () => {
    const broken = "def f(:\n  class {{{ ]]\n    return\n\nfunction <<<< 1 2 3\nend end\n".repeat(20);
    for (const path of samples.map((sample) => sample.path)) checkShape(broken, await chunker.chunk(path, broken));
    const nested = `${"[\n".repeat(4000)}${"]\n".repeat(4000)}`;
    checkShape(nested, await chunker.chunk("a.js", nested));
    expect(await chunker.chunk("a.ts", "")).toEqual([]);
    expect(await chunker.chunk("a.ts", "\n\n  \n")).toEqual([]);
    expect(await chunker.chunk("a.ts", "});\n}\n")).toEqual([]);
  });

  it("gives each fragment the signatures of the definitions around it", async () => {
    for (const { path, text, opens } of samples) {
      const chunks = await chunker.chunk(path, text);
      for (const beginning of opens.filter((each) => /^\s/.test(each))) {
        const inner = chunks.find((chunk) => chunk.text.startsWith(beginning));
        expect(inner?.scope, `${path}: ${beginning}`).toBeDefined();
      }
      for (const beginning of opens.filter((each) => /^\S/.test(each))) {
        const outer = chunks.find((chunk) => chunk.text.startsWith(beginning));
        if (path.endsWith(".cs") || path.endsWith(".cpp") || path.endsWith(".php")) continue;
        expect(outer?.scope, `${path}: ${beginning}`).toBeUndefined();
      }
    }
  });

  const long = (statement: (i: number) => string): string =>
    Array.from({ length: 40 }, (_, i) => statement(i)).join("\n");
  it.each([
    [
      "a.py",
      `class Account(Base):\n    @cached\n    def total(self, rate: int) -> int:\n${long((i) => `        self.add(rate + ${i})`)}\n`,
      ["class Account(Base)", "def total(self, rate: int) -> int"],
    ],
    [
      "a.ts",
      `export namespace bank {\n  export class Account<T> extends Base {\n    async total(rate: number): Promise<number> {\n${long((i) => `      this.add(rate + ${i});`)}\n    }\n  }\n}\n`,
      ["export namespace bank", "export class Account<T> extends Base", "async total(rate: number): Promise<number>"],
    ],
    [
      "a.js",
      `const run = async (rate) => {\n${long((i) => `  add(rate + ${i});`)}\n};\n`,
      ["const run = async (rate)"],
    ],
    [
      "a.tsx",
      `export function Page({ rows }: Props) {\n${long((i) => `  use(rows[${i}]);`)}\n  return <b>x</b>;\n}\n`,
      ["export function Page({ rows }: Props)"],
    ],
    [
      "A.java",
      `package a;\npublic class Account extends Base {\n    @Override\n    public int total(int rate) {\n${long((i) => `        add(rate + ${i});`)}\n    }\n}\n`,
      ["public class Account extends Base", "public int total(int rate)"],
    ],
    [
      "a.go",
      `package a\n\nfunc (a *Account) Total(rate int) int {\n${long((i) => `\ta.add(rate + ${i})`)}\n\treturn 1\n}\n`,
      ["func (a *Account) Total(rate int) int"],
    ],
    [
      "a.rs",
      `impl Total for Account {\n    pub fn total(&self, rate: u32) -> u32 {\n${long((i) => `        self.add(rate + ${i});`)}\n        1\n    }\n}\n`,
      ["impl Total for Account", "pub fn total(&self, rate: u32) -> u32"],
    ],
    [
      "a.cs",
      `namespace Bank\n{\n    public class Account : Base\n    {\n        public int Total(int rate)\n        {\n${long((i) => `            Add(rate + ${i});`)}\n        }\n    }\n}\n`,
      ["namespace Bank", "public class Account : Base", "public int Total(int rate)"],
    ],
    [
      "a.cpp",
      `namespace bank {\nclass Account : public Base {\n  int total(int rate) {\n${long((i) => `    add(rate + ${i});`)}\n  }\n};\n}\n`,
      ["namespace bank", "class Account : public Base", "int total(int rate)"],
    ],
    [
      "a.rb",
      `module Bank\n  class Account < Base\n    def total(rate)\n${long((i) => `      add(rate + ${i})`)}\n    end\n  end\nend\n`,
      ["module Bank", "class Account < Base", "def total(rate)"],
    ],
    [
      "a.php",
      `<?php\nclass Account extends Base\n{\n    public function total(int $rate): int\n    {\n${long((i) => `        $this->add($rate + ${i});`)}\n    }\n}\n`,
      ["class Account extends Base", "public function total(int $rate): int"],
    ],
  ])("%s: later fragments of a long method have class and method as scope", async (path, text, scope) => {
    const chunks = await chunker.chunk(path, text);
    checkShape(text, chunks);
    expect(chunks.length).toBeGreaterThanOrEqual(3);
    expect(chunks.at(-2)?.scope).toEqual(scope);
    expect(chunks[0]?.scope).toBeUndefined();
  });

  it("cuts a file by lines when its grammar fails, with a warning", async () => {
    const told: string[] = [];
    const fragile = await createChunker(grammarFolder, (message) => told.push(message));
    const spy = vi.spyOn(Parser.prototype, "parse").mockImplementation(() => {
      throw new Error("memory access out of bounds");
    });
    const text = "def first():\n    return 1\n\n\ndef second():\n    return 2\n";
    expect(await fragile.chunk("a.py", text)).toEqual(await new LineChunker().chunk("a.py", text));
    expect(told).toEqual([
      expect.stringMatching(
        /^a\.py: the grammar tree-sitter-python\.wasm failed on it \(memory access out of bounds\)/,
      ),
    ]);
    spy.mockRestore();
    expect(await fragile.chunk("a.py", text)).toEqual(await chunker.chunk("a.py", text));
  });

  it("excludes an overlong line only, and nothing of a file whose licence comment is not closed", async () => {
    const text = `before = first_value()\nmore = second_value()\ndata = "${"x".repeat(3000)}"\nafter = third_value()\nlast = fourth_value()\n`;
    for (const each of [chunker, new LineChunker()]) {
      const chunks = await each.chunk("a.py", text);
      expect(chunks.map(({ startLine, endLine }) => [startLine, endLine])).toEqual([
        [1, 2],
        [4, 5],
      ]);
    }
    const open = "/* Copyright 2020 Somebody\n\nint first(void);\nint second(void);\n";
    expect(lostLines(open, await chunker.chunk("a.c", open))).toEqual([]);
    const code = "/* Copyright 2020 Somebody */ int first(void);\nint second(void);\n";
    expect(lostLines(code, await chunker.chunk("a.c", code))).toEqual([]);
    const essay = `${Array.from({ length: 100 }, (_, i) => `// line ${i} about the licence server`).join("\n")}\nint first(void);\n`;
    expect(lostLines(essay, await chunker.chunk("a.c", essay))).toEqual([]);
  });

  it("cuts two files of one language at the same time as it cuts them one by one", async () => {
    const one = Array.from({ length: 3000 }, (_, i) => `function f${i}() {\n  return ${i};\n}\n`).join("\n");
    const two = samples[1]?.text ?? "";
    const [left, right] = await Promise.all([chunker.chunk("a.ts", one), chunker.chunk("b.ts", two)]);
    expect(left).toEqual(await chunker.chunk("a.ts", one));
    expect(right).toEqual(await chunker.chunk("b.ts", two));
  });

  it("does not block the event loop while it cuts a large file", async () => {
    const text = Array.from(
      { length: 4000 },
      (_, i) => `  void method${i}(int a, int b) {\n    call(a + ${i}, b);\n  }\n`,
    ).join("\n");
    // The first run compiles the grammar.
    await chunker.chunk("A.java", text.slice(0, 50_000));
    let longest = 0;
    let last = cpuTime();
    const began = last;
    const timer = setInterval(() => {
      longest = Math.max(longest, cpuTime() - last);
      last = cpuTime();
    }, 1);
    const chunks = await chunker.chunk("A.java", `class A {\n${text}}\n`);
    clearInterval(timer);
    expect(chunks.length).toBeGreaterThan(1000);
    // Without yielding, one turn would be nearly as long as the whole.
    expect(longest).toBeLessThan((cpuTime() - began) / 2);
  });
});

describe("line windows", () => {
  const lines = new LineChunker();

  it("cut at blank lines and headings", async () => {
    const text =
      "# Title\n\nA first paragraph\nof two lines.\n\n## Install\n\nRun this\nand then that\nand wait.\n\n## Use\n\nCall it\nwith care.\n";
    const chunks = await lines.chunk("README.md", text);
    checkShape(text, chunks);
    expect(chunks.map((chunk) => chunk.text.split("\n")[0])).toEqual(["# Title", "## Install", "## Use"]);
  });

  it("cut text without blank lines, and exclude overlong lines", async () => {
    const text = Array.from({ length: 100 }, (_, i) => `key${i} = value number ${i}`).join("\n");
    const chunks = await lines.chunk("a.conf", text);
    checkShape(text, chunks);
    expect(chunks.length).toBeGreaterThanOrEqual(5);
    expect(chunks.at(-1)?.endLine).toBe(100);
    expect(await lines.chunk("a.txt", "y".repeat(5000))).toEqual([]);
  });

  it("are used when no grammar can be loaded", async () => {
    const folder = mkdtempSync(join(tmpdir(), "no-grammars-"));
    const messages: string[] = [];
    const fallback = await createChunker(folder, (message) => messages.push(message));
    rmSync(folder, { recursive: true });
    expect((await fallback.chunk("a.py", "def f():\n    return 1\n"))[0]?.startLine).toBe(1);
    expect(messages).not.toEqual([]);
    expect(fallback.version).not.toBe(chunker.version);
  });
});

describe("real files", () => {
  const root = resolve(__dirname, "../../../..");
  /** A few files of every kind there is in the folder, the same ones in every run. */
  function some(folder: string, max: number): string[] {
    const byKind = new Map<string, string[]>();
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      const [, kind] = /(\.d\.m?ts|\.(?:[cm]?js|tsx?|py|cc|cpp|h|md|ya?ml|json))$/.exec(entry.name) ?? [];
      if (kind === undefined || !entry.isFile()) continue;
      const files = byKind.get(kind) ?? [];
      byKind.set(kind, files);
      files.push(join(entry.parentPath, entry.name));
    }
    return [...byKind.values()].flatMap((files) =>
      files.sort().filter((_, i) => i % Math.ceil(files.length / max) === 0),
    );
  }
  const files = [
    ...some("node_modules", 15),
    ...some("sidecar", 12),
    ...some("models/training", 8),
    ...some("test/fixtures/workspace", 8),
    ...some("extension", 5),
  ];
  const texts = files.map(
    (path) =>
      [path.slice(root.length + 1), readFileSync(path, "utf8").replace(/\r\n?/g, "\n").slice(0, 60_000)] as const,
  );

  /** The same damage in every run (a linear congruential generator). */
  function damages(text: string, seed: number): string[] {
    let state = seed;
    const below = (n: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * Math.max(1, n));
    };
    const at = below(text.length);
    const lines = text.split("\n");
    const row = below(lines.length);
    return [
      text.slice(0, at),
      text.slice(at),
      `${text.slice(0, at)}}}) ]] end """ */ \`${text.slice(at)}`,
      text.replace(/[)}\]]/g, (bracket) => (below(4) === 0 ? "" : bracket)),
      [
        ...lines.slice(0, row),
        "<<<<<<< HEAD",
        ...lines.slice(row, row + 9),
        "=======",
        ...lines.slice(row + 5, row + 12),
        ">>>>>>> other",
        ...lines.slice(row),
      ].join("\n"),
      lines.map((line) => line.replace(/^\s+/, (indent) => (below(5) === 0 ? "" : indent))).join("\n"),
    ];
  }

  it("are cut within the limits, and every line with content is in a chunk", async () => {
    expect(new Set(texts.map(([path]) => languageOfFile(path)?.grammar)).size).toBeGreaterThanOrEqual(5);
    expect(texts.length).toBeGreaterThan(80);
    for (const [path, text] of texts) {
      const chunks = await chunker.chunk(path, text);
      checkShape(text, chunks);
      expect([path, lostLines(text, chunks)]).toEqual([path, []]);
    }
  });

  it("lose no line when they are broken", async () => {
    for (const [index, [path, text]] of texts.entries()) {
      if (index % 3 !== 0) continue;
      for (const [kind, broken] of damages(text.slice(0, 12_000), index + 1).entries()) {
        const chunks = await chunker.chunk(path, broken);
        checkShape(broken, chunks);
        expect([path, kind, lostLines(broken, chunks)]).toEqual([path, kind, []]);
      }
    }
  });

  it("have the definition around their statements as scope", async () => {
    let inside = 0;
    let named = 0;
    for (const [path, text] of texts) {
      if (!/\.(ts|py|cc|h)$/.test(path)) continue;
      for (const chunk of await chunker.chunk(path, text)) {
        // Indented code has a scope, unless it is part of a literal or a call.
        if (!/^[ \t]+\w/.test(chunk.text)) continue;
        inside += 1;
        if (chunk.scope !== undefined) named += 1;
      }
    }
    expect(inside).toBeGreaterThan(100);
    expect(named / inside).toBeGreaterThan(0.85);
  });
});
