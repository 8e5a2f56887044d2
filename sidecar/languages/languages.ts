// All languages, and how one is found: by its identifier or by a file's name. To add one, add its entry to the table.
import { extname } from "node:path";
import type { Grammar, Language, Syntax } from "./language";
import { plainText } from "./syntax";
import * as cFamily from "./table/c-family";
import * as csharp from "./table/csharp";
import * as dataAndMarkup from "./table/data-and-markup";
import * as go from "./table/go";
import * as jvm from "./table/jvm";
import * as php from "./table/php";
import * as python from "./table/python";
import * as ruby from "./table/ruby";
import * as rust from "./table/rust";
import * as script from "./table/script";
import * as withoutGrammar from "./table/without-grammar";

const table = [python, script, jvm, go, rust, csharp, cFamily, ruby, php, withoutGrammar, dataAndMarkup];

export const languages: readonly Language[] = table.flatMap((entries): Language[] => Object.values(entries));

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
  return byId.get(id)?.syntax ?? plainText;
}

/** Every grammar, each once. */
export function grammars(): Grammar[] {
  return [...new Set(languages.map(({ grammar }) => grammar).filter((grammar) => grammar !== undefined))];
}
