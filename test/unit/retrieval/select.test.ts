// Which fragments go into a prompt, and the words with which the others stay out.
import { beforeAll, describe, expect, it } from "vitest";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { type SelectOptions, selectFragments } from "../../../sidecar/retrieval/select";
import type { CursorContext } from "../../../sidecar/retrieval/types";
import { visibleText } from "../../../sidecar/retrieval/visible-text";
import type { ScoredFragment } from "../../../sidecar/workspace/fragment";
import { modelPath } from "../../model";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await Tokenizer.load(await loadModelPackage(modelPath, { verifyHashes: false }));
});

const open: CursorContext = {
  uri: "file:///w/shop/orders.py",
  path: "shop/orders.py",
  languageId: "python",
  prefix: `${Array.from({ length: 300 }, (_, line) => `order_line_${line} = read_line(${line})`).join("\n")}\ntotal = `,
  suffix: "\nprint_total(total)\nclose_order(order)\n",
};

function found(path: string, startLine: number, text: string, score: number): ScoredFragment {
  const endLine = startLine + text.split("\n").length - 1;
  return { fragment: { uri: `file:///w/${path}`, path, startLine, endLine, text }, score };
}

function select(candidates: ScoredFragment[], options: Partial<SelectOptions> = {}) {
  const { selected, dropped } = selectFragments(candidates, {
    visible: visibleText(open, 400, tokenizer),
    limits: { maxFragments: 4, fragmentBudget: 400 },
    nullScore: 0.2,
    render: (fragment) => tokenizer.encode(fragment.text),
    ...options,
  });
  return {
    selected: selected.map(({ reference }) => `${reference.path}:${reference.startLine}`),
    dropped: dropped.map(({ path, startLine, reason }) => `${path}:${startLine} ${reason}`),
  };
}

const money = found(
  "shop/money.py",
  3,
  "class Money:\n    def times(self, factor):\n        return Money(self.cents * factor)",
  0.9,
);
const stock = found(
  "shop/stock.py",
  8,
  "class Stock:\n    def reserve(self, copies):\n        self.reserved += copies",
  0.7,
);

describe("selection takes", () => {
  it("fragments of other files, best first", () => {
    expect(select([money, stock])).toEqual({ selected: ["shop/money.py:3", "shop/stock.py:8"], dropped: [] });
  });

  it("distant fragments of the open file", () => {
    const far = found(open.path, 2, "def parse_price(text):\n    return Money(int(text))", 0.8);
    expect(select([far]).selected).toEqual(["shop/orders.py:2"]);
  });
});

describe("selection drops, with the reason,", () => {
  it("a fragment that overlaps the visible lines of the open file", () => {
    const { selected, dropped } = select([found(open.path, 299, "anything at all\nthat was saved here", 0.8)]);
    expect(selected).toEqual([]);
    expect(dropped[0]).toMatch(/^shop\/orders.py:299 overlaps lines \d+-304 of this file/);
  });

  it("a fragment that reaches the first visible line, and none that ends before it", () => {
    const { startLine } = visibleText(open, 400, tokenizer);
    expect(startLine).toBeGreaterThan(200);
    const touching = found(open.path, startLine - 1, "old words here\nother words here", 0.8);
    const before = found(open.path, startLine - 2, "other words here\nold words here", 0.7);
    expect(select([touching]).selected).toEqual([]);
    expect(select([before]).selected).toEqual([`shop/orders.py:${startLine - 2}`]);
  });

  it("a fragment whose lines are visible already", () => {
    const copy = found(
      "copy/orders.py",
      298,
      "    order_line_297 = read_line(297)\norder_line_298 = read_line(298)\n\nprint_total(total)",
      0.8,
    );
    expect(select([copy]).dropped).toEqual(["copy/orders.py:298 100 % of its lines stand around the cursor already"]);
  });

  it("a fragment of brackets alone", () => {
    expect(select([found("a.ts", 1, "}\n});", 0.8)]).dropped).toEqual(["a.ts:1 holds no words"]);
  });

  it("a duplicate of a better fragment", () => {
    const twin = found("old/money.py", 5, money.fragment.text.replace("factor)", "factor)  # copy"), 0.8);
    expect(select([money, twin]).dropped).toEqual(["old/money.py:5 says the same as shop/money.py:3-5"]);
  });

  it("a fragment that overlaps a better one", () => {
    const over = found(
      "shop/money.py",
      5,
      "        return Money(self.cents * factor)\n\n    def plus(self, other):\n        return Money(self.cents + other.cents)",
      0.8,
    );
    expect(select([money, over]).dropped).toEqual(["shop/money.py:5 overlaps shop/money.py:3-5"]);
    expect(
      select([money, { ...over, fragment: { ...over.fragment, startLine: 6, endLine: 9 } }]).selected,
    ).toHaveLength(2);
  });

  it("a fragment that scores below the null score", () => {
    expect(select([{ ...money, score: 0.19 }]).dropped).toEqual([
      "shop/money.py:3 score 0.190 is below 0.200, from which the model needs it",
    ]);
    expect(select([{ ...money, score: 0.2 }]).selected).toEqual(["shop/money.py:3"]);
  });

  it("fragments beyond the maximum number", () => {
    const { selected, dropped } = select([money, stock], { limits: { maxFragments: 1, fragmentBudget: 400 } });
    expect(selected).toEqual(["shop/money.py:3"]);
    expect(dropped).toEqual(["shop/stock.py:8 1 better fragment is in already"]);
  });

  it("a fragment beyond the budget, and takes later ones that fit", () => {
    const long = found(
      "long.py",
      1,
      Array.from({ length: 60 }, (_, n) => `value_${n} = compute(${n})`).join("\n"),
      0.8,
    );
    const { selected, dropped } = select([money, long, stock], { limits: { maxFragments: 4, fragmentBudget: 100 } });
    expect(selected).toEqual(["shop/money.py:3", "shop/stock.py:8"]);
    expect(dropped[0]).toMatch(/^long.py:1 \d+ tokens do not fit in the \d+ left of 100$/);
  });
});

it("selection never exceeds its limits", () => {
  const many = Array.from({ length: 64 }, (_, n) =>
    found(`f${n}.py`, 1, `def unique_${n}_${n * 7}(a_${n}, b_${n}):\n    return c_${n}`, 1 - n / 100),
  );
  for (const fragmentBudget of [1, 40, 100, 1000]) {
    const { selected } = selectFragments(many, {
      visible: visibleText(open, 400, tokenizer),
      limits: { maxFragments: 5, fragmentBudget },
      nullScore: -1,
      render: (fragment) => tokenizer.encode(fragment.text),
    });
    expect(selected.length).toBeLessThanOrEqual(5);
    expect(selected.reduce((sum, { tokens }) => sum + tokens.length, 0)).toBeLessThanOrEqual(fragmentBudget);
  }
});
