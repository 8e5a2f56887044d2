// Prompts as token rows: the templates of model.json, and how text is cut.
import { beforeAll, describe, expect, it } from "vitest";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { modelPath } from "../../model";
import { cpuTime } from "../cpu-time";
import { fillInMiddle } from "../fill-in-middle";

let model: ModelPackage;
let tokenizer: Tokenizer;
let format: PromptFormat;

beforeAll(async () => {
  const shipped = await loadModelPackage(modelPath);
  model = { ...shipped, prompt: { ...shipped.prompt, fillInMiddle } };
  tokenizer = await Tokenizer.load(model);
  format = new PromptFormat(model, tokenizer);
});

const path = "src/cart.ts";
/** Different lines, so that a cut at the wrong place is detected. */
const code = (lines: number): string =>
  Array.from({ length: lines }, (_, i) => `    const value${i} = compute(${i * 7}, "item-${i}");\n`).join("");

describe("templates", () => {
  it("render the slots of model.json, with special tokens as single tokens", () => {
    const { leftToRight, query, fragment, fragmentEmbedding } = model.prompt;
    const filled = (template: readonly string[], slots: Record<string, string>): string =>
      template.map((piece) => slots[piece] ?? piece).join("");
    const slots = { "{path}": path, "{prefix}": "let a = ", "{suffix}": ";\nlet b = 2;\n", "{text}": "let c = 3;" };
    expect(tokenizer.decode(format.fillInMiddle(path, slots["{prefix}"], slots["{suffix}"], 200))).toBe(
      filled(fillInMiddle, slots),
    );
    expect(tokenizer.decode(format.leftToRight(path, slots["{prefix}"], 200))).toBe(filled(leftToRight, slots));
    expect(tokenizer.decode(format.query(path, slots["{prefix}"]))).toBe(filled(query, { ...slots, "{imports}": "" }));
    expect(tokenizer.decode(format.fragment(path, slots["{text}"]))).toBe(filled(fragment, slots));
    expect(tokenizer.decode(format.fragmentEmbedding(path, slots["{text}"]))).toBe(filled(fragmentEmbedding, slots));
    expect(format.fillInMiddle(path, "a", "b", 200)[0]).toBe(tokenizer.tokenOf("<|fim_prefix|>"));
  });

  it("are left to right for a model without a fill-in-the-middle template", () => {
    const { fillInMiddle: _, ...prompt } = model.prompt;
    const without = new PromptFormat({ ...model, prompt }, tokenizer);
    expect(without.fillInMiddle(path, "a = ", "\nprint(a)\n", 200)).toEqual(without.leftToRight(path, "a = ", 200));
  });

  it("may show the code after the cursor first, under a path of its own, within the limit", () => {
    const below = ["<|fragment|>", "{path}", " (below)\n", "{suffix}", "\n", "<|path|>", "{path}", "\n", "{prefix}"];
    const first = new PromptFormat({ ...model, prompt: { ...model.prompt, fillInMiddle: below } }, tokenizer);
    expect(tokenizer.decode(first.fillInMiddle(path, "a = ", "\nprint(a)\n", 200))).toBe(
      `<|fragment|>${path} (below)\n\nprint(a)\n\n<|path|>${path}\na = `,
    );
    for (const limit of [40, 77, 200]) {
      expect(first.fillInMiddle(path, code(300), code(300), limit)).toHaveLength(limit);
      expect(first.fillInMiddle(path, code(300), code(300), limit, "anchored").length).toBeLessThanOrEqual(limit);
    }
    const frame = first.fillInMiddle(path, "", "", 200).length;
    expect(() => first.fillInMiddle(path, "a", "b", frame)).toThrow(`found ${frame}`);
  });

  it("tokenise every slot separately", () => {
    const ids = format.leftToRight("a", "b", 50);
    const expected = model.prompt.leftToRight.flatMap((piece) =>
      piece === "{path}"
        ? tokenizer.encode("a")
        : piece === "{prefix}"
          ? tokenizer.encode("b")
          : tokenizer.isSpecial(piece)
            ? [tokenizer.tokenOf(piece)]
            : tokenizer.encode(piece),
    );
    expect(ids).toEqual(expected);
  });

  it("never turn text into a special token", () => {
    const stop = [...format.stopTokens];
    const evil = stop.map((id) => tokenizer.decode([id])).join(" ");
    const count = (ids: readonly number[]): number => ids.filter((id) => format.stopTokens.has(id)).length;
    expect(count(format.fillInMiddle(evil, evil, evil, 900))).toBe(count(format.fillInMiddle("a", "b", "c", 900)));
    expect(count(format.fragment(evil, evil))).toBe(count(format.fragment("a", "b")));
  });

  it("omit only the last line break of a fragment", () => {
    for (const text of ["a;\n", "a;\r\n", "a;\r"])
      expect(format.fragment(path, text)).toEqual(format.fragment(path, "a;"));
    expect(tokenizer.decode(format.fragment(path, "a;\n\n"))).toContain("a;\n\n");
    expect(tokenizer.decode(format.fragment(path, "a;\n"))).not.toContain("a;\n\n");
  });
});

describe("limits", () => {
  it("count template tokens too, and cut the prefix from the left between tokens", () => {
    for (const text of [code(400), code(400).replaceAll("\n", " "), "x".repeat(30_000), `${"\n".repeat(5000)}a`]) {
      for (const limit of [40, 192, 700]) {
        const row = format.leftToRight(path, text, limit);
        expect(row.length).toBe(limit);
        expect(text.endsWith(tokenizer.decode(row.slice(-20)))).toBe(true);
      }
    }
    const whole = tokenizer.encode(code(400));
    expect(format.leftToRight(path, code(400), 300).slice(-200)).toEqual(whole.slice(-200));
  });

  it("cut a fragment from the right", () => {
    const row = format.fragmentEmbedding(path, code(400));
    expect(row.length).toBe(model.retrieval.fragmentTokens);
    const start = tokenizer.encode(code(400)).slice(0, 50);
    expect(row.join()).toContain(start.join());
    expect(format.fragment(path, code(400), 64).length).toBe(64);
    expect(format.fragment(path, "short", 64)).toEqual(format.fragment(path, "short"));
  });

  it("throw or give an empty piece when no token of text fits", () => {
    expect(format.fragment(path, "text", 4)).toEqual([]);
    expect(() => format.leftToRight(path, "text", 4)).toThrow(
      /expected a limit above the \d+ tokens of template and path, found 4/,
    );
    expect(() => format.fillInMiddle(path, "text", "more", 4)).toThrow(RangeError);
  });

  it("give the suffix a quarter when both sides are long, and else what the prefix leaves", () => {
    const marker = tokenizer.tokenOf("<|fim_suffix|>");
    const end = tokenizer.tokenOf("<|fim_middle|>");
    const suffixTokens = (row: readonly number[]): number => row.indexOf(end) - row.indexOf(marker) - 1;
    const both = format.fillInMiddle(path, code(300), code(300), 400);
    expect(both.length).toBe(400);
    expect(suffixTokens(both)).toBeGreaterThan(85);
    expect(suffixTokens(both)).toBeLessThanOrEqual(100);
    const shortPrefix = format.fillInMiddle(path, "a", code(300), 400);
    expect(shortPrefix.length).toBe(400);
    expect(suffixTokens(shortPrefix)).toBeGreaterThan(350);
    const shortSuffix = format.fillInMiddle(path, code(300), "a", 400);
    expect(shortSuffix.length).toBe(400);
    expect(suffixTokens(shortSuffix)).toBe(1);
    // The prefix ends at the cursor, and the suffix starts there.
    const text = tokenizer.decode(both.slice(both.indexOf(marker) - 10, both.indexOf(marker)));
    expect(code(300).endsWith(text)).toBe(true);
    expect(code(300).startsWith(tokenizer.decode(both.slice(both.indexOf(marker) + 1, -1)))).toBe(true);
  });

  it("hold for a prompt whose paths are replaced by markers", () => {
    const row = [...format.fragment(path, "let c = 3;"), ...format.leftToRight("src/other.ts", "let a = ", 200)];
    const text = tokenizer.decode(format.withoutPaths(row));
    expect(text).not.toContain("cart");
    expect(text).not.toContain("other");
    expect(text).toContain("\nlet c = 3;\n");
    expect(text.endsWith("\nlet a = ")).toBe(true);
    expect(format.withoutPaths(row)).toHaveLength(row.length);
  });

  it("cut a long path from the left", () => {
    const long = `${"deep/er/".repeat(60)}file.ts`;
    const row = format.leftToRight(long, "x", 500);
    expect(row.length).toBeLessThan(model.prompt.maxPathTokens + 10);
    expect(tokenizer.decode(row)).toContain("/er/file.ts\n");
  });

  it("encode only the end of an enormous line that is near the cursor", () => {
    const line = "abcdefgh ".repeat(6_000_000);
    const started = cpuTime();
    format.query(path, line);
    format.fillInMiddle(path, line, line, 900);
    format.fragmentEmbedding(path, line);
    expect(cpuTime() - started).toBeLessThan(2000);
  });

  it("never split a surrogate pair at the edge of the encoded part", () => {
    const text = "😀".repeat(20_000);
    for (const limit of [100, 101, 102, 103]) {
      const decoded = tokenizer.decode(format.leftToRight("a", `x${text}`, limit).slice(-40));
      expect(decoded.replaceAll("😀", "").replaceAll("\ufffd", "")).toBe("");
    }
    expect(tokenizer.decode(format.fragment("a", text, 101)).replaceAll("\ufffd", "")).toMatch(
      /^<\|fragment\|>a\n(😀)+\n$/u,
    );
  });
});

describe("imports in the query", () => {
  const above = `import { Money } from "./money";\nimport {\n  Order,\n} from "./orders";\n${code(400)}`;
  const withImports = (importTokens?: number) => {
    const { importTokens: _, ...retrieval } = model.retrieval;
    return new PromptFormat(
      {
        ...model,
        prompt: { ...model.prompt, query: ["<|path|>", "{path}", "\n", "{imports}", "{prefix}"] },
        retrieval: { ...retrieval, ...(importTokens === undefined ? {} : { importTokens }) },
      },
      tokenizer,
    );
  };
  const plain = () =>
    new PromptFormat(
      { ...model, prompt: { ...model.prompt, query: ["<|path|>", "{path}", "\n", "{prefix}"] } },
      tokenizer,
    );

  it("precede the code and are added to the limit", () => {
    const imports = tokenizer.encode('import { Money } from "./money";\nimport {\n  Order,\n} from "./orders";\n');
    const bare = plain().query(path, above);
    const row = withImports(96).query(path, above);
    const front = bare.length - row.length + imports.length;
    expect(front).toBe(0);
    expect(tokenizer.decode(row)).toMatch(/^<\|path\|>src\/cart\.ts\nimport \{ Money \}/);
    expect(row.slice(-100)).toEqual(bare.slice(-100));
    expect(row.join()).toContain(imports.join());
  });

  it("keep their last tokens when there are too many", () => {
    const row = withImports(8).query(path, above);
    expect(row.length).toBe(plain().query(path, above).length + 8);
    expect(tokenizer.decode(row)).toMatch(/^<\|path\|>src\/cart\.ts\n[\s\S]{0,30}from "\.\/orders";\n/);
    expect(tokenizer.decode(row)).not.toContain("Money");
  });

  it("are omitted without importTokens, and for a short text", () => {
    expect(withImports().query(path, above)).toEqual(plain().query(path, above));
    expect(withImports(0).query(path, above)).toEqual(plain().query(path, above));
    expect(withImports(96).query(path, 'import "./a";\n\nlet b = ')).toEqual(
      plain().query(path, 'import "./a";\n\nlet b = '),
    );
  });

  it("leave the beginning of the query unchanged while the user types", () => {
    const short = `import { Money } from "./money";\n${"\n".repeat(12)}let total = `;
    const before = withImports(96).query(path, short);
    const after = withImports(96).query(path, `${short}new Money(`);
    expect(before.slice(0, -2)).toEqual(after.slice(0, before.length - 2));
  });
});

describe("code cut at an anchor line", () => {
  const typed = Array.from({ length: 40 }, (_, i) => `    result${i}.push(price${i % 7} * ${i});\n`).join("");

  it.each([
    ["leftToRight", (prefix: string, limit: number) => format.leftToRight(path, prefix, limit, "anchored")],
    [
      "fillInMiddle",
      (prefix: string, limit: number) => format.fillInMiddle(path, prefix, "\nreturn result;\n", limit, "anchored"),
    ],
    ["query", (prefix: string, limit: number) => format.query(path, prefix, limit)],
  ])("%s: keeps its first line while text is appended, then moves by about a quarter", (_, render) => {
    for (const limit of [200, 512]) {
      const starts: number[] = [];
      for (let end = 0; end < typed.length; end += 9) {
        const whole = code(100) + typed.slice(0, end);
        const row = render(whole, limit);
        expect(row.length).toBeLessThanOrEqual(limit);
        expect(row.length).toBeGreaterThan(limit * 0.6);
        const [, ...shown] = tokenizer.decode(row).split("\n");
        const start = whole.indexOf(shown.slice(0, 2).join("\n"));
        expect(whole[start - 1]).toBe("\n");
        if (starts.at(-1) !== start) starts.push(start);
      }
      const moves = starts.slice(1).map((start, i) => start - (starts[i] ?? 0));
      expect(moves.length).toBeGreaterThan(2);
      // This code has a little more than two characters per token.
      for (const move of moves) expect(move).toBeGreaterThan(limit / 5);
      for (const move of moves) expect(move).toBeLessThan(limit * 1.5);
    }
  });

  it("is not cut when all of it fits, and never exceeds the limit", () => {
    expect(format.leftToRight(path, code(5), 400, "anchored")).toEqual(format.leftToRight(path, code(5), 400));
    for (const text of ["x".repeat(30_000), "😀".repeat(3000), `${"\n".repeat(5000)}a`, `${"a ".repeat(3000)}\n`]) {
      for (const limit of [30, 100, 700]) {
        const row = format.leftToRight(path, text, limit, "anchored");
        expect(row.length).toBeLessThanOrEqual(limit);
        expect(tokenizer.decode(row).endsWith(text.slice(-2))).toBe(true);
      }
    }
  });
});
