// What a suggestion does to the document around it: more syntax errors, two words grown together, a line written again.
import { Parser } from "web-tree-sitter";
import { countErrors } from "../../../sidecar/completion/syntax/parse";
import { loadGrammar, startRuntime } from "../../../sidecar/languages/grammars";
import { languageById } from "../../../sidecar/languages/languages";
import type { CursorContext } from "../../../sidecar/retrieval/types";

export interface Damage {
  /** Whether the parser finds more errors in the document with the suggestion. */
  readonly parsesWorse: boolean;
  /** Whether a word of the suggestion and the one after the cursor have become one. */
  readonly gluesWords: boolean;
  /** Whether the first or the last line with the suggestion in it is the line above or below. */
  readonly repeatsLine: boolean;
}

/** Number of syntax errors of a text in a language; undefined without a grammar. */
export type ErrorCounter = (languageId: string, text: string) => number | undefined;

/** Loads the grammars of the languages. @throws Error when one does not load */
export async function errorCounter(grammarFolder: string, languageIds: Iterable<string>): Promise<ErrorCounter> {
  await startRuntime(grammarFolder);
  const parsers = new Map<string, Parser>();
  for (const id of languageIds) {
    const grammar = languageById(id)?.grammar;
    if (grammar !== undefined)
      parsers.set(id, new Parser().setLanguage(await loadGrammar(grammarFolder, grammar.file)));
  }
  return (languageId, text) => {
    const tree = parsers.get(languageId)?.parse(text);
    if (tree === undefined || tree === null) return undefined;
    const errors = countErrors(tree.rootNode);
    tree.delete();
    return errors;
  };
}

export function damageOf(
  { languageId, prefix, suffix }: CursorContext,
  suggestion: string,
  count: ErrorCounter,
): Damage {
  const before = count(languageId, prefix + suffix);
  const after = count(languageId, prefix + suggestion + suffix);
  return {
    parsesWorse: before !== undefined && after !== undefined && after > before,
    gluesWords: /[\p{L}\p{N}_]$/u.test(suggestion) && /^[\p{L}\p{N}_]/u.test(suffix),
    repeatsLine: repeatsLine(prefix, suggestion, suffix),
  };
}

function repeatsLine(prefix: string, suggestion: string, suffix: string): boolean {
  const start = prefix.lastIndexOf("\n") + 1;
  const end = /^[^\n]*/.exec(suffix)?.[0].length ?? 0;
  const isLine = (line: string): boolean => line !== "";
  const lines = (text: string): string[] =>
    text
      .split("\n")
      .map((line) => line.trim())
      .filter(isLine);
  const inserted = lines(prefix.slice(start) + suggestion + suffix.slice(0, end));
  const above = lines(prefix.slice(0, start)).at(-1);
  const below = lines(suffix.slice(end))[0];
  return isSame(inserted[0], above) || isSame(inserted.at(-1), below);
}

/** Lines of a few letters, such as `} else {` and `end`, may well be repeated. */
function isSame(line: string | undefined, other: string | undefined): boolean {
  return line !== undefined && line === other && (line.match(/[\p{L}\p{N}]/gu)?.length ?? 0) >= 5;
}
