// Selects the fragments that are worth their tokens, and says of every other one why it was dropped.
import type { DroppedFragment, FragmentReference } from "../protocol";
import type { Fragment } from "../workspace/fragment";
import type { RankedFragment, RetrievalLimits, SelectedFragment } from "./types";
import { alreadyVisible, type VisibleText } from "./visible-text";

/** Two fragments with this share of words in common (Jaccard index) are duplicates. */
const minDuplicateShare = 0.8;

export interface Selection {
  /** Best first. */
  readonly selected: SelectedFragment[];
  /** Best first. */
  readonly dropped: DroppedFragment[];
}

export interface SelectOptions {
  readonly visible: VisibleText;
  readonly limits: RetrievalLimits;
  /** Fragments that score lower are not needed. */
  readonly nullScore: number;
  /** The pattern that bans the fragment's file; default: none does. */
  readonly bannedBy?: (fragment: Fragment) => string | undefined;
  /** The fragment as it would stand in the prompt; empty where it does not fit at all. */
  readonly render: (fragment: Fragment) => readonly number[];
}

/** Goes through `candidates`, best first, and selects each one that is needed, new and within the limits. */
export function selectFragments(candidates: readonly RankedFragment[], options: SelectOptions): Selection {
  const selected: SelectedFragment[] = [];
  const dropped: DroppedFragment[] = [];
  let usedTokens = 0;
  for (const candidate of candidates) {
    const tokens = options.render(candidate.fragment);
    const reference = referenceTo(candidate, tokens.length);
    const reason =
      whyNotNeeded(candidate, options) ??
      whyRepeated(candidate.fragment, selected) ??
      whyNoRoom(tokens.length, usedTokens, selected.length, options.limits);
    if (reason !== undefined) dropped.push({ ...reference, reason });
    else {
      selected.push({ fragment: candidate.fragment, reference, tokens });
      usedTokens += tokens.length;
    }
  }
  return { selected, dropped };
}

/** The fragment as people are shown it. */
export function referenceTo({ fragment, score, boost }: RankedFragment, tokens: number): FragmentReference {
  const { path, uri, startLine, endLine, scope } = fragment;
  return {
    path,
    uri,
    startLine,
    endLine,
    score,
    tokens,
    ...(scope !== undefined && { scope }),
    ...(boost !== undefined && { boost }),
  };
}

function whyNotNeeded({ fragment, score }: RankedFragment, options: SelectOptions): string | undefined {
  const { bannedBy, nullScore, visible } = options;
  const banned = bannedBy?.(fragment);
  if (banned !== undefined) return `banned by selfracg.bannedFiles: ${banned}`;
  if (score < nullScore)
    return `score ${score.toFixed(3)} is below ${nullScore.toFixed(3)}, from which the model needs it`;
  return alreadyVisible(fragment, visible);
}

/** Why a better fragment makes this one superfluous. */
function whyRepeated(fragment: Fragment, selected: readonly SelectedFragment[]): string | undefined {
  const overlapped = selected.find(
    (better) =>
      better.fragment.uri === fragment.uri &&
      better.fragment.startLine <= fragment.endLine &&
      better.fragment.endLine >= fragment.startLine,
  );
  if (overlapped !== undefined) return `overlaps ${linesOf(overlapped)}`;
  const words = wordsOf(fragment);
  const duplicate = selected.find((better) => jaccard(words, wordsOf(better.fragment)) >= minDuplicateShare);
  return duplicate === undefined ? undefined : `says the same as ${linesOf(duplicate)}`;
}

function whyNoRoom(tokens: number, usedTokens: number, count: number, limits: RetrievalLimits): string | undefined {
  const { maxFragments, fragmentBudget } = limits;
  if (count >= maxFragments)
    return `${maxFragments} better ${maxFragments === 1 ? "fragment is" : "fragments are"} in already`;
  return tokens === 0 || usedTokens + tokens > fragmentBudget
    ? `${tokens} tokens do not fit in the ${fragmentBudget - usedTokens} left of ${fragmentBudget}`
    : undefined;
}

function linesOf({ reference: { path, startLine, endLine } }: SelectedFragment): string {
  return `${path}:${startLine}-${endLine}`;
}

/** Much the same fragments are found again a keystroke later. */
const knownWords = new WeakMap<Fragment, ReadonlySet<string>>();

function wordsOf(fragment: Fragment): ReadonlySet<string> {
  const known = knownWords.get(fragment) ?? new Set(fragment.text.match(/[\p{L}\p{M}\p{N}_]+/gu) ?? []);
  knownWords.set(fragment, known);
  return known;
}

/** Size of the intersection over size of the union; 1 for two empty sets. */
function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let common = 0;
  for (const word of a) if (b.has(word)) common += 1;
  const union = a.size + b.size - common;
  return union === 0 ? 1 : common / union;
}
