// How sure the model is, beside the threshold for showing a suggestion.
import type { Confidence } from "../../../sidecar/protocol";
import { escapeHtml, percent, signed } from "../html";

export function renderConfidence(confidence: Confidence | undefined): string {
  if (confidence === undefined) {
    return "";
  }
  const { probability, threshold, meanLogProbability } = confidence;
  const facts = `<span class="facts">mean log-probability of a token ${signed(meanLogProbability, 2)}</span>`;
  if (probability === undefined || threshold === undefined) {
    return `<div class="measure"><span>The model package has no calibration, so no suggestion is suppressed for being unsure.</span>${facts}</div>`;
  }
  const words = `${chance(probability)} sure, shown from ${chance(threshold)}`;
  return `<div class="measure"><svg class="score" height="10" aria-hidden="true"><rect class="track" y="1" width="100%" height="8" rx="2"/><rect class="fill" y="1" width="${percent(probability)}" height="8" rx="2"/><rect class="mark" x="${percent(threshold)}" width="2" height="10"/></svg><span>${escapeHtml(words)}</span>${facts}</div>`;
}

/** Small ones to a tenth of a percent: suppressed suggestions are often there, close to the threshold. */
function chance(probability: number): string {
  return `${(100 * probability).toFixed(probability < 0.1 ? 1 : 0)} %`;
}
