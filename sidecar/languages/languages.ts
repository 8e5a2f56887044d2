// All languages, and how one is found: by its identifier or by a file's name. To add one, add its entry to languages.json.
import { extname } from "node:path";
import * as v from "valibot";
import { type Grammar, type Language, tableSchema } from "./language";
import data from "./languages.json";
import { type Syntax, syntaxes } from "./syntax";

const table = v.parse(tableSchema, data);

/** By file: languages with the same grammar share it. */
const grammarByFile = new Map<string, Grammar>();

export const languages: readonly Language[] = table.languages.map(
  ({ syntax: { like, ...differences }, grammar, ...entry }) => ({
    ...entry,
    syntax: { ...syntaxes[like], ...differences },
    ...(grammar !== undefined && { grammar: grammarIn(grammar) }),
  }),
);

function grammarIn({ file, nodes }: { readonly file: string; readonly nodes: string }): Grammar {
  const meaning = table.nodes[nodes];
  if (meaning === undefined) throw new Error(`languages.json: expected nodes named ${nodes}, found none. Add them.`);
  const grammar = grammarByFile.get(file) ?? { file, ...meaning };
  grammarByFile.set(file, grammar);
  return grammar;
}

const byId = new Map(languages.map((language) => [language.id, language]));
const byExtension = new Map(languages.flatMap((each) => each.extensions.map((extension) => [extension, each])));
const byFileName = new Map(languages.flatMap((each) => (each.fileNames ?? []).map((name) => [name, each])));

/** The language with this LSP identifier. */
export function languageById(id: string): Language | undefined {
  return byId.get(id);
}

/** The language of a file by its name. @param path with `/` */
export function languageOfFile(path: string): Language | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  return byFileName.get(name) ?? byExtension.get(extname(name).slice(1));
}

/** The LSP identifier of a file's language; `plaintext` where it is not known. */
export function languageIdOf(path: string): string {
  return languageOfFile(path)?.id ?? "plaintext";
}

/** The syntax of the language with this LSP identifier; a cautious one where it is not known. */
export function syntaxOf(id: string): Syntax {
  return byId.get(id)?.syntax ?? syntaxes.plainText;
}

/** Every grammar, each once. */
export function grammars(): Grammar[] {
  return [...grammarByFile.values()];
}
