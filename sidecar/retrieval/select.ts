// Chooses, of the fragments found, those worth their tokens, and says of every other one why not.
import type { DroppedFragment, FragmentReference } from "../protocol";
import type { Fragment } from "../workspace/fragment";
import type { CursorContext, RankedFragment, RetrievalLimits, SelectedFragment } from "./types";
import { tellingLines, type VisibleText } from "./visible-text";

/** Share of a fragment's lines on screen from which it has nothing left to say. */
const shownShare = 0.6;
/** Share of common words from which two fragments are the same to a reader (Jaccard index). */
const duplicateShare = 0.8;

export interface Selection {
  /** Best first. */
  readonly selected: SelectedFragment[];
  /** Best first. */
  readonly dropped: DroppedFragment[];
}

export interface SelectOptions {
  readonly context: CursorContext;
  readonly visible: VisibleText;
  readonly limits: RetrievalLimits;
  /** Fragments that score lower are not needed. */
  readonly nullScore: number;
  /** The pattern that bans the fragment's file; default: none does. */
  readonly bannedBy?: (fragment: Fragment) => string | undefined;
  /** The fragment as it would stand in the prompt; empty where it does not fit at all. */
  readonly render: (fragment: Fragment) => readonly number[];
}

/** Goes through `candidates`, best first, and keeps each that is needed, new and within the limits. */
export function selectFragments(candidates: readonly RankedFragment[], options: SelectOptions): Selection {
  const { context, visible, limits, nullScore, bannedBy, render } = options;
  const selected: SelectedFragment[] = [];
  const dropped: DroppedFragment[] = [];
  const words: ReadonlySet<string>[] = [];
  let used = 0;

  for (const candidate of candidates) {
    const { fragment, score } = candidate;
    const tokens = render(fragment);
    const reference = referenceTo(candidate, tokens.length);
    const drop = (reason: string) => dropped.push({ ...reference, reason });

    const banned = bannedBy?.(fragment);
    if (banned !== undefined) {
      drop(`banned by selfracg.bannedFiles: ${banned}`);
      continue;
    }
    if (score < nullScore) {
      drop(`score ${score.toFixed(3)} is below ${nullScore.toFixed(3)}, from which the model needs it`);
      continue;
    }
    const seen = whereSeen(fragment, context, visible);
    if (seen !== undefined) {
      drop(seen);
      continue;
    }
    const overlapped = selected.find(
      (better) =>
        better.fragment.uri === fragment.uri &&
        better.fragment.startLine <= fragment.endLine &&
        better.fragment.endLine >= fragment.startLine,
    );
    if (overlapped !== undefined) {
      drop(`overlaps ${overlapped.reference.path}:${overlapped.reference.startLine}-${overlapped.reference.endLine}`);
      continue;
    }
    const bag = wordsOf(fragment.text);
    const twin = selected[words.findIndex((other) => jaccard(bag, other) >= duplicateShare)];
    if (twin !== undefined) {
      drop(`says the same as ${twin.reference.path}:${twin.reference.startLine}-${twin.reference.endLine}`);
      continue;
    }
    if (selected.length >= limits.maxFragments) {
      drop(`${limits.maxFragments} better ${limits.maxFragments === 1 ? "fragment is" : "fragments are"} in already`);
      continue;
    }
    if (tokens.length === 0 || used + tokens.length > limits.fragmentBudget) {
      drop(
        `${tokens.length} tokens do not fit in the ${limits.fragmentBudget - used} left of ${limits.fragmentBudget}`,
      );
      continue;
    }
    selected.push({ fragment, reference, tokens });
    words.push(bag);
    used += tokens.length;
  }
  return { selected, dropped };
}

/** The fragment as people are shown it. */
export function referenceTo({ fragment, score, raised }: RankedFragment, tokens: number): FragmentReference {
  const { path, uri, startLine, endLine, scope } = fragment;
  return {
    path,
    uri,
    startLine,
    endLine,
    score,
    tokens,
    ...(scope !== undefined && { scope }),
    ...(raised !== undefined && { raised }),
  };
}

/** Where the reader of the prompt sees what the fragment says anyway, in words; undefined where it says something new. */
export function whereSeen(fragment: Fragment, context: CursorContext, visible: VisibleText): string | undefined {
  if (fragment.uri === context.uri && fragment.startLine <= visible.endLine && fragment.endLine >= visible.startLine) {
    return `overlaps lines ${visible.startLine}-${visible.endLine} of this file, which the model sees already`;
  }
  const lines = tellingLines(fragment.text);
  if (lines.length === 0) return "holds no words";
  const shown = lines.filter((line) => visible.lines.has(line)).length / lines.length;
  return shown >= shownShare ? `${Math.round(shown * 100)} % of its lines stand around the cursor already` : undefined;
}

function wordsOf(text: string): ReadonlySet<string> {
  return new Set(text.match(/[\p{L}\p{N}_]+/gu) ?? []);
}

/** Size of the intersection over size of the union; 1 for two empty sets. */
function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let common = 0;
  for (const word of a) if (b.has(word)) common += 1;
  const union = a.size + b.size - common;
  return union === 0 ? 1 : common / union;
}
