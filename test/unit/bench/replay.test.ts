// The replay's places, and the damage that it finds in suggestions.
import { beforeAll, describe, expect, it } from "vitest";
import { type Damage, damageOf, type ErrorCounter, errorCounter } from "../../bench/replay/damage";
import { replayPlaces, tokenBorders } from "../../bench/replay/places";
import { grammarFolder, marked } from "../completion/cursor-marks";

const sources = new Map([
  ["a/one.ts", "export function one(): number {\n  return 1;\n}\n"],
  ["a/two.ts", "export const two = 2;\r\n"],
  ["b/three.py", "def three():\n    return 3\n"],
  ["b/notes.md", "Some words.\n"],
]);

describe("places", () => {
  it("are as many in each language that has a grammar", () => {
    const places = replayPlaces(sources, 40);
    const languages = places.map(({ context }) => context.languageId);
    expect(languages.filter((id) => id === "typescript")).toHaveLength(20);
    expect(languages.filter((id) => id === "python")).toHaveLength(20);
    expect(replayPlaces(sources, 40)).toEqual(places);
    expect(replayPlaces(sources, 40, { seed: 2 })).not.toEqual(places);
  });

  it("have the rest of the line or lack it", () => {
    const places = replayPlaces(sources, 200);
    for (const { context, inLine } of places) {
      const text = sources.get(context.path)?.replaceAll("\r", "") ?? "";
      expect(context.suffix.split("\n", 1)[0]?.trim() !== "").toBe(inLine);
      expect(text.startsWith(context.prefix)).toBe(true);
      expect(text.endsWith(context.suffix)).toBe(true);
      if (inLine) expect(context.prefix + context.suffix).toBe(text);
    }
    expect(places.some(({ inLine }) => inLine)).toBe(true);
    expect(places.some(({ inLine }) => !inLine)).toBe(true);
  });

  it("are between words and signs, after the indentation and at the end of lines", () => {
    const text = "  a.b(1);\n";
    expect(tokenBorders(text).map((at) => text.slice(0, at))).toEqual([
      "  ",
      "  a",
      "  a.",
      "  a.b",
      "  a.b(",
      "  a.b(1",
      "  a.b(1)",
      "  a.b(1);",
    ]);
  });
});

describe("damage", () => {
  let count: ErrorCounter;
  beforeAll(async () => {
    count = await errorCounter(grammarFolder, ["typescript", "python"]);
  });

  const none: Damage = { parsesWorse: false, gluesWords: false, repeatsLine: false };
  it.each<[string, string, Partial<Damage>]>([
    ["typescript", "const a = ├await ┤load();\n", {}],
    ["typescript", "if (├a) {\n  b();\n}┤\n", {}],
    ["typescript", "├if (a) {┤\n", { parsesWorse: true }],
    ["typescript", "const a = ├b┤load();\n", { gluesWords: true }],
    ["typescript", "save(a);\n├save(a);┤\n", { repeatsLine: true }],
    ["python", "def f(a):\n    a.append(├1┤)\n    a.append(1)\n", { repeatsLine: true }],
    ["python", "├x = 1\nsave(x)┤\nsave(x)\n", { repeatsLine: true }],
    ["python", "def f(a):\n    ├pass┤\npass\n", {}],
  ])("in %s %j is %j", (languageId, text, damage) => {
    const { context, insertion } = marked(text, languageId);
    expect(damageOf(context.document, insertion, count)).toEqual({ ...none, ...damage });
  });
});
