// How likely a suggestion is what its user goes on to write, and from what likelihood on it is shown.
import type { Confidence, Settings } from "../protocol";
import { closersAfter, type CursorSyntax } from "./cursor-syntax";
import type { Generation } from "./generate";

/** What is known of a suggestion without its user. */
export interface Evidence {
  /** Over the tokens of the suggestion, natural logarithm, by the model alone. */
  readonly meanLogProbability: number;
  /** Tokens of its first line. */
  readonly firstLineTokens: number;
  /** Whether it makes no new syntax error; undefined where no tree tells. */
  readonly agrees: boolean | undefined;
}

/** From evidence to what is made of it. */
export interface Calibration {
  /** How likely the first line is right, 0..1. */
  probability(evidence: Evidence): number;
  /** Least probability that is shown. */
  readonly thresholds: Readonly<Record<Settings["frequency"], number>>;
}

/** Evidence for `suggestion`, what the filters left of `text`. */
export function evidenceFor(suggestion: string, { text, spelt }: Pick<Generation, "text" | "spelt">, cursor: CursorSyntax): Evidence {
  const from = Math.max(0, text.indexOf(suggestion));
  const body = from + (suggestion.length - suggestion.trimStart().length);
  const firstLine = suggestion.trimStart().split("\n", 1)[0] ?? "";
  const tokens = spelt.filter(({ start }) => start < from + suggestion.length);
  return {
    meanLogProbability: tokens.length === 0 ? 0 : tokens.reduce((sum, { logProbability }) => sum + logProbability, 0) / tokens.length,
    firstLineTokens: tokens.filter(({ start }) => start < body + firstLine.length).length,
    agrees: cursor.tree?.agrees(suggestion, closersAfter(suggestion, cursor)),
  };
}

/** What the trace says of it. */
export function confidenceIn(evidence: Evidence, frequency: Settings["frequency"], { probability, thresholds }: Calibration): Confidence {
  return { meanLogProbability: evidence.meanLogProbability, probability: probability(evidence), threshold: thresholds[frequency] };
}

/** What the probability is made of, a constant first. */
export function features({ meanLogProbability, firstLineTokens, agrees }: Evidence): number[] {
  return [1, meanLogProbability, Math.log(Math.max(1, firstLineTokens)), agrees === false ? 1 : 0];
}

/** The logistic map of {@link features}. */
export function probabilityBy(weights: readonly number[], evidence: Evidence): number {
  return 1 / (1 + Math.exp(-features(evidence).reduce((sum, value, at) => sum + value * (weights[at] ?? 0), 0)));
}

/**
 * Fitted and chosen by `npm run bench -- confidence --tasks ... --repos ... --limit 240 --cursors 8` over the benchmark's tasks in
 * Python, Java and TypeScript: 3,961 suggestions in 117 repositories, the first line right in 13.7 %. Judged by fits on other
 * repositories: Brier score 0.0964 (always the mean: 0.1181), expected calibration error 0.0237. Each threshold is the highest
 * that still shows nearly all of what is right: `more` 99.3 %, in 90.8 % of the suggestions; `balanced` 97.0 % in 79.7 %; `fewer`
 * 90.0 % in 64.2 %. No more is held back, since words of a first line that is wrong are taken too. Of the default model: another
 * one has a calibration of its own to be fitted (`--model`).
 */
export const measured: Calibration = {
  probability: (evidence) => probabilityBy([1.134, 2.407, -0.801, -1.064], evidence),
  thresholds: { more: 0.008, balanced: 0.025, fewer: 0.054 },
};
