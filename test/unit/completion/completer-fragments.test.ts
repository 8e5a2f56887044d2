// Which fragments a completer reuses and fetches over keystrokes.
import { describe, expect, it } from "vitest";
import type { Backbone } from "../../../sidecar/inference/backbone";
import type { CompletionTrace, Settings } from "../../../sidecar/protocol";
import type { CursorContext } from "../../../sidecar/retrieval/types";
import type { ScoredFragment } from "../../../sidecar/workspace/fragment";
import type { FragmentSource } from "../../../sidecar/workspace/fragment-source";
import { complete, completer, context, model, real, tokenizer } from "./real-completer";
import { scriptedBackbone } from "./scripted-backbone";

describe("the fragments in the prompt over keystrokes", () => {
  const saidNeed = (angle: number) =>
    Float32Array.from({ length: model.retrieval.dimension }, (_, at) =>
      at === 0 ? Math.cos(angle) : at === 1 ? Math.sin(angle) : 0,
    );
  /** A model whose need turns with the letters of the prompt: by 0.1 with each `q`, by 2 with each `z`. */
  const turning = () =>
    scriptedBackbone(model, {
      tokens: [],
      last: tokenizer.tokenOf(model.specialTokens.endOfText),
      need: (tokens) =>
        saidNeed(
          [...tokenizer.decode(tokens)].reduce(
            (sum, letter) => sum + (letter === "q" ? 0.1 : letter === "z" ? 2 : 0),
            0,
          ),
        ),
    });
  const at = (typed: string, change: Partial<CursorContext> = {}): CursorContext => ({
    ...context,
    prefix: `${context.prefix}x = 1;\n  ${typed}`,
    ...change,
  });
  const paths = (trace: CompletionTrace) => trace.fragments.map(({ path }) => path);
  /** A source whose searches return fragments in this order. */
  const ranked = (order: readonly string[], scores: readonly number[], revision = 1): FragmentSource => {
    const found = order.map(
      (name, n): ScoredFragment => ({
        fragment: {
          uri: `file:///w/web/${name}.ts`,
          path: `web/${name}.ts`,
          startLine: 4,
          endLine: 6,
          text: `export function ${name}Of(a: Money): Money {\n  return ${name};\n}`,
        },
        score: scores[n] ?? 0,
      }),
    );
    return {
      fragmentCount: found.length,
      revision,
      vectorIndex: { name: "flat", reason: "test" },
      search: (_, k) => found.slice(0, k),
    };
  };

  it("are reused without a search while the need has hardly moved", async () => {
    const backbone = turning();
    let now = ranked(["money", "tax"], [0.5, 0.4]);
    const one = completer(backbone, () => now);
    const first = await complete(one, {}, undefined, at("a "));
    expect(first).toMatchObject({ fetched: "the first completion in this document" });
    expect(first.reused).toBeUndefined();
    now = ranked(["fee", "vat"], [0.9, 0.8]);
    const second = await complete(one, {}, undefined, at("a q "));
    expect(second.reused).toMatchObject({ since: first.id, reason: "the need has hardly moved" });
    expect(second.reused?.similarity).toBeCloseTo(Math.cos(0.1), 3);
    expect(second.fetched).toBeUndefined();
    expect(paths(second)).toEqual(paths(first));
    expect(second.dropped).toEqual(first.dropped);
    expect(second.timings).toMatchObject({ expressMs: 0, searchMs: 0 });
    expect(backbone.expressed).toHaveLength(1);
    expect(backbone.prompts).toHaveLength(2);
  });

  it("are compared with the need they were found for, so that small changes add up", async () => {
    const backbone = turning();
    let now = ranked(["money"], [0.5]);
    const one = completer(backbone, () => now);
    await complete(one, {}, undefined, at("a "));
    now = ranked(["fee"], [0.9]);
    const reasons: (string | undefined)[] = [];
    for (let n = 1; n <= 10; n++) reasons.push((await complete(one, {}, undefined, at(`a ${"q".repeat(n)} `))).fetched);
    expect(reasons.findIndex((reason) => reason !== undefined)).toBe(7);
    expect(reasons[7]).toMatch(
      /^the need moved \(similarity 0\.697\): another fragment scores 0\.900, the best one in use 0\.500$/,
    );
  });

  it("are replaced when the need moved and a search finds better ones", async () => {
    const backbone = turning();
    let now = ranked(["money", "tax"], [0.5, 0.4]);
    const one = completer(backbone, () => now);
    await complete(one, {}, undefined, at("a "));
    now = ranked(["fee", "money", "tax"], [0.9, 0.5, 0.4]);
    const moved = await complete(one, {}, undefined, at("a z "));
    // Fragments of imported files are boosted.
    expect(moved.fetched).toMatch(
      /^the need moved \(similarity -0\.416\): another fragment scores 0\.900, the best one in use 0\.5\d0, boosts included$/,
    );
    expect(new Set(paths(moved))).toEqual(new Set(["web/fee.ts", "web/money.ts", "web/tax.ts"]));
    expect(backbone.expressed).toHaveLength(2);
    const after = await complete(one, {}, undefined, at("a z b "));
    expect(after.reused).toMatchObject({ since: moved.id });
  });

  it("are reused with new scores when the need moved and a search finds nothing much better", async () => {
    const backbone = turning();
    let now = ranked(["money"], [0.5]);
    const one = completer(backbone, () => now);
    const first = await complete(one, {}, undefined, at("a "));
    now = ranked(["fee", "money"], [0.44, 0.4]);
    const moved = await complete(one, {}, undefined, at("a z "));
    expect(moved.reused).toMatchObject({
      since: first.id,
      reason: "the need moved (similarity -0.416), but nothing found is much better",
    });
    expect(moved.fragments).toMatchObject([{ path: "web/money.ts", score: 0.4 }]);
    const after = await complete(one, {}, undefined, at("a z b "));
    expect(after.reused).toMatchObject({ since: first.id, reason: "the need has hardly moved" });
    expect(after.reused?.similarity).toBeCloseTo(1, 5);
    expect(backbone.expressed).toHaveLength(2);
    // Once per completion: the prompt that shows whether the need moved is also the one that is used.
    expect(backbone.prompts).toHaveLength(3);
  });

  it("stay none while nothing is needed", async () => {
    const backbone = turning();
    const one = completer(backbone, () => ranked(["money"], [-0.9]));
    const first = await complete(one, {}, undefined, at("a "));
    const second = await complete(one, {}, undefined, at("a b "));
    expect(second).toMatchObject({
      fragments: [],
      nothingRetrieved: first.nothingRetrieved,
      reused: { since: first.id },
    });
    expect(second.nothingRetrieved).toMatch(/the model needs nothing/);
  });

  it("are searched again when the index changed, and never have the old text of a file", async () => {
    const backbone = turning();
    let now = ranked(["money"], [0.5]);
    const one = completer(backbone, () => now);
    const first = await complete(one, {}, undefined, at("a "));
    now = ranked(["money", "tax"], [0.5, 0.4], 2);
    expect((await complete(one, {}, undefined, at("a b "))).reused).toMatchObject({
      since: first.id,
      reason: "the index changed, but nothing found is much better",
    });
    const [edited] = now.search(saidNeed(0), 1).map(
      ({ fragment, score }): ScoredFragment => ({
        fragment: { ...fragment, text: fragment.text.replace("moneyOf", "moneyFor") },
        score,
      }),
    );
    now = { ...now, revision: 3, search: () => (edited === undefined ? [] : [edited]) };
    const after = await complete(one, {}, undefined, at("a b c "));
    expect(after.fetched).toBe("the index changed: web/money.ts:4-6 may have changed");
    expect(tokenizer.decode(backbone.prompts.at(-1) ?? [])).toContain("moneyFor(");
    expect(tokenizer.decode(backbone.prompts.at(-1) ?? [])).not.toContain("moneyOf(");
    now = { ...now, revision: 4, fragmentCount: 0 };
    expect(await complete(one, {}, undefined, at("a b c d "))).toMatchObject({
      fragments: [],
      nothingRetrieved: "the index holds no fragment yet",
    });
    expect(tokenizer.decode(backbone.prompts.at(-1) ?? [])).not.toContain("moneyFor(");
  });

  it.each<[string, Partial<CursorContext>, Partial<Settings>, RegExp]>([
    [
      "the cursor jumped",
      { prefix: context.prefix + "let y = 2;\n".repeat(60) },
      {},
      /^the cursor moved to another place$/,
    ],
    [
      "the document changed elsewhere",
      { suffix: `${context.suffix}${"let z = 3;\n".repeat(60)}` },
      {},
      /^the document changed elsewhere$/,
    ],
    ["the settings changed", {}, { maxFragments: 1 }, /^the settings changed$/],
    [
      "a fragment came into sight",
      { prefix: `${context.prefix}a;\n}\nexport function moneyOf(a: Money): Money {\n  return money;\n` },
      {},
      /^web\/money\.ts:4-6 \d+ % of its lines stand around the cursor already$/,
    ],
  ])("are searched again when %s", async (_, change, settings, reason) => {
    const backbone = turning();
    const one = completer(backbone, () => ranked(["money", "tax"], [0.5, 0.4]));
    await complete(one, {}, undefined, at("a "));
    expect((await complete(one, settings, undefined, at("a b ", change))).fetched).toMatch(reason);
  });

  it("are reused after a completion that was cancelled once they were found", async () => {
    const backbone = turning();
    const controller = new AbortController();
    const slow = {
      ...backbone,
      prefill: (...given: Parameters<Backbone["prefill"]>) => {
        controller.abort();
        return backbone.prefill(...given);
      },
    };
    const interrupted = completer(slow, () => ranked(["money"], [0.5]));
    expect(await complete(interrupted, {}, controller.signal, at("a "))).toMatchObject({ stopReason: "cancelled" });
    expect(await complete(interrupted, {}, undefined, at("a b "))).toMatchObject({
      reused: { since: 1, similarity: 1 },
    });
    expect(backbone.expressed).toHaveLength(1);
  });

  it("stay at the prompt's beginning, which changes at most once while 200 characters are typed", async () => {
    const backbone = turning();
    const one = completer(backbone, () => ranked(["money", "tax"], [0.5, 0.4]));
    const before = Array.from({ length: 120 }, (_, n) => `  const price${n} = addMoney(total${n}, tax(${n}));\n`).join(
      "",
    );
    const typed = Array.from({ length: 6 }, (_, n) => `  const sum${n} = pay(price${n}, price${n + 7});\n`)
      .join("")
      .slice(0, 200);
    expect(typed).toHaveLength(200);
    for (let end = 0; end <= typed.length; end++)
      await complete(one, { maxTokens: 1 }, undefined, { ...context, prefix: before + typed.slice(0, end) });
    expect(backbone.expressed).toHaveLength(1);
    expect(backbone.prompts).toHaveLength(201);
    let moved = 0;
    let reused = 0;
    for (const [n, prompt] of backbone.prompts.slice(1).entries()) {
      const former = backbone.prompts[n] ?? [];
      const common = former.findIndex((token, position) => prompt[position] !== token);
      const left = common < 0 ? 0 : former.length - common;
      if (left > 8) moved += 1;
      else reused += 1;
    }
    expect(moved).toBeLessThanOrEqual(1);
    expect(reused).toBeGreaterThanOrEqual(199);
  });

  it("need only the new tokens to be read by the real model, until the cursor moves elsewhere", async () => {
    const reads: { tokens: number; reused: number }[] = [];
    let expressed = 0;
    const watched: Backbone = {
      model,
      provider: real.provider,
      prefill: async (tokens, options) => {
        const read = await real.prefill(tokens, options);
        reads.push({ tokens: tokens.length, reused: read.reused });
        return read;
      },
      decode: (...given) => real.decode(...given),
      rewind: (...given) => real.rewind(...given),
      express: (...given) => {
        expressed += 1;
        return real.express(...given);
      },
      needWeights: (...given) => real.needWeights(...given),
      embed: (...given) => real.embed(...given),
      dispose: () => Promise.resolve(),
    };
    const one = completer(watched);
    const line = "addMoney(a, b)";
    const traces: CompletionTrace[] = [];
    for (let end = 0; end <= line.length; end++)
      traces.push(
        await complete(one, { maxTokens: 6 }, undefined, { ...context, prefix: context.prefix + line.slice(0, end) }),
      );
    expect(traces[0]?.fetched).toBe("the first completion in this document");
    for (const trace of traces.slice(1)) {
      expect(trace.reused).toMatchObject({ since: traces[0]?.id });
      expect(paths(trace)).toEqual(["web/tax.ts", "web/money.ts"]);
    }
    const unasked = traces.filter(({ reused }) => reused?.reason === "the need has hardly moved");
    expect(unasked.length).toBeGreaterThan(traces.length / 2);
    expect(expressed).toBe(traces.length - unasked.length);
    // The last token is read again for the logits after it, together with the typed text.
    expect(reads).toHaveLength(traces.length);
    for (const { tokens, reused } of reads.slice(1)) expect(tokens - reused).toBeLessThanOrEqual(4);
    const elsewhere = await complete(one, { maxTokens: 6 }, undefined, {
      ...context,
      prefix: `${context.prefix}a;\n}\n${"// more\n".repeat(40)}`,
      suffix: "",
    });
    expect(elsewhere.fetched).toBe("the cursor moved to another place");
  });
});
