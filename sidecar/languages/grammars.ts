// Loads tree-sitter's runtime and its grammars, each once a process: the chunker and the completion share them.
import { join } from "node:path";
import { Language as Grammar, Parser } from "web-tree-sitter";

const loaded = new Map<string, Promise<Grammar>>();
let starting: Promise<void> | undefined;

/**
 * Starts the runtime, which must be there before any grammar. @throws Error when it does not load from `grammarFolder`
 *
 * Two starts at the same time would make two runtimes, of which the second takes the place of the first, and everything that
 * the first has loaded would be looked for in the second's memory: at best an error, at worst at the next garbage collection.
 */
export function startRuntime(grammarFolder: string): Promise<void> {
  starting ??= Parser.init({ locateFile: () => join(grammarFolder, "web-tree-sitter.wasm") }).catch(
    (error: unknown) => {
      // What did not load may be there the next time.
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
    // What did not load may be there the next time.
    grammar.catch(() => loaded.delete(path));
  }
  return grammar;
}
