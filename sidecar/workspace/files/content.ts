// Decides by a file's name and content whether it is code worth indexing, and if not, why.
import { basename, extname } from "node:path";
import { plainText } from "../../host/plain-text";
import type { Exclusion } from "./exclusion";
import { generatedLine, whyMinified } from "./generated";
import { notebookCode } from "./notebook";
import { findSecret } from "./secrets/find";
import names from "./well-known-names.json";

/** Changes whenever other files count as code by their content. */
export const contentRulesVersion = "content 3";

const binaryExtensions = new Set(names.binaryExtensions);
/** Text that holds records instead of code: it does not help to complete code. */
const dataExtensions = new Set(names.dataExtensions);
/** Lists of names and patterns. */
const dataNames =
  /^\.(\w*ignore|gitattributes|gitmodules|mailmap|editorconfig|nvmrc|node-version|python-version|tool-versions)$|^(authors|codeowners|contributors)$/;
/** Taken for configuration when small, and for data when large. */
const structuredExtensions = new Set(names.structuredExtensions);
const structuredLimit = 32 * 1024;

const lockFiles = new Set(names.lockFiles);
/** Libraries that people copy into their repositories, by the file names under which they are published. */
const vendoredNames =
  /^(jquery|bootstrap|angular|ember|underscore|lodash|backbone|mootools|prototype|modernizr|d3|three|vue|react|react-dom|htmx|alpine|knockout|handlebars|moment|require|polyfill|normalize|font-?awesome)([-.](\d[\w.]*|v\d[\w.]*|bundle|slim|full|all|core|global|prod|development|production|umd|esm))+\.(c|m)?(js|css)$|^jquery([.-](ui|mobile|migrate|validate|form|cookie))?\.js$/;
const generatedNames =
  /\.(min|bundle|chunk)\.(c|m)?js$|\.min\.css$|\.pb\.(go|cc|h)$|_pb2(_grpc)?\.pyi?$|\.g\.(dart|cs)$|\.g\.i\.cs$|\.designer\.cs$|\.generated\.\w+$|_generated\.\w+$|\.freezed\.dart$/i;
/**
 * Why a file of this name and size (bytes) is excluded without being read, if it is. Names of secrets are the ignore rules'
 * part, because a pattern can include them.
 */
export function excludeByName(path: string, size: number, maxBytes: number): Exclusion | undefined {
  const name = basename(path).toLowerCase();
  const extension = extname(name).slice(1);
  if (binaryExtensions.has(extension)) return { reason: "binary", detail: `.${extension} files are not text` };
  if (lockFiles.has(name)) return { reason: "generated", detail: `${shown(path)} is a package manager's lock file` };
  if (generatedNames.test(name)) return { reason: "generated", detail: `${shown(path)} is a name of generated files` };
  if (vendoredNames.test(name))
    return { reason: "vendored", detail: `${shown(path)} is a name of a published library` };
  if (dataExtensions.has(extension)) return { reason: "data", detail: `.${extension} files hold data` };
  if (dataNames.test(name)) return { reason: "data", detail: `${shown(path)} is a name of lists and settings` };
  if (size > maxBytes)
    return {
      reason: "too large",
      detail: `it has ${size} bytes, the setting selfracg.maxFileKilobytes allows ${maxBytes}`,
    };
  if (size > structuredLimit && structuredExtensions.has(extension))
    return {
      reason: "data",
      detail: `it has ${size} bytes; above ${structuredLimit} a .${extension} file is taken for data`,
    };
  if (size === 0) return { reason: "empty", detail: "it has no bytes" };
  return undefined;
}

/** What is indexed of a file. */
export interface SourceText {
  /** As {@link plainText} has it. */
  readonly text: string;
  /** Where the file's name does not say it: of a notebook's code. */
  readonly languageId?: string;
}

/**
 * The text of a file worth indexing, or why it is excluded. One secret excludes the whole file, because there may be others
 * that no rule finds.
 * @param path of the file, with `/`
 */
export function readContent(bytes: Uint8Array, path = ""): SourceText | Exclusion {
  const nul = bytes.indexOf(0);
  if (nul >= 0) return { reason: "binary", detail: `byte ${nul} is zero` };
  let whole: string;
  try {
    whole = decodeText(bytes);
  } catch {
    return { reason: "not UTF-8", detail: "its bytes are not UTF-8 text" };
  }
  if (whole.trim() === "") return { reason: "empty", detail: "it holds nothing but white space" };
  const source = sourceIn(whole, path);
  if (source === undefined) return { reason: "data", detail: "it is no notebook in Jupyter's format 3 or 4" };
  const { text } = source;
  if (text.trim() === "") return { reason: "empty", detail: "it is a notebook without code" };
  const minified = whyMinified(text);
  if (minified !== undefined) return { reason: "minified", detail: minified };
  const generated = generatedLine(text);
  if (generated !== undefined) return { reason: "generated", detail: `line ${generated} says that it is generated` };
  // Outputs of a notebook count too.
  for (const each of new Set([text, whole])) {
    const secret = findSecret(each, path);
    if (secret !== undefined)
      return { reason: "secret", detail: `line ${lineAt(each, secret.start)} looks like ${secret.what}` };
  }
  return source;
}

/** The text that {@link readContent} gives of a file that it does not exclude. @throws TypeError for other bytes than UTF-8 text */
export function sourceText(bytes: Uint8Array, path: string): string {
  return sourceIn(decodeText(bytes), path)?.text ?? "";
}

/** Undefined for a notebook that cannot be read. */
function sourceIn(text: string, path: string): SourceText | undefined {
  return extname(path).toLowerCase() === ".ipynb" ? notebookCode(text) : { text };
}

/** 1-based. */
function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < index; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

/** The text of UTF-8 bytes, as {@link plainText} has it. @throws TypeError for other bytes */
function decodeText(bytes: Uint8Array): string {
  return plainText(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}

function shown(path: string): string {
  return JSON.stringify(basename(path));
}
