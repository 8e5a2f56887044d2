// A cursor with its candidate fragments: their scores, the reasons for a boost, and whether they are needed.
import { folderOf, Imports } from "../../../sidecar/languages/imports";

/** The reasons for a boost. */
export interface Candidate {
  /** Inner product with the need. */
  readonly score: number;
  /** Whether it defines the name that the code after the cursor uses. */
  readonly needed?: true;
  readonly imported?: true;
  /** Whether its file is in the folder of the open file. */
  readonly beside?: true;
  /** How many files were edited after its own in the same commit; absent if it was not edited. */
  readonly edited?: number;
  /** The same for earlier commits. */
  readonly before?: number;
}

export interface Case {
  readonly repository: string;
  readonly language: string;
  readonly nullScore: number;
  /** Edit similarity of the suggestion to the real text, 0 to 100, for each of {@link trials}. */
  readonly similarities: readonly number[];
  /** The best fragments of other files, best score first. */
  readonly candidates: readonly Candidate[];
}

/** A case as it is stored, without what can be computed from the paths of the candidates. */
export interface StoredCase extends Omit<Case, "candidates"> {
  readonly path: string;
  /** The import statements above the cursor. */
  readonly imports: string;
  readonly candidates: readonly (Pick<Candidate, "score" | "needed" | "edited" | "before"> & {
    readonly path: string;
  })[];
}

export function caseOf({ path, imports, candidates, ...stored }: StoredCase): Case {
  const imported = new Imports(path, imports);
  const reasons = (candidate: string) => ({
    ...(imported.has(candidate) && { imported: true as const }),
    ...(folderOf(candidate) === folderOf(path) && { beside: true as const }),
  });
  return {
    ...stored,
    candidates: candidates.map(({ path: other, ...candidate }) => ({ ...candidate, ...reasons(other) })),
  };
}

/** The value added to the score for each reason. */
export interface Weights {
  readonly imported: number;
  readonly beside: number;
  readonly edited: number;
  readonly before: number;
}

export const noWeights: Weights = { imported: 0, beside: 0, edited: 0, before: 0 };

/** Values tried for each boost. They are small, so that an edit does not replace the reused fragments at every keystroke. */
export const steps: readonly number[] = [0.01, 0.02, 0.03, 0.05, 0.1];

/** Weights for which suggestions are made, because a better rank need not give a better suggestion. The first one has no boosts. */
export const trials: readonly Weights[] = [
  noWeights,
  ...steps.map((imported) => ({ ...noWeights, imported })),
  ...steps.map((edited) => ({ ...noWeights, edited })),
  ...steps.map((before) => ({ ...noWeights, before })),
  ...[0.02, 0.03, 0.05, 0.1].flatMap((imported) =>
    [0.02, 0.03, 0.05].map((edited) => ({ ...noWeights, imported, edited })),
  ),
  ...[0.03, 0.05].map((imported) => ({ ...noWeights, imported, edited: 0.03, before: 0.01 })),
];

/** Number of ranks that count. */
const depth = 10;

/** Number of recently edited files that are boosted. */
export const maxRecent = 8;

/** Rank of the first needed fragment, from 0; undefined beyond the tenth. @param searched number of fragments that the search finds before boosts */
export function rankOfNeeded({ candidates }: Case, weights: Weights, searched: number): number | undefined {
  const ranked = candidates
    .slice(0, searched)
    .map((candidate) => ({ needed: candidate.needed === true, rank: rankOf(candidate, weights) }));
  let best = -Infinity;
  for (const { needed, rank } of ranked) if (needed) best = Math.max(best, rank);
  const before = ranked.filter(({ needed, rank }) => !needed && rank > best).length;
  return best === -Infinity || before >= depth ? undefined : before;
}

function rankOf({ score, imported, beside, edited, before }: Candidate, weights: Weights): number {
  const recent =
    edited !== undefined && edited < maxRecent
      ? weights.edited
      : before !== undefined && before < maxRecent
        ? weights.before
        : 0;
  return score + (imported === true ? weights.imported : 0) + (beside === true ? weights.beside : 0) + recent;
}
