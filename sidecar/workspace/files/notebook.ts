// Reads the code cells of a Jupyter notebook: the text that is indexed of it, in the language of its kernel.
import * as v from "valibot";
import { plainLineBreaks } from "../../host/plain-text";
import { languageById } from "../../languages/languages";

const text = v.union([v.string(), v.array(v.string())]);
const cellSchema = v.looseObject({ cell_type: v.string(), source: v.optional(text), input: v.optional(text) });
const language = v.optional(v.looseObject({ name: v.optional(v.string()), language: v.optional(v.string()) }));
/** Format 4, and format 3 with its worksheets and `input`. Source: nbformat's format description. */
const notebookSchema = v.looseObject({
  metadata: v.optional(v.looseObject({ kernelspec: language, language_info: language })),
  cells: v.optional(v.array(cellSchema)),
  worksheets: v.optional(v.array(v.looseObject({ cells: v.array(cellSchema) }))),
});

/** The code of a notebook. */
export interface NotebookCode {
  readonly text: string;
  /** Of the kernel; Python where the notebook does not say. */
  readonly languageId: string;
}

/** The line before the lines of a cell, as Jupyter and VS Code write notebooks. */
const sourceBegins = /^\s*"(?:source|input)": \[$/;

/**
 * The code cells, outputs and prose left out. Where the file has a line for each line of code, as notebooks are written, each
 * stands in its own line, and the lines between are empty: fragments then name the file's lines. Else the cells are joined by
 * blank lines.
 * @param json the file, with `\n` as the only line break
 * @returns undefined for text that is no notebook
 */
export function notebookCode(json: string): NotebookCode | undefined {
  const parsed = v.safeParse(notebookSchema, parse(json));
  if (!parsed.success) return undefined;
  const { cells, worksheets, metadata } = parsed.output;
  const all = cells ?? worksheets?.flatMap((sheet) => sheet.cells);
  if (all === undefined) return undefined;
  const sources = all.map(({ cell_type: type, source, input }) => ({
    isCode: type === "code",
    lines: linesOf(source ?? input ?? []),
  }));
  const name = metadata?.language_info?.name ?? metadata?.kernelspec?.language ?? "python";
  return {
    text: inPlace(json.split("\n"), sources) ?? joined(sources),
    languageId: languageById(name)?.id ?? name.toLowerCase(),
  };
}

interface CellSource {
  readonly isCode: boolean;
  /** Each with the line break at its end, but for the last one. */
  readonly lines: readonly string[];
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function linesOf(source: string | readonly string[]): string[] {
  const whole = typeof source === "string" ? source : source.join("");
  return whole === "" ? [] : plainLineBreaks(whole).split(/(?<=\n)/);
}

function joined(sources: readonly CellSource[]): string {
  return sources
    .filter(({ isCode }) => isCode)
    .map(({ lines }) => `${lines.join("").trimEnd()}\n`)
    .join("\n");
}

/** The code in the lines of the file; undefined where the lines of some cell are not those of the file. */
function inPlace(file: readonly string[], sources: readonly CellSource[]): string | undefined {
  const text = file.map(() => "");
  let at = 0;
  for (const { isCode, lines } of sources) {
    if (lines.length === 0) continue;
    while (at < file.length && !sourceBegins.test(file[at] ?? "")) at++;
    if (at++ >= file.length) return undefined;
    for (const line of lines) {
      if (parse((file[at] ?? "").trim().replace(/,$/, "")) !== line) return undefined;
      if (isCode) text[at] = line.replace(/\n$/, "");
      at++;
    }
  }
  return text.join("\n");
}
