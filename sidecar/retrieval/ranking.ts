// The order in which fragments are considered: by score, and by what raises a fragment above its score.
import type { FragmentReference } from "../protocol";
import type { Fragment, ScoredFragment } from "../workspace/fragment";
import type { ChosenFiles } from "./chosen-files";
import { Imports } from "./imports";
import type { CursorContext } from "./retrieval";

/** How much is added to a fragment's score to give its rank, and why, in words. */
export type Raise = NonNullable<FragmentReference["raised"]>;

export interface RankedFragment extends ScoredFragment {
  readonly raised?: Raise;
}

/** What was done lately with a file. */
export type Recency = "edited" | "viewed";

/** Added to the score for each of these; 0: it raises nothing. */
export interface RankingWeights {
  /** The file is imported by the open one. */
  readonly imported: number;
  readonly edited: number;
  readonly viewed: number;
}

export const rankingWeights: RankingWeights = { imported: 0, edited: 0, viewed: 0 };

/** A ranking by the score alone. */
export const noWeights: RankingWeights = { imported: 0, edited: 0, viewed: 0 };

/** Scores are from -1 to 1: with this, nothing that is not pinned comes before what is. */
const pinned = 2;

/** What raises a fragment at one cursor; nothing for most. */
export type Raising = (fragment: Fragment) => Raise | undefined;

/** @param recency what was done lately with a file, by its URI */
export function raisingOf(context: Pick<CursorContext, "uri" | "path" | "prefix">, chosen: ChosenFiles, recency: (uri: string) => Recency | undefined, weights: RankingWeights): Raising {
  const imports = new Imports(context);
  /** A file's fragments are raised alike. */
  const known = new Map<string, Raise | undefined>();
  const raise = ({ uri, path }: Fragment): Raise | undefined => {
    const pattern = chosen.pinnedBy(path);
    if (pattern !== undefined) return { by: pinned, reason: `pinned by selfracg.pinnedFiles: ${pattern}` };
    // The open file's own fragments are its surroundings already.
    if (uri === context.uri) return undefined;
    const lately = recency(uri);
    const reasons = [
      { by: imports.has(path) ? weights.imported : 0, reason: "imported here" },
      { by: lately === undefined ? 0 : weights[lately], reason: `${lately} lately` },
    ].filter(({ by }) => by > 0);
    if (reasons.length === 0) return undefined;
    return { by: reasons.reduce((sum, { by }) => sum + by, 0), reason: reasons.map(({ reason }) => reason).join(", ") };
  };
  return (fragment) => {
    if (!known.has(fragment.uri)) known.set(fragment.uri, raise(fragment));
    return known.get(fragment.uri);
  };
}

/** Best first; equals in the order given. */
export function ranked(found: readonly ScoredFragment[], raising: Raising): RankedFragment[] {
  const raised = found.map(({ fragment, score }): RankedFragment => {
    const raise = raising(fragment);
    return { fragment, score, ...(raise !== undefined && { raised: raise }) };
  });
  return raised.sort((a, b) => rankOf(b) - rankOf(a));
}

/** The number by which fragments are put in order, higher first. */
export function rankOf({ score, raised }: Pick<FragmentReference, "score" | "raised">): number {
  return score + (raised?.by ?? 0);
}
