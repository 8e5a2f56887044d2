// A completer with a fill-in-the-middle model, the setting quietIn, secrets in the document, and the confidence.
import { beforeAll, describe, expect, it } from "vitest";
import { Completer } from "../../../sidecar/completion/completer";
import type { Backbone } from "../../../sidecar/inference/backbone";
import type { ModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { defaultSettings, type Settings } from "../../../sidecar/protocol";
import type { CursorContext } from "../../../sidecar/retrieval/types";
import { Values } from "../../secrets/random";
import { complete, completer, context, logged, model, promptFormat, saying, source, tokenizer } from "./real-completer";
import { type Scripted, scriptedBackbone } from "./scripted-backbone";

describe("a completion of a fill-in-the-middle model", () => {
  let middle: ModelPackage;
  let format: PromptFormat;
  beforeAll(() => {
    const fillInMiddle = [
      "<|path|>",
      "{path}",
      "\n",
      "<|fim_prefix|>",
      "{prefix}",
      "<|fim_suffix|>",
      "{suffix}",
      "<|fim_middle|>",
    ];
    middle = { ...model, prompt: { ...model.prompt, fillInMiddle } };
    format = new PromptFormat(middle, tokenizer);
  });
  const filling = (backbone: Backbone) =>
    new Completer({ backbone, promptFormat: format, tokenizer, source: () => source, log: () => {} });
  const says = (text: string, prefix = context.prefix) =>
    scriptedBackbone(middle, {
      tokens: [...tokenizer.encode(prefix).slice(-1), ...tokenizer.encode(text)],
      last: tokenizer.tokenOf("<|endoftext|>"),
    });

  it("has fragments, prefix and suffix in its prompt, and expresses the need at its end", async () => {
    const backbone = says("addMoney(a, b);");
    let expressed: readonly number[] = [];
    const watched: Backbone = {
      ...backbone,
      prefill: (tokens, options) => {
        expressed = options?.express === true ? tokens : [];
        return backbone.prefill(tokens, options);
      },
    };
    const trace = await complete(filling(watched), {}, undefined, context);
    expect(trace.suggestion).toBe("addMoney(a, b);");
    expect(trace.fragments).toHaveLength(2);
    const [prompt = []] = backbone.prompts;
    const text = tokenizer.decode(prompt);
    // The model generates the last token before the cursor again.
    const healed = context.prefix.slice(0, -1);
    expect(
      text.endsWith(`<|path|>web/cart.ts\n<|fim_prefix|>${healed}<|fim_suffix|>${context.suffix}<|fim_middle|>`),
    ).toBe(true);
    expect(text.startsWith("<|fragment|>web/")).toBe(true);
    expect(expressed).toEqual(prompt);
  });

  it("ends where the rest of the line begins", async () => {
    const at = { ...context, prefix: `${context.prefix}pay(`, suffix: `, rate);\n}\n` };
    const backbone = says("addMoney(a, b), rate);\n}\n\nexport function next() {}", at.prefix);
    const trace = await complete(filling(backbone), {}, undefined, at);
    expect(trace).toMatchObject({ suggestion: "addMoney(a, b)", stopReason: "end-of-statement" });
    expect(tokenizer.decode(backbone.held)).not.toContain("export");
  });

  it("appends to the prompt's prefix while one types", async () => {
    const backbone = says("");
    const one = filling(backbone);
    const before = Array.from({ length: 120 }, (_, n) => `  const price${n} = addMoney(total${n}, tax(${n}));\n`).join(
      "",
    );
    const typed = Array.from({ length: 4 }, (_, n) => `  const sum${n} = pay(price${n}, price${n + 7});\n`)
      .join("")
      .slice(0, 120);
    for (let end = 0; end <= typed.length; end++)
      await complete(one, { maxTokens: 1 }, undefined, { ...context, prefix: before + typed.slice(0, end) });
    const border = tokenizer.tokenOf("<|fim_suffix|>");
    let moved = 0;
    for (const [n, prompt] of backbone.prompts.slice(1).entries()) {
      const former = backbone.prompts[n] ?? [];
      const common = former.findIndex((token, position) => prompt[position] !== token);
      // The code after the cursor is read again, and the tokens that a key may change.
      if (common >= 0 && former.indexOf(border) - common > 8) moved += 1;
      expect(prompt.filter((token) => token === border)).toHaveLength(1);
      expect(tokenizer.decode(prompt.slice(prompt.indexOf(border)))).toBe(
        `<|fim_suffix|>${context.suffix}<|fim_middle|>`,
      );
    }
    expect(moved).toBeLessThanOrEqual(1);
  });
});

describe("the setting quietIn", () => {
  const at = (prefix: string, suffix = "\n") => ({ ...context, prefix, suffix });

  it.each<[Settings["quietIn"], CursorContext, string]>([
    [["comments"], at("// adds "), 'the cursor is in a comment, and selfracg.quietIn holds "comments"'],
    [["comments", "strings"], at("/*\n * adds "), 'the cursor is in a comment, and selfracg.quietIn holds "comments"'],
    [["strings"], at("const a = 'b", "';\n"), 'the cursor is in a string, and selfracg.quietIn holds "strings"'],
    [["strings"], at("const a = `b ", "`;\n"), 'the cursor is in a string, and selfracg.quietIn holds "strings"'],
  ])(
    "with %j suppresses the suggestion without reading anything, with the reason",
    async (quietIn, document, suppressed) => {
      const backbone = saying("a");
      for (const invoked of [false, true]) {
        const trace = await completer(backbone).complete(
          document,
          { ...defaultSettings, quietIn },
          { line: 0, character: 0 },
          undefined,
          performance.now(),
          { invoked },
        );
        expect(trace).toMatchObject({ suggestion: "", suppressed, stopReason: "not-started", promptTokens: 0 });
      }
      expect(backbone.prompts).toEqual([]);
      expect(backbone.expressed).toEqual([]);
    },
  );

  it.each<[Settings["quietIn"], CursorContext]>([
    [["comments"], at("const a = 'b", "';\n")],
    [["strings"], at("// adds ")],
    [["comments", "strings"], at("// adds two numbers\n")],
    [["comments", "strings"], at("const a = `${", "}`;\n")],
    [["comments", "strings"], at("const a = 'b' + ")],
    [[], at("// adds ")],
  ])("with %j suppresses nothing elsewhere", async (quietIn, document) => {
    const backbone = saying("a");
    await complete(completer(backbone), { quietIn }, undefined, document);
    expect(backbone.prompts).toHaveLength(1);
  });
});

describe("secrets in the document", () => {
  const password = new Values(5).password();
  const above = `const db = connect({ user: "shop", password: "${password}" });\n`;
  const below = `\n}\nexport const url = "postgres://shop:${password}@db.internal/shop";\n`;
  const at = { ...context, prefix: above + context.prefix, suffix: below };
  const readBy = ({ prompts, expressed }: Scripted) =>
    [...prompts, ...expressed].map((tokens) => tokenizer.decode(tokens)).join("\n");

  it("are covered in the prompt, and suggestions are made", async () => {
    const backbone = saying("addMoney(a, b)");
    const trace = await complete(completer(backbone), {}, undefined, at);
    expect(trace.suggestion).toBe("addMoney(a, b)");
    expect(readBy(backbone)).toContain('user: "shop"');
    expect(readBy(backbone)).not.toContain(password);
    expect(readBy(backbone)).not.toContain(password.slice(2, 8));
  });

  it("are covered in a search", async () => {
    const backbone = saying("");
    await completer(backbone).search(at, defaultSettings);
    await completer(backbone).searchCode(above, context, defaultSettings, 5);
    expect(backbone.expressed).toHaveLength(2);
    expect(readBy(backbone)).not.toContain(password);
  });

  it("suppress the suggestion where the cursor is inside one, without reading anything", async () => {
    const backbone = saying("addMoney(a, b)");
    const half = {
      ...context,
      prefix: `const password = "${password.slice(0, 9)}`,
      suffix: `${password.slice(9)}";\n`,
    };
    const trace = await complete(completer(backbone), {}, undefined, half);
    expect(trace).toMatchObject({
      suggestion: "",
      suppressed: "the cursor is in what looks like a password or key given to its name",
      stopReason: "not-started",
    });
    expect(backbone.prompts).toEqual([]);
  });

  it("are not suggested", async () => {
    const trace = await complete(completer(saying(`connect({ password: "${password}" })`)), {}, undefined, context);
    expect(trace).toMatchObject({
      suggestion: "",
      suppressed: expect.stringMatching(/^secret: looks like a password/),
    });
  });
});

describe("the confidence", () => {
  const thresholds = { more: 0.2, balanced: 0.5, fewer: 0.8 };
  const judged = (probability: number, frequency: Settings["frequency"], invoked = false) =>
    new Completer({
      backbone: saying("addMoney(a, b);"),
      promptFormat,
      tokenizer,
      source: () => source,
      log: (line) => logged.push(line),
      calibration: { probability: () => probability, thresholds },
    }).complete(context, { ...defaultSettings, frequency }, { line: 3, character: 9 }, undefined, performance.now(), {
      invoked,
    });

  it.each<[number, Settings["frequency"], boolean]>([
    [0.5, "balanced", true],
    [0.49, "balanced", false],
    [0.49, "more", true],
    [0.79, "fewer", false],
    [0.8, "fewer", true],
  ])("%d, with frequency %s, shows the suggestion: %s", async (probability, frequency, shown) => {
    const trace = await judged(probability, frequency);
    expect(trace.confidence).toMatchObject({ probability, threshold: thresholds[frequency] });
    expect(trace.confidence?.meanLogProbability).toBeLessThanOrEqual(0);
    expect(trace.suggestion).toBe(shown ? "addMoney(a, b);" : "");
    if (shown) expect(trace.suppressed).toBeUndefined();
    else
      expect(trace.suppressed).toBe(
        `the model is unsure: ${Math.round(probability * 100)} % likely to be right, and selfracg.frequency "${frequency}" shows from ${Math.round(thresholds[frequency] * 100)} % on`,
      );
  });

  it("suppresses nothing with a package that states no calibration", async () => {
    const { confidence: _, ...silent } = model;
    const backbone = { ...saying("addMoney(a, b);"), model: silent };
    const trace = await complete(completer(backbone), { frequency: "fewer" });
    expect(trace.suggestion).toBe("addMoney(a, b);");
    expect(Object.keys(trace.confidence ?? {})).toEqual(["meanLogProbability"]);
  });

  it("suppresses nothing that the user asks for", async () => {
    const trace = await judged(0.1, "fewer", true);
    expect(trace).toMatchObject({ suggestion: "addMoney(a, b);", confidence: { probability: 0.1, threshold: 0.8 } });
  });

  it("is absent where the filters leave nothing", async () => {
    expect((await complete(completer(saying("   ")))).confidence).toBeUndefined();
  });
});
