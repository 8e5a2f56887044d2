// A finished completion with all that it was made of, for the inspector.
import type { CompletionTrace, Settings } from "../protocol";
import type { CursorContext } from "../retrieval/types";
import type { Prompt } from "./prompt";

/** A completion, and all that it takes to make it again. */
export interface CompletionRecord {
  /** As the completer made it. A suggestion from the cache has the id of the completion that it is the rest of. */
  readonly trace: CompletionTrace;
  /** The document, with its secrets covered. */
  readonly context: CursorContext;
  readonly settings: Settings;
  /** Whether it was asked for by command, so that it was shown however unsure. */
  readonly invoked: boolean;
  readonly prompt: Prompt;
  /** The text before the cursor that the prompt does not hold and the model generates again (token healing). */
  readonly required: string;
  /** The generated tokens, those of `required` included, the stop token not. */
  readonly generated: readonly number[];
}
