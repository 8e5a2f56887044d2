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

const byId = new Map(
  languages.flatMap((language) => [language.id, ...(language.otherIds ?? [])].map((id) => [id, language])),
);
const byExtension = new Map(languages.flatMap((each) => each.extensions.map((extension) => [extension, each])));
const byFileName = new Map(languages.flatMap((each) => (each.fileNames ?? []).map((name) => [name, each])));

/**
 * The language with this LSP identifier, or with the name that another editor has for it. Vim joins names of which the first
 * is the language, such as `yaml.ansible`.
 */
export function languageById(id: string): Language | undefined {
  const name = id.toLowerCase();
  return byId.get(name) ?? byId.get(name.slice(0, Math.max(0, name.indexOf("."))));
}

/** Whether two identifiers are names of the same language. */
export function isSameLanguage(one: string, other: string): boolean {
  return one === other || (languageById(one) ?? one) === (languageById(other) ?? other);
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
  return languageById(id)?.syntax ?? syntaxes.plainText;
}

/** Every grammar, each once. */
export function grammars(): Grammar[] {
  return [...grammarByFile.values()];
}
