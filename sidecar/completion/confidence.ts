// How likely a suggestion is what its user goes on to write, and from what likelihood on it is shown.
import type { ModelManifest } from "../inference/package/model-manifest";
import type { Confidence, Settings } from "../protocol";
import type { Generation } from "./decoding/generate";
import { type CursorSyntax, closersAfter } from "./syntax/cursor";

/** What is known of a suggestion without its user. */
export interface Evidence {
  /** Over the tokens of the suggestion, natural logarithm, by the model alone. */
  readonly meanLogProbability: number;
  /** Tokens of its first line. */
  readonly firstLineTokens: number;
  /** Whether it makes no new syntax error; undefined where no tree tells. */
  readonly agrees: boolean | undefined;
}

/** From evidence to what is made of it: of one model, as its package states it. */
export interface Calibration {
  /** How likely the first line is right, 0..1. */
  probability(evidence: Evidence): number;
  /** Least probability that is shown. */
  readonly thresholds: Readonly<Record<Settings["frequency"], number>>;
}

/** What a model package states of it. */
export type StatedConfidence = NonNullable<ModelManifest["confidence"]>;

/** What the package states, ready for use; undefined where it states nothing. */
export function calibrationOf({ confidence }: Pick<ModelManifest, "confidence">): Calibration | undefined {
  if (confidence === undefined) return undefined;
  const { constant, meanLogProbability, logFirstLineTokens, syntaxError } = confidence.weights;
  const weights = [constant, meanLogProbability, logFirstLineTokens, syntaxError];
  return { probability: (evidence) => probabilityBy(weights, evidence), thresholds: confidence.thresholds };
}

/** The member of model.json: weights of {@link features}, in their order and to three decimals, and thresholds. */
export function statedConfidence(weights: readonly number[], thresholds: Calibration["thresholds"]): StatedConfidence {
  const [constant = 0, meanLogProbability = 0, logFirstLineTokens = 0, syntaxError = 0] = weights.map((weight) =>
    Number(weight.toFixed(3)),
  );
  return { weights: { constant, meanLogProbability, logFirstLineTokens, syntaxError }, thresholds };
}

/** Evidence for `suggestion`, what the filters left of `text`. */
export function evidenceFor(
  suggestion: string,
  { text, spelt }: Pick<Generation, "text" | "spelt">,
  cursor: CursorSyntax,
): Evidence {
  const from = Math.max(0, text.indexOf(suggestion));
  const body = from + (suggestion.length - suggestion.trimStart().length);
  const firstLine = suggestion.trimStart().split("\n", 1)[0] ?? "";
  const tokens = spelt.filter(({ start }) => start < from + suggestion.length);
  return {
    meanLogProbability:
      tokens.length === 0 ? 0 : tokens.reduce((sum, { logProbability }) => sum + logProbability, 0) / tokens.length,
    firstLineTokens: tokens.filter(({ start }) => start < body + firstLine.length).length,
    agrees: cursor.tree?.agrees(suggestion, closersAfter(suggestion, cursor)),
  };
}

/** What the trace says of it. Without a calibration nothing is known of how likely it is. */
export function confidenceIn(
  evidence: Evidence,
  frequency: Settings["frequency"],
  calibration: Calibration | undefined,
): Confidence {
  const { meanLogProbability } = evidence;
  if (calibration === undefined) return { meanLogProbability };
  return {
    meanLogProbability,
    probability: calibration.probability(evidence),
    threshold: calibration.thresholds[frequency],
  };
}

/** Why a suggestion is held back, in words; undefined where it is shown, as it is where nothing is known of how likely it is. */
export function whyUnsure(
  { probability, threshold }: Confidence,
  frequency: Settings["frequency"],
): string | undefined {
  if (probability === undefined || threshold === undefined || probability >= threshold) return undefined;
  return `the model is unsure: ${percent(probability)} likely to be right, and selfracg.frequency "${frequency}" shows from ${percent(threshold)} on`;
}

function percent(probability: number): string {
  return `${(100 * probability).toFixed(probability < 0.1 ? 1 : 0)} %`;
}

/** What the probability is made of, a constant first. */
export function features({ meanLogProbability, firstLineTokens, agrees }: Evidence): number[] {
  return [1, meanLogProbability, Math.log(Math.max(1, firstLineTokens)), agrees === false ? 1 : 0];
}

/** The logistic map of {@link features}. */
export function probabilityBy(weights: readonly number[], evidence: Evidence): number {
  return 1 / (1 + Math.exp(-features(evidence).reduce((sum, value, at) => sum + value * (weights[at] ?? 0), 0)));
}
