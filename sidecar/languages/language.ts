// What an entry of languages.json holds: names, comments, strings, blocks, syntax tree and imports of a programming language.
import * as v from "valibot";
import type { Syntax } from "./syntax";

const names = v.array(v.string());

/** What the node types of a tree-sitter grammar mean. */
const nodesSchema = v.strictObject({
  /** Nodes whose children are definitions or top-level statements: the best places to cut. */
  members: names,
  /** Nodes whose children are statements or entries: places to cut what is too long. */
  statements: names,
  /** Parents by child: nodes that hold members only below these parents, where the grammar uses one node for both. */
  membersBelow: v.exactOptional(v.record(v.string(), names)),
  /** Nodes that belong to the definition after them. */
  leading: names,
  /** Nodes that define what the lines inside of them belong to. */
  scopes: names,
});

/**
 * How import statements name files: by Python's dotted modules, by paths in quotes ("script"), by classes in packages
 * ("jvm"), by included files, by package folders ("packages", as in Go), or by names joined with dots, colons or backslashes.
 */
const importStyle = v.picklist(["python", "script", "jvm", "includes", "packages", "names"]);

const entrySchema = v.strictObject({
  /** VS Code's language identifier, which LSP uses as well. */
  id: v.string(),
  /** What other editors call it, in lower case: Vim's file types, Helix's and Emacs's names. */
  otherIds: v.exactOptional(names),
  /** Of its files: lower case, without the dot. */
  extensions: names,
  /** Whole names of files without such an extension, in lower case. */
  fileNames: v.exactOptional(names),
  /** The syntax that it is like, and where it differs. */
  syntax: v.strictObject({
    like: v.picklist(["cLike", "scriptLike", "hashLike", "endLike", "plainText"]),
    lineComments: v.exactOptional(names),
    blockComments: v.exactOptional(v.array(v.strictTuple([v.string(), v.string()]))),
    quotes: v.exactOptional(v.array(v.strictObject({ mark: v.string(), multiline: v.boolean() }))),
    loneApostrophes: v.exactOptional(v.boolean()),
    semicolons: v.exactOptional(v.boolean()),
  }),
  /**
   * File in the grammar folder (the build ships the grammars that are named here), and the name of its nodes. Absent where
   * no grammar is shipped: files are cut by lines, and blocks are found by brackets and indentation.
   */
  grammar: v.exactOptional(v.strictObject({ file: v.string(), nodes: v.string() })),
  /** Absent where files are not imported by others. */
  imports: v.exactOptional(importStyle),
  /** Name, without its extension, of the file that stands for its folder in imports. */
  folderFile: v.exactOptional(v.string()),
});

export const tableSchema = v.strictObject({
  languages: v.array(entrySchema),
  /** By the name that entries have for them. */
  nodes: v.record(v.string(), nodesSchema),
});

export type ImportStyle = v.InferOutput<typeof importStyle>;

/** A tree-sitter grammar: its file, and what its node types mean. */
export interface Grammar extends v.InferOutput<typeof nodesSchema> {
  readonly file: string;
}

export interface Language extends Omit<v.InferOutput<typeof entrySchema>, "syntax" | "grammar"> {
  readonly syntax: Syntax;
  readonly grammar?: Grammar;
}
