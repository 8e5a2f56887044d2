// Places in source files at which a suggestion is asked for: half of them with the rest of the line, half without it.
import { languageOfFile } from "../../../sidecar/languages/languages";
import type { CursorContext } from "../../../sidecar/retrieval/types";
import { randomNumbers } from "../random";
import { contextIn } from "../task-input";

export interface ReplayPlace {
  readonly context: CursorContext;
  /** Whether the rest of the cursor's line stands after the cursor. */
  readonly inLine: boolean;
}

/** Characters of a file; longer ones were written by a machine. */
const maxFileLength = 100_000;

/** Source text by path. */
export type Sources = ReadonlyMap<string, string>;

/** The files by language, of languages with a grammar only: without one, nothing tells whether a file parses. */
function byLanguage(sources: Sources): Map<string, [path: string, text: string][]> {
  const files = new Map<string, [string, string][]>();
  for (const [path, text] of sources) {
    const language = languageOfFile(path);
    if (language?.grammar === undefined || text.length > maxFileLength) continue;
    const group = files.get(language.id) ?? [];
    group.push([path, text.replace(/\r\n?/g, "\n")]);
    files.set(language.id, group);
  }
  return files;
}

/** Offsets between two words or signs of a line that is not blank, and at its end. */
export function tokenBorders(text: string): number[] {
  return [...text.matchAll(/(?<=\S[^\S\n]*|^[^\S\n]+)(?:\b|(?<=[^\w\s])(?=[^\w\s])|(?=\n))/gm)].map(
    ({ index }) => index,
  );
}

/**
 * About `count` places, as many of each of the `maxLanguages` languages with the most files; the same ones for the same
 * files and seed.
 */
export function replayPlaces(
  sources: Sources,
  count: number,
  { maxLanguages = 6, seed = 1 }: { readonly maxLanguages?: number; readonly seed?: number } = {},
): ReplayPlace[] {
  const random = randomNumbers(seed);
  const pick = <Item>(items: readonly Item[]): Item | undefined => items[Math.floor(random() * items.length)];
  const languages = [...byLanguage(sources).values()]
    .sort((one, other) => other.length - one.length)
    .slice(0, maxLanguages);
  const places: ReplayPlace[] = [];
  for (const files of languages) {
    for (let at = 0; at < Math.ceil(count / languages.length); at++) {
      const [path, text] = pick(files) ?? ["", ""];
      const offset = pick(tokenBorders(text));
      if (offset !== undefined) places.push(placeAt(path, text, offset, at % 2 === 0));
    }
  }
  return places;
}

function placeAt(path: string, text: string, offset: number, wantsRest: boolean): ReplayPlace {
  const end = text.indexOf("\n", offset);
  const lineEnd = end < 0 ? text.length : end;
  const inLine = wantsRest && text.slice(offset, lineEnd).trim() !== "";
  const context = contextIn(path, { prefix: text.slice(0, offset), suffix: text.slice(inLine ? offset : lineEnd) });
  return { context, inLine };
}
