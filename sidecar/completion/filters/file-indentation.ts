// Gives the lines of a suggestion the indentation of the file: its tabs, or its number of spaces.
import detectIndent from "detect-indent";
import { indentOf } from "../../languages/scanner";
import type { CursorSyntax } from "../syntax/cursor";
import type { SuggestionFilter } from "./filter";

/** Characters on either side of the cursor that tell the indentation of the file. */
const maxLookAround = 16384;

/** Spaces of a level where a suggestion shows none in a file of tabs. */
const defaultStep = 4;

export const fileIndentation: SuggestionFilter = {
  name: "file-indentation",
  apply(suggestion, { document, cursor }) {
    const lines = suggestion.split("\n");
    if (!lines.some((line, index) => index > 0 && /^[ \t]/.test(line))) return { text: suggestion };
    const { type, amount, indent } = detectIndent(
      document.prefix.slice(-maxLookAround) + document.suffix.slice(0, maxLookAround),
    );
    if (type === undefined) return { text: suggestion };
    const spaces = type === "tab" ? undefined : amount;
    const step = stepOf(lines, cursor, spaces);
    const text = lines.map((line, index) => (index === 0 ? line : reindented(line, cursor, { indent, spaces, step })));
    return { text: text.join("\n") };
  },
};

interface Indentation {
  /** One level in the file. */
  readonly indent: string;
  /** Columns of one level in the file; undefined for tabs. */
  readonly spaces: number | undefined;
  /** Spaces of one level in the suggestion, where that is another number than in the file. */
  readonly step: number | undefined;
}

/**
 * The number of spaces by which the suggestion indents its first block. Only blocks tell: what goes on in parentheses may be
 * indented otherwise. Undefined where it is as in a file of spaces, and where there is no block.
 */
function stepOf(
  lines: readonly string[],
  { linePrefix }: CursorSyntax,
  spaces: number | undefined,
): number | undefined {
  for (const [index, line] of lines.entries()) {
    const above = index === 1 ? linePrefix + (lines[0] ?? "") : (lines[index - 1] ?? "");
    if (index === 0 || !/^ +\S/.test(line) || !/[{:]\s*$/.test(above)) continue;
    const step = indentOf(line) - indentOf(above);
    if (step > 0) return step === spaces ? undefined : step;
  }
  return undefined;
}

function reindented(line: string, { linePrefix }: CursorSyntax, { indent, spaces, step }: Indentation): string {
  const own = /^[ \t]*/.exec(line)?.[0] ?? "";
  const rest = line.slice(own.length);
  if (spaces !== undefined && own.includes("\t")) return own.replaceAll("\t", indent) + rest;
  if (spaces === undefined) {
    // Spaces behind tabs align a line with another.
    if (!own.startsWith(" ")) return line;
    return indent.repeat(Math.round(own.length / (step ?? defaultStep))) + rest;
  }
  const base = /^[ \t]*/.exec(linePrefix)?.[0] ?? "";
  const deeper = own.length - base.length;
  if (step === undefined || deeper <= 0 || deeper % step !== 0) return line;
  return base + indent.repeat(deeper / step) + rest;
}
