// What a programming language is to this project: names, comments, strings, blocks, syntax tree and imports.

/** How a language marks its blocks. */
export type BlockStyle = "braces" | "indent" | "end";

export interface Quote {
  readonly mark: string;
  /** Whether the string may run over the end of its line. */
  readonly multiline: boolean;
}

/** What the scanner knows of a language: it reads broken code, as it is at a cursor, without a parser. */
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

/** The tree-sitter grammar of a language, and what its node types mean. */
export interface Grammar {
  /** File in the grammar folder. The build ships the grammars that are named here. */
  readonly file: string;
  /** Nodes whose children are definitions or top-level statements: the best places to cut. */
  readonly members: readonly string[];
  /** Nodes whose children are statements or entries: places to cut what is too long. */
  readonly statements: readonly string[];
  /** `child of parent`: nodes that hold members only below these parents, where the grammar uses one node for both. */
  readonly membersBelow?: Readonly<Record<string, readonly string[]>>;
  /** Nodes that belong to the definition after them. */
  readonly leading: readonly string[];
  /** Nodes that define what the lines inside of them belong to. */
  readonly scopes: readonly string[];
}

/**
 * How import statements name files: by Python's dotted modules, by paths in quotes ("script"), by classes in packages
 * ("jvm"), by included files, by package folders ("packages", as in Go), or by names joined with dots, colons or backslashes.
 */
export type ImportStyle = "python" | "script" | "jvm" | "includes" | "packages" | "names";

export interface Language {
  /** VS Code's language identifier, which LSP uses as well. */
  readonly id: string;
  /** Of its files: lower case, without the dot. */
  readonly extensions: readonly string[];
  /** Whole names of files without such an extension, in lower case. */
  readonly fileNames?: readonly string[];
  readonly syntax: Syntax;
  /** Absent where no grammar is shipped: files are cut by lines, and blocks are found by brackets and indentation. */
  readonly grammar?: Grammar;
  /** Absent where files are not imported by others. */
  readonly imports?: ImportStyle;
  /** Name, without its extension, of the file that stands for its folder in imports. */
  readonly folderFile?: string;
}
