// No input breaks the chunker: line windows, and real files.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { languageOfFile } from "../../../../sidecar/languages/languages";
import { createChunker } from "../../../../sidecar/workspace/chunking/create-chunker";
import { LineChunker } from "../../../../sidecar/workspace/chunking/line-chunker";
import { checkShape, chunker, lostLines } from "./checked-chunks";

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
