// How likely a suggestion is what its user goes on to write, and from what likelihood on it is shown: the map and its figures.
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
 * Fitted on what the default model (selfracg-default 0.4.0) suggests at the cursors of 240 cross-file tasks in each of
 * Python, Java and TypeScript, and at 8 further places in each of their files: 3,960 suggestions, of which the first line is
 * right, to the letter, in 542. A threshold is the highest that still shows 97 %, 90 % and 60 % of the right ones; judged
 * by fits on other repositories (Brier score 0.0964, always the mean 0.1181; expected calibration error 0.0238):
 *
 *     threshold        share shown  right of what is shown  shown of what is right
 *     none             100.0 %      13.7 %                  100.0 %
 *     more: 0.025      79.6 %       16.7 %                  97.0 %
 *     balanced: 0.054  64.2 %       19.2 %                  90.0 %
 *     fewer: 0.220     21.0 %       39.4 %                  60.5 %
 *
 * by `npm run bench -- confidence --limit 240 --cursors 8` with `--tasks` and `--repos` of the three languages. Other models
 * get the same map: a surer model is shown more often, and its own figures come from the same command with `--model`.
 */
export const measured: Calibration = {
  probability: (evidence) => probabilityBy([1.137, 2.408, -0.802, -1.059], evidence),
  thresholds: { more: 0.025, balanced: 0.054, fewer: 0.22 },
};
