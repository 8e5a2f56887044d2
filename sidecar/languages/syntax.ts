// Syntaxes that several languages share, as a beginning for their entries in the table.
import type { Quote, Syntax } from "./language";

/** A string that ends with its line. */
export const single = (mark: string): Quote => ({ mark, multiline: false });
/** A string that may run over several lines. */
export const multi = (mark: string): Quote => ({ mark, multiline: true });

/** `//` and `/*`, quotes of both kinds, blocks in braces. */
export const cLike: Syntax = {
  lineComments: ["//"],
  blockComments: [["/*", "*/"]],
  quotes: [single('"'), single("'")],
  blocks: "braces",
  loneApostrophes: false,
  script: false,
  semicolons: false,
};

export const withSemicolons: Syntax = { ...cLike, semicolons: true };

/** A colon at the end of a line: statements of Python, keys of YAML. */
const colonAtEnd = /^(?:[A-Za-z_@-].*|\*.*|- .*|\}.*):$/;

/** `#`, quotes of both kinds, blocks by indentation. */
export const hashLike: Syntax = {
  ...cLike,
  lineComments: ["#"],
  blockComments: [],
  blocks: "indent",
  opensBlock: colonAtEnd,
};

/** `#`, quotes of both kinds, blocks that a word such as `end` closes. */
export const endLike: Syntax = {
  ...hashLike,
  blocks: "end",
  opensBlock:
    /^(?:def|class|module|if|unless|while|until|case|begin|for|function|local function)\b|\bdo(?:\s*\|[^|]*\|)?$|\bthen$/,
};

/** Text in a language that the table says nothing about: apostrophes are more often apostrophes than quotes. */
export const plainText: Syntax = {
  ...cLike,
  lineComments: [],
  blockComments: [],
  quotes: [],
  blocks: "indent",
  opensBlock: colonAtEnd,
};
