// The order in which fragments are considered: by score, and by what raises a fragment above its score.
import type { FragmentReference } from "../protocol";
import type { Fragment, ScoredFragment } from "../workspace/fragment";
import type { ChosenFiles } from "./chosen-files";

/** How much is added to a fragment's score to give its rank, and why, in words. */
export type Raise = NonNullable<FragmentReference["raised"]>;

export interface RankedFragment extends ScoredFragment {
  readonly raised?: Raise;
}

/** Scores are from -1 to 1: nothing that is not pinned comes before what is. */
const pinnedBy = 2;

/** What raises a fragment at one cursor; nothing for most. */
export type Raising = (fragment: Fragment) => Raise | undefined;

export function raisingOf(chosen: ChosenFiles): Raising {
  return ({ path }) => {
    const pattern = chosen.pinnedBy(path);
    return pattern === undefined ? undefined : { by: pinnedBy, reason: `pinned by selfracg.pinnedFiles: ${pattern}` };
  };
}

/** Best first; equals in the order given. */
export function ranked(found: readonly ScoredFragment[], raising: Raising): RankedFragment[] {
  const raised = found.map((each): RankedFragment => {
    const raise = raising(each.fragment);
    return raise === undefined ? each : { ...each, raised: raise };
  });
  return raised.sort((a, b) => rankOf(b) - rankOf(a));
}

/** The number by which fragments are put in order, higher first. */
export function rankOf({ score, raised }: Pick<FragmentReference, "score" | "raised">): number {
  return score + (raised?.by ?? 0);
}
