// The order in which fragments are considered: by score, and by what raises a fragment above its score.
import { allImportStatements } from "../languages/import-statements";
import { Imports } from "../languages/imports";
import type { FragmentReference } from "../protocol";
import type { Fragment, ScoredFragment } from "../workspace/fragment";
import type { ChosenFiles } from "./pinned-files";
import type { CursorContext, Raise, RankedFragment } from "./types";

/** What raises a fragment at one cursor; nothing for most. Fragments of one file are raised alike. */
export type Raising = (fragment: Fragment) => Raise | undefined;

/** What raises fragments at a cursor, beside what the user has pinned. */
export type RaisingRule = (context: CursorContext) => Raising;

/** By score alone. */
export const raisingNothing: RaisingRule = () => () => undefined;

/** Added to the score of a fragment for each of these; 0: it raises nothing. */
export interface RankingWeights {
  /** The open file imports the fragment's. */
  readonly imported: number;
  /** The fragment's file was edited lately. */
  readonly edited: number;
}

/**
 * By `npm run bench -- ranking`: MRR@10 on the half of the repositories that the weights were not chosen by, edit similarity of
 * suggestions (0 to 100) on all, with 95 % intervals over repositories. At 1,149 cross-file tasks of three languages (`--limit
 * 400`) imported files raised by 0.03 take MRR@10 from 0.244 up by 0.034 (0.023 to 0.046) and leave edit similarity (-0.05,
 * -0.58 to 0.52). 0.1 ranks better still (0.068) and costs 0.89 of it (-1.66 to -0.13), 0.05 about 0.39. At 390 cursors of 17
 * git histories (`--commits 16`) they gain 0.016 (0.001 to 0.030), and files edited lately raised by 0.03, from 0.090, 0.023
 * (0.005 to 0.049); edit similarity under both +0.01 (-1.04 to 1.15). What is edited has to stay below the margin within which
 * fragments are kept.
 * Files of earlier commits, which stand in for files only viewed, raise nothing: no weight gains rank there, and 0.01 costs 0.71
 * of edit similarity (-1.43 to -0.15). Nor do files of the same folder: 0.03 takes 0.021 off MRR@10 of the tasks (-0.032 to
 * -0.011).
 */
export const rankingWeights: RankingWeights = { imported: 0.03, edited: 0.03 };

/** As measured. @param wasEdited whether a file was edited lately, by its URI; left out: none was */
export function raisingAsMeasured(
  wasEdited: (uri: string) => boolean = () => false,
  { imported, edited }: RankingWeights = rankingWeights,
): RaisingRule {
  return together(raisingImported(imported), raisingEdited(wasEdited, edited));
}

/** Raises files that the open one imports, which stay known while its import statements are the same. */
export function raisingImported(by: number): RaisingRule {
  if (by === 0) return raisingNothing;
  let last: { readonly path: string; readonly statements: string; readonly imports: Imports } | undefined;
  return (context) => {
    const { path: here, prefix } = context;
    const statements = allImportStatements(prefix);
    if (last?.path !== here || last.statements !== statements)
      last = { path: here, statements, imports: new Imports(here, statements) };
    const { imports } = last;
    return ({ uri, path }) => (uri !== context.uri && imports.has(path) ? { by, reason: "imported here" } : undefined);
  };
}

/** Raises files that were edited, by their URI. */
export function raisingEdited(wasEdited: (uri: string) => boolean, by: number): RaisingRule {
  if (by === 0) return raisingNothing;
  // The open file is always one of them, and its fragments are the cursor's surroundings already.
  return (context) =>
    ({ uri }) =>
      uri !== context.uri && wasEdited(uri) ? { by, reason: "edited lately" } : undefined;
}

/** What several of the rules raise is raised by the sum. */
export function together(...rules: readonly RaisingRule[]): RaisingRule {
  return (context) => {
    const all = rules.map((rule) => rule(context));
    return (fragment) => {
      const raises = all.flatMap((raising) => raising(fragment) ?? []);
      return raises.length === 0
        ? undefined
        : { by: raises.reduce((sum, { by }) => sum + by, 0), reason: raises.map(({ reason }) => reason).join(", ") };
    };
  };
}

/** Scores are from -1 to 1: with this, nothing that is not pinned comes before what is. */
const pinned = 2;

/** Pinned files before all others, these as `raising` has it. */
export function raisingPinned(chosen: ChosenFiles, raising: Raising): Raising {
  const known = new Map<string, Raise | undefined>();
  return (fragment) => {
    const { uri } = fragment;
    if (known.has(uri)) return known.get(uri);
    const pattern = chosen.pinnedBy(fragment);
    const raise =
      pattern === undefined ? raising(fragment) : { by: pinned, reason: `pinned by selfracg.pinnedFiles: ${pattern}` };
    known.set(uri, raise);
    return raise;
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
