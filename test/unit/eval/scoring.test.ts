// Scores agree with the training project's, whose tests read the same file (there, edit similarity is rapidfuzz's).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { editSimilarity, identifiers, score, statement } from "../../eval/scoring";

const cases: {
  language: string;
  line: string;
  prediction: string;
  groundtruth: string;
  em: number;
  es: number;
  idF1: number;
}[] = JSON.parse(readFileSync(join(import.meta.dirname, "../../fixtures/metrics.json"), "utf8"));

describe("scores", () => {
  it("are tested with more than 20 examples", () => expect(cases.length).toBeGreaterThan(20));

  it.each(cases)(
    "of $language $prediction for $groundtruth",
    ({ language, line, prediction, groundtruth, em, es, idF1 }) => {
      const found = score(language, line, prediction, groundtruth);
      expect(found.em).toBe(em);
      expect(found.es).toBeCloseTo(es, 5);
      expect(found.idF1).toBeCloseTo(idF1, 5);
    },
  );
});

it("edit similarity counts code points, not UTF-16 units", () => {
  expect([
    editSimilarity("", ""),
    editSimilarity("a", ""),
    editSimilarity("😀ab", "😀b"),
    editSimilarity("abcd", "bc"),
  ]).toEqual([100, 0, 80, (200 * 2) / 6]);
});

it("a statement ends by the rules of its language", () => {
  expect(statement("python", "x = f(", "a,\n  b)\ny")).toBe("a,\n  b)");
  expect(statement("java", "", "a();\nb();")).toBe("a();");
  expect(statement("typescript", "", "a,\nb;")).toBe("a,");
});

it("identifiers are the names outside of literals and comments", () => {
  expect(identifiers("python", "return self.name('text') or other  # note")).toEqual(["self", "name", "other"]);
  expect(identifiers("typescript", "const a = `b`; /* c */ d // e")).toEqual(["a", "d"]);
});
