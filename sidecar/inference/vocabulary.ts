// The schema of a vocabulary in tokenizer.json.
import * as v from "valibot";

/** Tokens and ids. (valibot's record would omit keys such as "constructor", which are ordinary tokens.) */
export const vocabulary = v.custom<Readonly<Record<string, number>>>(
  (value) =>
    typeof value === "object" && value !== null && Object.values(value).every((id) => Number.isInteger(id) && id >= 0),
  "a map of tokens to ids",
);
