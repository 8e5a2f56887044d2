// A result of the evaluation, for tests to change.
import type { Result } from "../../eval/results";

export const result = (id: string, part: Partial<Result> = {}): Result => ({
  id,
  language: "python",
  repository: "r",
  file: "a.py",
  offset: 3,
  groundtruth: "g",
  prediction: "p",
  statement: "p",
  em: 0,
  es: 50,
  idF1: 0.5,
  needs: true,
  rank: null,
  inPrompt: false,
  fragments: 0,
  ms: 1,
  ...part,
});
