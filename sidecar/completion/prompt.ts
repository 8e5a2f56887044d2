// Puts fragments and the code around the cursor into one prompt that fits the model's context.
import type { CodeStart, PromptFormat } from "../inference/prompt-format";
import type { CursorContext, SelectedFragment } from "../retrieval/types";
import { visibleSuffixCharacters } from "../retrieval/visible-text";

export interface Prompt {
  readonly tokens: readonly number[];
  /** In prompt order. */
  readonly fragments: readonly SelectedFragment[];
}

/** Tokens of surrounding code that fragments never push out. */
const leastCodeTokens = 96;
/** Most tokens of surrounding code: every one costs time at every keystroke, and the far ones seldom matter. */
export const mostCodeTokens = 512;

/**
 * Renders the prompt: fragments first in the model's order, then the code, fill-in-the-middle when anything follows the
 * cursor. `room` is the most tokens of the whole prompt. Fragments that would leave the code too little are left out,
 * the worst first. Code that is too long begins at an anchor by default, so that typing on adds to the prompt at its end.
 */
export function assemblePrompt(
  format: PromptFormat,
  context: CursorContext,
  selected: readonly SelectedFragment[],
  room: number,
  start: CodeStart = "anchored",
): Prompt {
  const kept: SelectedFragment[] = [];
  let used = 0;
  for (const fragment of selected) {
    if (room - used - fragment.tokens.length < leastCodeTokens) break;
    kept.push(fragment);
    used += fragment.tokens.length;
  }
  const fragments = format.fragmentOrder === "best-last" ? kept.reverse() : kept;
  const suffix = visibleSuffix(context.suffix);
  const limit = Math.min(room - used, mostCodeTokens);
  const code =
    suffix.trim() === ""
      ? format.leftToRight(context.path, context.prefix, limit, start)
      : format.fillInMiddle(context.path, context.prefix, suffix, limit, start);
  return { tokens: [...fragments.flatMap((fragment) => fragment.tokens), ...code], fragments };
}

/** The part of the suffix that is worth its tokens (it says where to stop, seldom what to write): whole lines where possible. */
function visibleSuffix(suffix: string): string {
  if (suffix.length <= visibleSuffixCharacters) return suffix;
  const end = suffix.lastIndexOf("\n", visibleSuffixCharacters);
  return suffix.slice(0, end > 0 ? end + 1 : visibleSuffixCharacters);
}
