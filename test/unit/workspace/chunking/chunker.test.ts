// Fragments follow the syntax of every language.
import { describe, expect, it, vi } from "vitest";
import { Parser } from "web-tree-sitter";
import { grammars, languageOfFile } from "../../../../sidecar/languages/languages";
import { createChunker } from "../../../../sidecar/workspace/chunking/create-chunker";
import { LineChunker } from "../../../../sidecar/workspace/chunking/line-chunker";
import { maxTokens } from "../../../../sidecar/workspace/chunking/segment";
import { cpuTime } from "../../cpu-time";
import { samples } from "../vectors/samples";
import { checkShape, chunker, grammarFolder, lostLines, tokensOf, warnings } from "./checked-chunks";

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
