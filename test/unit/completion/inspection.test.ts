// Inspection of earlier completions with the real model: prompt, need and comparison.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Completer, type CompleterOptions } from "../../../sidecar/completion/completer";
import type { CompletionRecord } from "../../../sidecar/completion/completion-record";
import { Inspection } from "../../../sidecar/completion/inspection";
import type { Backbone } from "../../../sidecar/inference/backbone";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { type CompletionTrace, defaultSettings } from "../../../sidecar/protocol";
import type { CursorContext } from "../../../sidecar/retrieval/types";
import type { ScoredFragment } from "../../../sidecar/workspace/fragment";
import type { FragmentSource } from "../../../sidecar/workspace/fragment-source";
import { modelPath } from "../../model";
import { fillInMiddle } from "../fill-in-middle";

let model: ModelPackage;
let tokenizer: Tokenizer;
let promptFormat: PromptFormat;
let backbone: Backbone;

beforeAll(async () => {
  model = await loadModelPackage(modelPath);
  tokenizer = await Tokenizer.load(model);
  promptFormat = new PromptFormat(model, tokenizer);
  backbone = await createBackbone(model, { provider: "cpu", threads: 1 });
});
afterAll(() => backbone.dispose());

const context: CursorContext = {
  uri: "file:///w/shop/totals.py",
  path: "shop/totals.py",
  languageId: "python",
  prefix: "from shop.ledger import Ledger\n\ndef close(ledger: Ledger) -> None:\n    ledger.",
  suffix: "\n",
};
const hits: ScoredFragment[] = [
  {
    fragment: {
      uri: "file:///w/shop/ledger.py",
      path: "shop/ledger.py",
      startLine: 1,
      endLine: 5,
      text: "class Ledger:\n    def settle_outstanding_positions(self) -> None:\n        for position in self.positions:\n            position.settle()\n        self.positions.clear()",
    },
    score: 0.9,
  },
  {
    fragment: {
      uri: "file:///w/shop/tax.py",
      path: "shop/tax.py",
      startLine: 4,
      endLine: 5,
      text: "def tax_of(amount: int) -> int:\n    return amount // 5",
    },
    score: 0.8,
  },
];
const source: FragmentSource = {
  fragmentCount: 2,
  revision: 1,
  vectorIndex: { name: "flat", reason: "test" },
  search: (_, k) => hits.slice(0, k),
};

/** The real model with some changes. */
const changed = (change: Partial<Backbone>): Backbone => Object.assign(Object.create(backbone) as Backbone, change);

interface Inspected {
  readonly inspection: Inspection;
  readonly completer: Completer;
  complete(at?: Partial<CursorContext>, signal?: AbortSignal): Promise<CompletionTrace>;
  last(trace: CompletionTrace): CompletionRecord;
}

function inspecting(using: Backbone = backbone, format = promptFormat): Inspected {
  const options: CompleterOptions = {
    backbone: using,
    promptFormat: format,
    tokenizer,
    source: () => source,
    log: () => {},
  };
  const inspection = new Inspection(options);
  const completer = new Completer({ ...options, onCompleted: (completed) => inspection.put(completed) });
  return {
    inspection,
    completer,
    complete: (at = {}, signal) =>
      completer.complete(
        { ...context, ...at },
        defaultSettings,
        { line: 3, character: 11 },
        signal,
        performance.now(),
        { invoked: true },
      ),
    last: (trace) => {
      const found = inspection.get(trace.id);
      if (found === undefined) throw new Error(`completion ${trace.id} is not held`);
      return found;
    },
  };
}

describe("the inspected prompt", () => {
  it("has pieces that add up to the prompt, with fragments and code", async () => {
    const { inspection, complete, last } = inspecting();
    const trace = await complete();
    const { pieces, contextLength } = inspection.promptOf(last(trace));
    expect(contextLength).toBe(model.contextLength);
    expect(pieces.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(trace.promptTokens);
    expect(trace.fragments.map(({ path }) => path)).toEqual(["shop/tax.py", "shop/ledger.py"]);
    for (const [at, { tokens, path }] of trace.fragments.entries()) {
      const own = pieces.filter(({ fragment }) => fragment === at);
      expect(own.reduce((sum, piece) => sum + piece.tokens, 0)).toBe(tokens);
      expect(own.map(({ kind }) => kind)).toEqual(["special", "path", "special", "fragment", "special"]);
      expect(own[1]?.text).toBe(path);
      expect(own[3]?.text).toBe(hits.find(({ fragment }) => fragment.path === path)?.fragment.text);
    }
    const code = pieces.filter(({ fragment }) => fragment === undefined);
    expect(code.map(({ kind }) => kind)).toEqual(["special", "path", "special", "prefix"]);
    expect(context.prefix.startsWith(code[3]?.text ?? "?")).toBe(true);
    // Without the last token, which the model generates again.
    expect(`${code[3]?.text}${last(trace).required}`).toBe(context.prefix);
  });

  it.each<{ layout: string; template: string[] }>([
    { layout: "filling in the middle", template: fillInMiddle },
    {
      layout: "the code below first",
      template: ["<|fragment|>", "{path}", " (below)\n", "{suffix}", "\n", "<|path|>", "{path}", "\n", "{prefix}"],
    },
  ])("has the suffix where the model reads it: $layout", async ({ template }) => {
    const filling: ModelPackage = { ...model, prompt: { ...model.prompt, fillInMiddle: template } };
    const { inspection, complete, last } = inspecting(
      changed({ model: filling }),
      new PromptFormat(filling, tokenizer),
    );
    const trace = await complete({ suffix: "\n\ndef open() -> None:\n    pass\n" });
    const { pieces } = inspection.promptOf(last(trace));
    expect(pieces.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(trace.promptTokens);
    const code = pieces.filter(({ fragment }) => fragment === undefined);
    expect(code.map(({ kind, text }) => (kind === "special" ? text : `{${kind}}`))).toEqual(template);
    expect(code.find(({ kind }) => kind === "suffix")?.text).toBe("\n\ndef open() -> None:\n    pass\n");
  });

  it("has the right pieces where paths and code are cut", async () => {
    const { inspection, complete, last } = inspecting();
    const path = `${"deeply/nested/folder/".repeat(12)}file.py`;
    const trace = await complete({
      path,
      uri: `file:///w/${path}`,
      prefix: `${"value = compute(1)\n".repeat(900)}ledger.`,
    });
    const { pieces } = inspection.promptOf(last(trace));
    expect(pieces.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(trace.promptTokens);
    const code = pieces.filter(({ fragment }) => fragment === undefined);
    expect(code.map(({ kind }) => kind)).toEqual(["special", "path", "special", "prefix"]);
    expect(code[1]?.tokens).toBe(model.prompt.maxPathTokens);
    expect(path.endsWith(code[1]?.text ?? "?")).toBe(true);
  });
});

describe("the remembered completions", () => {
  it("are the last twenty that were not cancelled", async () => {
    const { inspection, complete } = inspecting();
    const cancelled = await complete({}, AbortSignal.abort());
    expect(inspection.get(cancelled.id)).toBeUndefined();
    const trace = await complete();
    const completed = inspection.get(trace.id);
    expect(completed?.trace).toBe(trace);
    if (completed === undefined) return;
    for (let id = 100; id < 120; id++) inspection.put({ ...completed, trace: { ...trace, id } });
    expect(inspection.get(trace.id)).toBeUndefined();
    expect(inspection.get(100)).toBeDefined();
    expect(inspection.get(119)).toBeDefined();
    inspection.put({ ...completed, trace: { ...trace, id: 120 } });
    expect(inspection.get(100)).toBeUndefined();
    // Large documents are forgotten sooner, except for the newest.
    const large = { ...context, prefix: "x".repeat(9_000_000) };
    inspection.put({ ...completed, context: large, trace: { ...trace, id: 121 } });
    expect([119, 120, 121].map((id) => inspection.get(id) !== undefined)).toEqual([false, false, true]);
  });
});

describe("the inspected need", () => {
  it("has the tokens of the query with their positions in the document", async () => {
    const asked: (readonly number[])[] = [];
    const needWeights = async (tokens: readonly number[]) => {
      asked.push(tokens);
      return [
        new Float32Array(tokens.length).fill(1 / tokens.length),
        Float32Array.from(tokens, (_, at) => (at === 0 ? 1 : 0)),
      ];
    };
    const { inspection, complete, last } = inspecting(changed({ needWeights }));
    const prefix = `# 🦀 ünïcode\n${context.prefix}`;
    const { tokens, layers } = await inspection.needOf(last(await complete({ prefix })), new AbortController().signal);
    expect(asked).toEqual([promptFormat.query(context.path, prefix)]);
    expect(layers.map((layer) => layer.length)).toEqual([tokens.length, tokens.length]);
    expect(layers[0]?.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
    expect(tokens.map(({ text }) => text).join("")).toContain(`${context.path}\n`);
    const placed = tokens.filter(({ position }) => position !== undefined);
    // The whole prefix fits in the query.
    expect(placed.map(({ text }) => text).join("")).toBe(prefix);
    expect(placed[0]?.position).toEqual({ line: 0, character: 0 });
    const lines = prefix.split("\n");
    for (const { text, position } of placed.filter((token) => !/[^\x20-\x7e]/.test(token.text) && token.text !== "")) {
      expect(lines[position?.line ?? -1]?.slice(position?.character, (position?.character ?? 0) + text.length)).toBe(
        text,
      );
    }
    const crab = placed.find(({ position }) => position?.line === 0 && position.character >= 2);
    expect(crab?.position).toEqual({ line: 0, character: 2 });
    expect(tokens[0]).toEqual({ text: "<|path|>" });
  });

  it("of the real model has a weight for every token, in every layer", async () => {
    const { inspection, complete, last } = inspecting();
    const { tokens, layers } = await inspection.needOf(last(await complete()), new AbortController().signal);
    expect(layers).toHaveLength(model.architecture.layers);
    for (const layer of layers) {
      expect(layer).toHaveLength(tokens.length);
      expect(Math.min(...layer)).toBeGreaterThanOrEqual(0);
      expect(layer.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 4);
    }
    expect(layers[0]).not.toEqual(layers[1]);
  });
});

describe("the comparison without fragments", () => {
  it("has both completions, and what the fragments gained", async () => {
    const { inspection, completer, complete, last } = inspecting();
    // Only the fragment has the continuation.
    const begun = { ...context, prefix: `${context.prefix}settle_` };
    const trace = await complete(begun);
    expect(trace.suggestion).toContain("outstanding_positions");
    const { withFragments, withoutFragments, gained } = await inspection.compare(
      last(trace),
      new AbortController().signal,
    );
    expect(withFragments.suggestion).toBe(trace.suggestion);
    expect(withoutFragments.suggestion).not.toContain("outstanding_positions");
    expect(withoutFragments.suggestion === "").toBe(withoutFragments.suppressed !== undefined);
    expect(gained).toBeGreaterThan(3);

    // The completer's state is unchanged: the next completion reuses the fragments and has the next id.
    const next = await complete({ prefix: `${begun.prefix}o` });
    expect(next.id).toBe(trace.id + 1);
    expect(next.reused).toMatchObject({ since: trace.id });
    const alone = await completer.complete(
      begun,
      { ...defaultSettings, retrieval: false },
      { line: 3, character: 11 },
      undefined,
      performance.now(),
      { invoked: true },
    );
    expect(withoutFragments.suggestion).toBe(alone.suggestion);
  });

  it("has a gain of zero without fragments", async () => {
    const { inspection, completer, last } = inspecting();
    const trace = await completer.complete(
      context,
      { ...defaultSettings, retrieval: false },
      { line: 3, character: 11 },
      undefined,
      performance.now(),
      { invoked: true },
    );
    const { withFragments, withoutFragments, gained } = await inspection.compare(
      last(trace),
      new AbortController().signal,
    );
    expect(withoutFragments).toEqual(withFragments);
    expect(gained).toBeCloseTo(0, 4);
  });

  it("stops when its signal is aborted", async () => {
    const { inspection, complete, last } = inspecting();
    const trace = await complete();
    const controller = new AbortController();
    const comparing = inspection.compare(last(trace), controller.signal);
    setTimeout(() => controller.abort(), 5);
    await expect(comparing).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    expect((await complete({ prefix: `${context.prefix}s` })).reused).toMatchObject({ since: trace.id });
  });
});
