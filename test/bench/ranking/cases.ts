// One cursor with all that a ranking can choose from: for every fragment its score, what may raise it, and whether it is needed.
import { folderOf, Imports } from "../../../sidecar/languages/imports";

/** What may raise a fragment's rank. */
export interface Candidate {
  /** Inner product with the need. */
  readonly score: number;
  /** Whether it defines what the code at the cursor goes on to name. */
  readonly needed?: true;
  readonly imported?: true;
  /** Whether its file lies in the folder of the open file. */
  readonly beside?: true;
  /** How many files were edited after its own, in the same piece of work; absent where it was not. */
  readonly edited?: number;
  /** The same of earlier pieces of work. */
  readonly before?: number;
}

export interface Case {
  readonly repository: string;
  readonly language: string;
  readonly nullScore: number;
  /** Edit similarity of what is suggested to what was written, 0 to 100, under each of {@link trials}. */
  readonly similarities: readonly number[];
  /** The best of the other files, best score first. */
  readonly candidates: readonly Candidate[];
}

/** A case as it is stored: what paths tell of the candidates is told anew when it is read. */
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
  const raise = (candidate: string) => ({
    ...(imported.has(candidate) && { imported: true as const }),
    ...(folderOf(candidate) === folderOf(path) && { beside: true as const }),
  });
  return {
    ...stored,
    candidates: candidates.map(({ path: other, ...candidate }) => ({ ...candidate, ...raise(other) })),
  };
}

/** How much is added to the score for what. */
export interface Weights {
  readonly imported: number;
  readonly beside: number;
  readonly edited: number;
  readonly before: number;
}

export const noWeights: Weights = { imported: 0, beside: 0, edited: 0, before: 0 };

/** Tried for each raise; what is edited from one keystroke to the next must not exchange the fragments that are kept, so small ones. */
export const steps: readonly number[] = [0.01, 0.02, 0.03, 0.05, 0.1];

/** Weights under which suggestions are made: what ranks well need not complete well. The first are none. */
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

/** Ranks looked at. */
const depth = 10;

/** Files edited last that count as edited lately. */
export const maxRecent = 8;

/** Rank of the first needed fragment, from 0; undefined beyond the tenth. @param searched fragments that the search finds before any is boosted */
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
