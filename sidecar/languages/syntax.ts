// What the scanner knows of a language, and the syntaxes that entries of languages.json are like.

/** How a language marks its blocks. */
type BlockStyle = "braces" | "indent" | "end";

interface Quote {
  readonly mark: string;
  /** Whether the string may run over the end of its line. */
  readonly multiline: boolean;
}

/** Read by the scanner, which reads broken code, as it is at a cursor, without a parser. */
export interface Syntax {
  readonly lineComments: readonly string[];
  readonly blockComments: readonly (readonly [open: string, close: string])[];
  /** Longest mark first. */
  readonly quotes: readonly Quote[];
  readonly blocks: BlockStyle;
  /** A line without its comment that opens a block; an opening bracket at its end always does. */
  readonly opensBlock?: RegExp;
  /** `'` starts a character literal only where one closes right after it (Rust lifetimes do not). */
  readonly loneApostrophes: boolean;
  /** JavaScript's family: `/…/` can be a literal, and `${…}` in a template is code. */
  readonly script: boolean;
  /** Whether every statement ends with `;` or a block. */
  readonly semicolons: boolean;
}

const singleLineQuotes: readonly Quote[] = ['"', "'"].map((mark) => ({ mark, multiline: false }));

/** `//` and `/*`, quotes of both kinds, blocks in braces. */
const cLike: Syntax = {
  lineComments: ["//"],
  blockComments: [["/*", "*/"]],
  quotes: singleLineQuotes,
  blocks: "braces",
  loneApostrophes: false,
  script: false,
  semicolons: false,
};

const scriptLike: Syntax = { ...cLike, quotes: [...singleLineQuotes, { mark: "`", multiline: true }], script: true };

/** A colon at the end of a line: statements of Python, keys of YAML. */
const colonAtEnd = /^(?:[A-Za-z_@-].*|\*.*|- .*|\}.*):$/;

/** `#`, quotes of both kinds, blocks by indentation. */
const hashLike: Syntax = {
  ...cLike,
  lineComments: ["#"],
  blockComments: [],
  blocks: "indent",
  opensBlock: colonAtEnd,
};

/** `#`, quotes of both kinds, blocks that a word such as `end` closes. */
const endLike: Syntax = {
  ...hashLike,
  blocks: "end",
  opensBlock:
    /^(?:def|class|module|if|unless|while|until|case|begin|for|function|local function)\b|\bdo(?:\s*\|[^|]*\|)?$|\bthen$/,
};

/** Text in a language that the table says nothing about: apostrophes are more often apostrophes than quotes. */
const plainText: Syntax = {
  ...cLike,
  lineComments: [],
  blockComments: [],
  quotes: [],
  blocks: "indent",
  opensBlock: colonAtEnd,
};

/** By the name that languages.json has for them. */
export const syntaxes = { cLike, scriptLike, hashLike, endLike, plainText };
