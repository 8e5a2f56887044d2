// The interface of the filters: a suggestion in, a suggestion or the reason to reject it out.
import type { CursorContext } from "../../retrieval/types";
import type { CursorSyntax } from "../syntax/cursor";

export interface FilterContext {
  readonly document: CursorContext;
  readonly cursor: CursorSyntax;
}

/** What is left of a suggestion, or why it is rejected, in words for people. */
export type FilterResult = { readonly text: string } | { readonly reject: string };

export interface SuggestionFilter {
  readonly name: string;
  apply(suggestion: string, context: FilterContext): FilterResult;
}
