// `npm run bench -- syntax`: what the syntax tree costs a keystroke, typed through files as big as the window that is parsed.
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { closersAfter, readCursor } from "../../sidecar/completion/cursor-syntax";
import { SyntaxTrees } from "../../sidecar/completion/syntax-tree";
import { languageIdOf } from "../../sidecar/server/language-id";
import { packagedLocations } from "../../sidecar/server/locations";
import { table } from "./inference/goals";
import { count } from "./options";
import { percentile } from "./statistics";

const help = `npm run bench -- syntax [OPTIONS]
  --folder DIR   files to type in; default: sidecar/ and models/training
  --files N      files of each language; default 10
  --keys N       keys typed in each; default 60
`;

/** Smaller files say little of the cost. */
const leastCharacters = 8000;

/** @throws Error for an option that cannot be */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      folder: { type: "string" },
      files: { type: "string", default: "10" },
      keys: { type: "string", default: "60" },
    },
  });
  if (values.help === true) return void process.stdout.write(help);
  const root = dirname(__dirname);
  const folders =
    values.folder === undefined ? [join(root, "sidecar"), join(root, "models", "training")] : [values.folder];
  const [mostFiles, keys] = [count("--files", values.files), count("--keys", values.keys)];
  const byLanguage = new Map<string, string[]>();
  for (const folder of folders) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const languageId = languageIdOf(entry.name);
      if (!entry.isFile() || !/^(?:python|typescript|javascript|java|go|rust|cpp|csharp|ruby|php)$/.test(languageId))
        continue;
      const text = await readFile(join(entry.parentPath, entry.name), "utf8");
      const files = byLanguage.get(languageId) ?? [];
      if (text.length >= leastCharacters && files.length < mostFiles) byLanguage.set(languageId, [...files, text]);
    }
  }
  const trees = await SyntaxTrees.load(packagedLocations(__dirname).grammarPath, (message) =>
    process.stderr.write(`${message}\n`),
  );
  const rows: string[][] = [];
  for (const [languageId, files] of byLanguage) {
    const [scanned, first, keystroke, checked]: [number[], number[], number[], number[]] = [[], [], [], []];
    for (const [file, text] of files.entries()) {
      const middle = text.indexOf("\n", Math.floor(text.length / 2)) + 1;
      for (let key = 0; key <= keys; key++) {
        const at = middle + key;
        const lineEnd = text.indexOf("\n", middle + keys);
        const document = {
          uri: `file:///${file}`,
          path: `${file}`,
          languageId,
          prefix: text.slice(0, at),
          suffix: text.slice(lineEnd),
        };
        const start = performance.now();
        readCursor(document);
        const plain = performance.now();
        const tree = trees.at(document);
        const cursor = readCursor(document, tree);
        const read = performance.now();
        const said = text.slice(at, lineEnd);
        tree?.agrees(said, closersAfter(said, cursor));
        const end = performance.now();
        tree?.dispose();
        scanned.push(plain - start);
        (key === 0 ? first : keystroke).push(read - plain);
        checked.push(end - read);
      }
    }
    const ms = (values: readonly number[]) =>
      `${percentile(values, 0.5).toFixed(2)} / ${percentile(values, 0.95).toFixed(2)}`;
    rows.push([languageId, String(files.length), ms(scanned), ms(first), ms(keystroke), ms(checked)]);
  }
  trees.dispose();
  process.stdout.write(
    `milliseconds, p50 / p95\n${table(["language", "files", "brackets alone", "with the tree, file never seen", "with the tree, a key typed", "one insertion checked"], rows)}\n`,
  );
}
