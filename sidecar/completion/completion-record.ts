// A completion that was made, with what it was made of.
import type { CompletionTrace, Settings } from "../protocol";
import type { CursorContext } from "../retrieval/types";
import type { Prompt } from "./prompt";

/** A completion and all that it takes to make it again. */
export interface CompletedCursor {
  /** As the completer made it: a suggestion out of the cache has the id of the one that it is the rest of. */
  readonly trace: CompletionTrace;
  /** With plain line breaks. */
  readonly context: CursorContext;
  readonly settings: Settings;
  /** Whether it was asked for by command, so that nothing was held back for being unsure. */
  readonly invoked: boolean;
  readonly prompt: Prompt;
  /** The text before the cursor that the prompt leaves out and the model says again (token healing). */
  readonly owed: string;
  /** The tokens chosen, what is owed included and the token that ended the text not. */
  readonly generated: readonly number[];
}
