// A cursor with its candidate fragments: their scores, the reasons for a boost, and whether they are needed.

export interface Candidate {
  /** Inner product with the need. */
  readonly score: number;
  /** Whether it defines the name that the code after the cursor uses. */
  readonly needed?: true;
  readonly imported?: true;
  /** How many files were edited after its own in the same commit; absent if it was not edited. */
  readonly edited?: number;
}

export interface Case {
  readonly repository: string;
  readonly language: string;
  readonly file: string;
  /** Edit similarity of the suggestion to the real text, 0 to 100, for each of {@link trials}. */
  readonly similarities: readonly number[];
  /** The best fragments of other files, best score first. */
  readonly candidates: readonly Candidate[];
}

/** The value added to the score for each reason. */
export interface Weights {
  readonly imported: number;
  readonly edited: number;
}

export const noWeights: Weights = { imported: 0, edited: 0 };

/** Values tried for each boost. They are small, so that an edit does not replace the reused fragments at every keystroke. */
export const steps: readonly number[] = [0.01, 0.02, 0.03, 0.05, 0.1];

/** Weights for which suggestions are made, because a better rank need not give a better suggestion. The first one has no boosts. */
export const trials: readonly Weights[] = [0, ...steps].flatMap((imported) =>
  [0, ...steps].map((edited) => ({ imported, edited })),
);

/** Number of ranks that count. */
const depth = 10;

/** Number of recently edited files that are boosted. */
export const maxRecent = 8;

/** Number of candidates of a case, the most that the reports look at. */
export const maxCandidates = 32;

/** Rank of the first needed fragment, from 0; undefined beyond the tenth. */
export function rankOfNeeded({ candidates }: Case, weights: Weights): number | undefined {
  const ranked = candidates.map((candidate) => ({
    needed: candidate.needed === true,
    rank: rankOf(candidate, weights),
  }));
  const best = Math.max(-Infinity, ...ranked.filter(({ needed }) => needed).map(({ rank }) => rank));
  const before = ranked.filter(({ needed, rank }) => !needed && rank > best).length;
  return best === -Infinity || before >= depth ? undefined : before;
}

function rankOf({ score, imported, edited }: Candidate, weights: Weights): number {
  return (
    score +
    (imported === true ? weights.imported : 0) +
    (edited !== undefined && edited < maxRecent ? weights.edited : 0)
  );
}
