// Ranks fragments by their score and the boosts that imports, recent edits and pins add to it.
import { normalUri } from "../host/paths";
import { allImportStatements } from "../languages/import-statements";
import { Imports } from "../languages/imports";
import type { FragmentReference } from "../protocol";
import type { Fragment, ScoredFragment } from "../workspace/fragment";
import type { FileRules } from "./pinned-files";
import type { Boost, CursorContext, RankedFragment } from "./types";

/** The boost of a fragment at one cursor; undefined for most. All fragments of a file have the same boost. */
export type BoostOf = (fragment: Fragment) => Boost | undefined;

/** Which fragments get a boost at a cursor, pinned files aside. */
export type BoostRule = (context: CursorContext) => BoostOf;

/** What is added to a fragment's score; 0 turns the boost off. */
interface BoostWeights {
  /** For files that the open file imports. */
  readonly imported: number;
  /** For files that were edited recently. */
  readonly edited: number;
}

/**
 * Chosen by measurement with `npm run bench -- ranking`; see "What ranks fragments" in docs/benchmarks.md. The boost for
 * edited files has to stay below the margin of `reuseRule`: otherwise an edit would replace the fragments in the prompt.
 */
export const boostWeights: BoostWeights = { imported: 0.03, edited: 0.03 };

/**
 * The boosts of files that the open one imports, and of files that were edited recently; not of the open file, whose text
 * around the cursor is in the prompt anyway. Imports are read again only when the import statements change.
 * @param wasEdited whether a file was edited recently, by its URI; default: none was
 */
export function defaultBoosts(
  wasEdited: (uri: string) => boolean = () => false,
  { imported, edited }: BoostWeights = boostWeights,
): BoostRule {
  let last: { readonly path: string; readonly statements: string; readonly imports: Imports } | undefined;
  return ({ uri, notebookUri, path, prefix }) => {
    const own = normalUri(notebookUri ?? uri);
    const statements = imported === 0 ? "" : allImportStatements(prefix);
    if (last?.path !== path || last.statements !== statements)
      last = { path, statements, imports: new Imports(path, statements) };
    const { imports } = last;
    return (fragment) => {
      if (fragment.uri === own) return undefined;
      const isImported = imports.has(fragment.path);
      const isEdited = edited !== 0 && wasEdited(fragment.uri);
      if (isImported && isEdited) return { by: imported + edited, reason: "imported here, edited lately" };
      if (isImported) return { by: imported, reason: "imported here" };
      return isEdited ? { by: edited, reason: "edited lately" } : undefined;
    };
  };
}

/** Scores lie between -1 and 1, so this boost puts a pinned file before every other one. */
const pinnedBoost = 2;

/** Pinned files first, all others with the boosts of `boostOf`. */
export function boostPinned(rules: FileRules, boostOf: BoostOf): BoostOf {
  const known = new Map<string, Boost | undefined>();
  return (fragment) => {
    const { uri } = fragment;
    if (known.has(uri)) return known.get(uri);
    const pattern = rules.pinnedBy(fragment);
    const boost =
      pattern === undefined
        ? boostOf(fragment)
        : { by: pinnedBoost, reason: `pinned by selfracg.pinnedFiles: ${pattern}` };
    known.set(uri, boost);
    return boost;
  };
}

/** Best first; fragments of equal rank stay in the order given. */
export function rankFragments(found: readonly ScoredFragment[], boostOf: BoostOf): RankedFragment[] {
  const boosted = found.map(({ fragment, score }): RankedFragment => {
    const boost = boostOf(fragment);
    return { fragment, score, ...(boost !== undefined && { boost }) };
  });
  return boosted.sort((a, b) => rankOf(b) - rankOf(a));
}

/** Score plus boost: fragments are ordered by this number, highest first. */
export function rankOf({ score, boost }: Pick<FragmentReference, "score" | "boost">): number {
  return score + (boost?.by ?? 0);
}
