// Loads tree-sitter's runtime and its grammars, once per process: the chunker and completion share them.
import { join } from "node:path";
import { Language as Grammar, Parser } from "web-tree-sitter";

const loaded = new Map<string, Promise<Grammar>>();
let starting: Promise<void> | undefined;

/**
 * Starts the runtime, which must run before a grammar is loaded. @throws Error when it does not load from `grammarFolder`
 *
 * Two starts at the same time would make two runtimes. The second replaces the first, and grammars of the first would then be
 * used with the memory of the second, which fails, perhaps only at the next garbage collection.
 */
export function startRuntime(grammarFolder: string): Promise<void> {
  starting ??= Parser.init({ locateFile: () => join(grammarFolder, "web-tree-sitter.wasm") }).catch(
    (error: unknown) => {
      // It may load the next time.
      starting = undefined;
      throw error;
    },
  );
  return starting;
}

/** The grammar in this file of the folder. @throws Error when it does not load */
export function loadGrammar(grammarFolder: string, file: string): Promise<Grammar> {
  const path = join(grammarFolder, file);
  let grammar = loaded.get(path);
  if (grammar === undefined) {
    grammar = Grammar.load(path);
    loaded.set(path, grammar);
    // It may load the next time.
    grammar.catch(() => loaded.delete(path));
  }
  return grammar;
}
