// The filters, in the order in which they run.

import { controlCharacters } from "./control-characters";
import { empty } from "./empty";
import { fileIndentation } from "./file-indentation";
import type { FilterContext, FilterResult, SuggestionFilter } from "./filter";
import { fitsDocument } from "./fits-document";
import { indentation } from "./indentation";
import { repeatsPrefix } from "./repeats-prefix";
import { repeatsSuffix } from "./repeats-suffix";
import { secret } from "./secret";
import { trailingSpace } from "./trailing-space";
import { unmatchedClosers } from "./unmatched-closers";

/** Cheap ones that reject first; `empty` last, since the others may leave nothing. */
export const filters: readonly SuggestionFilter[] = [
  controlCharacters,
  secret,
  trailingSpace,
  indentation,
  fileIndentation,
  repeatsPrefix,
  repeatsSuffix,
  unmatchedClosers,
  fitsDocument,
  trailingSpace,
  empty,
];

/** Runs `suggestion` through every filter; the reason begins with the name of the filter that rejected it. */
export function applyFilters(suggestion: string, context: FilterContext): FilterResult {
  let text = suggestion;
  for (const filter of filters) {
    const result = filter.apply(text, context);
    if ("reject" in result) return { reject: `${filter.name}: ${result.reject}` };
    text = result.text;
  }
  return { text };
}
