// Makes trees of any size: copies of the installed packages' sources with numbers appended to their longer words.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, parse } from "node:path";
import { makeRepository } from "../make-repository";

/** Larger files are excluded, so that a hundred thousand can be written and read within minutes. */
const maxCharacters = 6000;
/** Files per folder, as in installed packages and this repository. */
const filesInFolder = 8;

/** Writes `count` files below `target`; a larger tree contains the files of a smaller one. Returns their paths. */
export async function writeTree(
  sources: ReadonlyMap<string, string>,
  target: string,
  count: number,
): Promise<string[]> {
  const originals = [...sources].filter(([, text]) => text.length <= maxCharacters);
  if (originals.length === 0)
    throw new Error(
      `expected source files of at most ${maxCharacters} characters, found none: install the packages first`,
    );
  await makeRepository(target);
  const paths: string[] = [];
  const folders = new Set<string>();
  for (let at = 0; at < count; at++) {
    const [path, text] = originals[at % originals.length] ?? ["", ""];
    const copy = Math.floor(at / originals.length);
    const { dir, name, ext } = parse(path);
    const file = join(`copies${Math.floor(copy / filesInFolder)}`, dir, `${name}${copy % filesInFolder}${ext}`);
    const folder = dirname(join(target, file));
    if (!folders.has(folder)) await mkdir(folder, { recursive: true });
    folders.add(folder);
    await writeFile(join(target, file), variation(text, `${copy}`));
    paths.push(file);
  }
  return paths;
}

/** The text with `mark` appended to its longer words, which gives new fragments of the same shape. */
export function variation(text: string, mark: string): string {
  return text.replace(/\b[A-Za-z_]\w{6,}\b/g, `$&${mark}`);
}
