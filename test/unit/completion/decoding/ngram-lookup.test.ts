// N-gram lookup in the prompt, mixed with the model's probabilities.
import { describe, expect, it } from "vitest";
import { NgramLookup } from "../../../../sidecar/completion/decoding/ngram-lookup";
import { randomBelow } from "../random";

const vocabulary = 64;
/** Tokens are letters: a = 1, b = 2, and so on; `|` is special. */
const ids = (text: string) => [...text].map((letter) => (letter === "|" ? 0 : letter.charCodeAt(0) - 96));
const special = new Set([0]);
const undecided = new Float32Array(vocabulary);
/** Logits of a model that expects these letters with equal probability. */
const expecting = (letters: string) =>
  Float32Array.from({ length: vocabulary }, (_, id) => (ids(letters).includes(id) ? 5 : 0));

/** The weights by the length of a match. */
const weights = [0, 0.1, 0.3, 0.5, 0.65, 0.75, 0.8];
const cache = (prompt: string, before: string) => new NgramLookup(ids(prompt), ids(before), special, weights);
const best = (of: NgramLookup, logits = undecided, admits?: (id: number) => boolean) =>
  String.fromCharCode(96 + of.choose(logits, admits));

describe("the lookup beside an unsure model", () => {
  it("chooses what followed the same tokens in the prompt", () => {
    expect(best(cache("xyabcdq|mnab", "ab"))).toBe("c");
  });

  it("prefers the longer match", () => {
    expect(best(cache("abcx|zbcy|wbcy|abc", "abc"))).toBe("x");
  });

  it("prefers several shorter matches to one", () => {
    expect(best(cache("abcx|zbcy|wbck|abc", "abc"), expecting("yk"), (id) => id !== ids("x")[0])).toBe("k");
    expect(best(cache("abcx|zbcy|wbck|bcy|abc", "abc"), expecting("yk"), (id) => id !== ids("x")[0])).toBe("y");
  });

  it("prefers more matches", () => {
    expect(best(cache("abx|aby|aby|ab", "ab"))).toBe("y");
  });

  it("follows the tokens generated since", () => {
    const one = cache("pqrs|mpt|p", "p");
    one.push(ids("q")[0] ?? 0);
    expect(best(one)).toBe("r");
  });
});

describe("the lookup beside a sure model", () => {
  it("does not overrule the model, however long the match", () => {
    const sure = undecided.slice();
    sure[ids("z")[0] ?? 0] = 100;
    expect(best(cache("abcdefghx|abcdefgh", "abcdefgh"), sure)).toBe("z");
  });

  it("follows the model when nothing matches", () => {
    const logits = Float32Array.from({ length: vocabulary }, (_, id) => Math.sin(id));
    expect(cache("abc", "x").choose(logits)).toBe(logits.indexOf(Math.max(...logits)));
  });
});

it("chooses only allowed tokens", () => {
  const one = cache("abc|ab", "ab");
  expect(best(one, undecided, (id) => id > 5)).toBe("f");
  expect(() => one.choose(undecided, () => false)).toThrow(/found none/);
});

it("never chooses a special token, and never matches across one", () => {
  expect(cache("ab|ab|c|abx", "b").choose(undecided)).toBe(ids("x")[0]);
  expect(best(cache("b|cy|acx", "c"))).toMatch(/[xy]/);
  expect(best(cache("abcy|bcx|bcx|bcx", "abc"))).toBe("y");
});

it("leaves the choice to the model without weights, and still finds the matches", () => {
  const one = new NgramLookup(ids("abcdefghx|abcdefgh"), ids("abcdefgh"), special);
  expect(best(one, expecting("z"))).toBe("z");
  expect(one.matches.map(({ length }) => length)).toEqual([8]);
});

it("does not change the logits", () => {
  const logits = undecided.slice();
  cache("abcab", "ab").choose(logits);
  expect(logits).toEqual(undecided);
});

/** The straightforward computation of the mixture: softmax, the votes of all matches, and the first of the highest sums. */
function chosenPlainly(
  prompt: readonly number[],
  history: readonly number[],
  logits: Float32Array,
  admits: (id: number) => boolean,
): number {
  const exponentials = [...logits].map((logit) => Math.exp(logit - Math.max(...logits)));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  const mixed = exponentials.map((value) => value / sum);
  const matches = prompt.flatMap((_, end) => {
    const next = prompt[end + 1];
    if (next === undefined || next === 0) return [];
    let length = 0;
    while (
      length < 12 &&
      end - length >= 0 &&
      prompt[end - length] !== 0 &&
      prompt[end - length] === history[history.length - 1 - length]
    )
      length += 1;
    return length === 0 ? [] : [{ next, length }];
  });
  if (matches.length > 0) {
    const longest = Math.max(...matches.map(({ length }) => length));
    const weight = (weights[longest] ?? 0.8) * (1 - Math.max(...mixed) ** 2);
    const votes = matches.reduce((total, { length }) => total + 4 ** length, 0);
    for (const [id, value] of mixed.entries()) mixed[id] = value * (1 - weight);
    for (const { next, length } of matches) mixed[next] = (mixed[next] ?? 0) + (weight * 4 ** length) / votes;
  }
  const admitted = mixed.map((value, id) => (admits(id) ? value : -1));
  return admitted.indexOf(Math.max(...admitted));
}

it("chooses the most likely token of the whole mixture", () => {
  const random = randomBelow(1);
  let overruled = 0;
  for (let round = 0; round < 2000; round++) {
    const letters = 1 + random(5);
    const prompt = Array.from({ length: 40 }, () => random(letters + 1));
    const before = Array.from({ length: 1 + random(8) }, () => 1 + random(letters));
    const sureness = random(40) / 4;
    const logits = Float32Array.from({ length: 9 }, () => (random(1000) / 1000) * sureness);
    const admits = (id: number) => round % 3 > 0 || id % 2 === 1;
    const one = new NgramLookup(prompt, before, special, weights);
    const token = 1 + random(letters);
    one.push(token);
    const expected = chosenPlainly(prompt, [...before, token], logits, admits);
    expect(one.choose(logits, admits), `round ${round}`).toBe(expected);
    if (logits.some((logit, id) => admits(id) && logit > (logits[expected] ?? 0))) overruled += 1;
  }
  expect(overruled).toBeGreaterThan(100);
});
