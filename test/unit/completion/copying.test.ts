// What the prompt goes on with after the same words, mixed with what the model expects.
import { describe, expect, it } from "vitest";
import { PromptCache } from "../../../sidecar/completion/copying";

const vocabulary = 64;
/** Tokens are letters here: a = 1, b = 2, and so on; `|` is special. */
const ids = (text: string) => [...text].map((letter) => (letter === "|" ? 0 : letter.charCodeAt(0) - 96));
const special = new Set([0]);
const undecided = new Float32Array(vocabulary);

const cache = (prompt: string, before: string) => new PromptCache(ids(prompt), ids(before), special);
const best = (probabilities: Float32Array) => String.fromCharCode(96 + probabilities.indexOf(Math.max(...probabilities)));
const of = (probabilities: Float32Array, letter: string) => probabilities[ids(letter)[0] ?? 0] ?? Number.NaN;

describe("a model that does not know", () => {
  it("says what followed the same words in the prompt", () => {
    expect(best(cache("xyabcdq|mnab", "ab").mix(undecided))).toBe("c");
  });

  it("trusts the longer match", () => {
    const mixed = cache("abcx|zbcy|wbcy|abc", "abc").mix(undecided);
    expect(best(mixed)).toBe("x");
    expect(of(mixed, "y")).toBeGreaterThan(of(mixed, "k"));
  });

  it("trusts more matches more", () => {
    expect(best(cache("abx|aby|aby|ab", "ab").mix(undecided))).toBe("y");
  });

  it("follows what was said since", () => {
    const one = cache("pqrs|mpt|p", "p");
    one.push(ids("q")[0] ?? 0);
    expect(best(one.mix(undecided))).toBe("r");
  });
});

describe("a model that knows", () => {
  it("is not overruled, however long the match", () => {
    const sure = undecided.slice();
    sure[ids("z")[0] ?? 0] = 100;
    expect(best(cache("abcdefghx|abcdefgh", "abcdefgh").mix(sure))).toBe("z");
  });

  it("decides alone where nothing matches", () => {
    const logits = Float32Array.from({ length: vocabulary }, (_, id) => Math.sin(id));
    const mixed = cache("abc", "x").mix(logits);
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
    mixed.forEach((probability, id) => expect(probability).toBeCloseTo(Math.exp(logits[id] ?? 0) / sum, 6));
  });
});

it("gives probabilities", () => {
  const logits = Float32Array.from({ length: vocabulary }, (_, id) => Math.cos(id) * 3);
  const sum = cache("abcabdab", "ab").mix(logits).reduce((total, probability) => total + probability, 0);
  expect(sum).toBeCloseTo(1, 4);
});

it("never votes for a special token, and no match reaches over one", () => {
  const mixed = cache("ab|ab|c|abx", "b").mix(undecided);
  expect(mixed[0]).toBeLessThan(1 / vocabulary);
  expect(best(cache("b|cy|acx", "c").mix(undecided))).toMatch(/[xy]/);
  expect(best(cache("abcy|bcx|bcx|bcx", "abc").mix(undecided))).toBe("y");
});

it("leaves the logits as they were", () => {
  const logits = undecided.slice();
  cache("abcab", "ab").mix(logits);
  expect(logits).toEqual(undecided);
});
