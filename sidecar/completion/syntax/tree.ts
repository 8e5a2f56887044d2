// Parses the documents that are completed in, and updates their syntax trees as they are edited.
import { LRUCache } from "lru-cache";
import { Parser, type Tree } from "web-tree-sitter";
import { errorMessage } from "../../host/errors";
import { loadGrammar, startRuntime } from "../../languages/grammars";
import type { Grammar } from "../../languages/language";
import { grammars, languageById } from "../../languages/languages";
import type { CursorContext } from "../../retrieval/types";
import { CursorTree } from "./cursor-tree";
import { editedTree, type ParsedLanguage, parse } from "./parse";

/** Maximum characters before and after the cursor that are parsed, at a millisecond for each few thousand. */
const maxBefore = 16384;
const maxAfter = 8192;
/** The beginning of the parsed text moves by so many characters at a time, so that most of the tree stays while one types. */
const windowStep = 4096;
/**
 * Text in another language than its language id says can send the parser astray. Milliseconds; after that, brackets and
 * indentation tell instead of the tree.
 */
const defaultMaxParseMs = 20;
/** Number of completions in a document that took too long until it is parsed again. */
const retryAfter = 40;
/** Maximum number of trees, one a document. */
const maxTrees = 8;

interface DocumentTree {
  readonly grammar: Grammar;
  readonly text: string;
  readonly tree: Tree;
}

/** Caches the tree of each document that is completed in, and parses only what was edited in it. */
export class SyntaxTrees {
  private readonly documents = new LRUCache<string, DocumentTree>({
    max: maxTrees,
    dispose: ({ tree }) => tree.delete(),
  });
  /** Documents that took too long, with the number of completions until they are parsed again. */
  private readonly waiting = new Map<string, number>();

  private constructor(private readonly languages: ReadonlyMap<Grammar, ParsedLanguage>) {}

  /**
   * Loads all grammars in `grammarFolder`.
   * @param warn called for each grammar that did not load
   * @param maxParseMs maximum milliseconds of one parse; Infinity where the same result matters more than the time
   */
  static async load(
    grammarFolder: string,
    warn: (message: string) => void,
    maxParseMs = defaultMaxParseMs,
  ): Promise<SyntaxTrees> {
    const languages = new Map<Grammar, ParsedLanguage>();
    try {
      await startRuntime(grammarFolder);
    } catch (error) {
      warn(
        `tree-sitter did not load from ${grammarFolder} (${errorMessage(error)}): only brackets and indentation tell how far suggestions go.`,
      );
      return new SyntaxTrees(languages);
    }
    for (const grammar of grammars()) {
      const { file, members, statements, leading, membersBelow } = grammar;
      try {
        const parser = new Parser().setLanguage(await loadGrammar(grammarFolder, file));
        languages.set(grammar, {
          parser,
          maxParseMs,
          members: new Set(members),
          statements: new Set(statements),
          leading: new Set(leading),
          membersBelow,
        });
      } catch (error) {
        warn(
          `Grammar ${file} in ${grammarFolder} did not load (${errorMessage(error)}): only brackets and indentation tell how far suggestions go in its languages.`,
        );
      }
    }
    return new SyntaxTrees(languages);
  }

  /** The tree around the cursor, to be disposed of; undefined without a grammar or where parsing takes too long. */
  at({ uri, languageId, prefix, suffix }: CursorContext): CursorTree | undefined {
    const grammar = languageById(languageId)?.grammar;
    const language = grammar && this.languages.get(grammar);
    if (grammar === undefined || language === undefined) return undefined;
    const wait = this.waiting.get(uri) ?? 0;
    if (wait > 0) {
      this.waiting.set(uri, wait - 1);
      return undefined;
    }
    this.waiting.delete(uri);
    const before = windowBefore(prefix);
    const text = before + windowAfter(suffix);
    const known = this.documents.get(uri);
    const former = known?.grammar === grammar ? known : undefined;
    const tree =
      former?.text === text
        ? former.tree.copy()
        : parse(language, text, former === undefined ? undefined : editedTree(former.tree, former.text, text));
    if (tree === undefined) {
      this.documents.delete(uri);
      if (this.waiting.size >= maxTrees) this.waiting.clear();
      this.waiting.set(uri, retryAfter);
      return undefined;
    }
    this.documents.set(uri, { grammar, text, tree });
    return new CursorTree(language, text, before.length, tree.copy());
  }

  dispose(): void {
    this.documents.clear();
    for (const { parser } of this.languages.values()) parser.delete();
  }
}

/** The end of the prefix, from a line that is not indented where there is one. */
function windowBefore(prefix: string): string {
  if (prefix.length <= maxBefore) return prefix;
  const anchor = Math.ceil((prefix.length - maxBefore) / windowStep) * windowStep;
  const outer = /\n(?=[^\s)\]}])/.exec(prefix.slice(anchor, anchor + windowStep));
  const line = prefix.indexOf("\n", anchor);
  const start = outer !== null ? anchor + outer.index + 1 : line >= 0 ? line + 1 : anchor;
  return prefix.slice(start);
}

function windowAfter(suffix: string): string {
  if (suffix.length <= maxAfter) return suffix;
  const line = suffix.lastIndexOf("\n", maxAfter);
  return suffix.slice(0, line > 0 ? line + 1 : maxAfter);
}
