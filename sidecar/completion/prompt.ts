// Assembles fragments and the code around the cursor into one prompt that fits the model's context.
import type { CodeStart, PromptFormat } from "../inference/prompt-format";
import type { CursorContext, SelectedFragment } from "../retrieval/types";
import { maxSuffixCharacters } from "../retrieval/visible-text";

export interface Prompt {
  readonly tokens: readonly number[];
  /** In prompt order. */
  readonly fragments: readonly SelectedFragment[];
}

/** Tokens of surrounding code that fragments never push out. */
const minCodeTokens = 96;
/** Maximum tokens of surrounding code: each costs time at every keystroke, and distant ones seldom matter. */
export const maxCodeTokens = 512;

/** Maximum tokens of code in a prompt of at most `maxTokens` tokens. */
export function codeTokensIn(maxTokens: number): number {
  return Math.min(maxTokens, maxCodeTokens);
}

/**
 * Renders the prompt: fragments first, in the model's order, then the code, in fill-in-the-middle form when anything
 * follows the cursor. Drops fragments that leave the code too little room, the worst first. Code that is too long starts at
 * an anchor by default, so that typing appends to the prompt instead of changing its beginning.
 * @param maxTokens of the whole prompt
 */
export function assemblePrompt(
  format: PromptFormat,
  context: CursorContext,
  selected: readonly SelectedFragment[],
  maxTokens: number,
  start: CodeStart = "anchored",
): Prompt {
  const fitting: SelectedFragment[] = [];
  let used = 0;
  for (const fragment of selected) {
    if (maxTokens - used - fragment.tokens.length < minCodeTokens) break;
    fitting.push(fragment);
    used += fragment.tokens.length;
  }
  const fragments = format.fragmentOrder === "best-last" ? fitting.reverse() : fitting;
  const suffix = visibleSuffix(context.suffix);
  const limit = codeTokensIn(maxTokens - used);
  const code =
    suffix.trim() === ""
      ? format.leftToRight(context.path, context.prefix, limit, start)
      : format.fillInMiddle(context.path, context.prefix, suffix, limit, start);
  return { tokens: [...fragments.flatMap((fragment) => fragment.tokens), ...code], fragments };
}

/**
 * The part of the suffix that is worth its tokens, in whole lines where possible. The suffix tells where to stop, seldom what
 * to write.
 */
function visibleSuffix(suffix: string): string {
  if (suffix.length <= maxSuffixCharacters) return suffix;
  const end = suffix.lastIndexOf("\n", maxSuffixCharacters);
  return suffix.slice(0, end > 0 ? end + 1 : maxSuffixCharacters);
}
