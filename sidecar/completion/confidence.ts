// How likely a suggestion is right, and the likelihood from which it is shown.
import type { ModelManifest } from "../inference/package/model-manifest";
import type { Confidence, Settings } from "../protocol";
import type { Generation } from "./decoding/generate";
import { type CursorSyntax, closersAfter } from "./syntax/cursor";

/** What is known of a suggestion before its user has seen it. */
export interface Evidence {
  /** Mean over the tokens of the suggestion, natural logarithm, by the model alone. */
  readonly meanLogProbability: number;
  /** Tokens of its first line. */
  readonly firstLineTokens: number;
  /** Whether it adds no syntax error; undefined where there is no syntax tree. */
  readonly isValid: boolean | undefined;
}

/** Turns evidence into a probability, for one model, as its package states it. */
export interface Calibration {
  /** The probability that the first line is right, 0..1. */
  probability(evidence: Evidence): number;
  /** The minimum probability that is shown. */
  readonly thresholds: Readonly<Record<Settings["frequency"], number>>;
}

/** The member `confidence` of model.json. */
export type StatedConfidence = NonNullable<ModelManifest["confidence"]>;

/** The calibration that the package states; undefined where it states none. */
export function calibrationOf({ confidence }: Pick<ModelManifest, "confidence">): Calibration | undefined {
  if (confidence === undefined) return undefined;
  const { constant, meanLogProbability, logFirstLineTokens, syntaxError } = confidence.weights;
  const weights = [constant, meanLogProbability, logFirstLineTokens, syntaxError];
  return { probability: (evidence) => probabilityBy(weights, evidence), thresholds: confidence.thresholds };
}

/** The member of model.json for weights of {@link features}, in their order, to three decimals, and thresholds. */
export function statedConfidence(weights: readonly number[], thresholds: Calibration["thresholds"]): StatedConfidence {
  const [constant = 0, meanLogProbability = 0, logFirstLineTokens = 0, syntaxError = 0] = weights.map((weight) =>
    Number(weight.toFixed(3)),
  );
  return { weights: { constant, meanLogProbability, logFirstLineTokens, syntaxError }, thresholds };
}

/** Evidence for `suggestion`, which is what the filters left of `text`. */
export function evidenceFor(
  suggestion: string,
  { text, textTokens }: Pick<Generation, "text" | "textTokens">,
  cursor: CursorSyntax,
): Evidence {
  const from = Math.max(0, text.indexOf(suggestion));
  const body = from + (suggestion.length - suggestion.trimStart().length);
  const firstLine = suggestion.trimStart().split("\n", 1)[0] ?? "";
  const tokens = textTokens.filter(({ start }) => start < from + suggestion.length);
  return {
    meanLogProbability:
      tokens.length === 0 ? 0 : tokens.reduce((sum, { logProbability }) => sum + logProbability, 0) / tokens.length,
    firstLineTokens: tokens.filter(({ start }) => start < body + firstLine.length).length,
    isValid: cursor.tree?.agrees(suggestion, closersAfter(suggestion, cursor)),
  };
}

/** The confidence as the trace has it; without a calibration it has no probability. */
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

/** Why a suggestion is suppressed, in words; undefined where it is shown, and where its probability is not known. */
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

/** The numbers that the probability is computed from, a constant first. */
export function features({ meanLogProbability, firstLineTokens, isValid }: Evidence): number[] {
  return [1, meanLogProbability, Math.log(Math.max(1, firstLineTokens)), isValid === false ? 1 : 0];
}

/** The logistic map of {@link features}. */
export function probabilityBy(weights: readonly number[], evidence: Evidence): number {
  return 1 / (1 + Math.exp(-features(evidence).reduce((sum, value, at) => sum + value * (weights[at] ?? 0), 0)));
}
