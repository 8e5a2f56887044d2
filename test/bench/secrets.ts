// `npm run bench -- secrets`: the share of files with secrets that the index excludes, the false positives, and the time per file.
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { defaultSettings } from "../../sidecar/protocol";
import { IgnoreRules } from "../../sidecar/workspace/files/ignore";
import { findSecrets } from "../../sidecar/workspace/files/secrets/find";
import { gitleaksRules } from "../../sidecar/workspace/files/secrets/gitleaks";
import { examine, readSource } from "../../sidecar/workspace/files/walk";
import { type CorpusFile, harmless, planted } from "../secrets/corpus";
import { print, withScratch } from "./command";

const help = `npm run bench -- secrets [OPTIONS]
  --cli FILE     ask this command line (dist/cli.js of another checkout) instead of these sources
  --write DIR    write the corpus to DIR, for other scanners, and end
  --code DIR     also search the source files below DIR, count those taken for secrets and name them
`;

const groups: Readonly<Record<string, readonly CorpusFile[]>> = { ...planted, harmless };
const maxBytes = defaultSettings.maxFileKilobytes * 1024;

/** Why a file is not indexed; undefined when it is indexed. */
type Judge = (root: string, path: string) => Promise<string | undefined>;

async function judgeHere(root: string, path: string): Promise<string | undefined> {
  const rules = await IgnoreRules.create(root);
  const found = await examine(root, path, { rules, maxBytes });
  if ("reason" in found) return found.reason;
  const source = await readSource(root, path, maxBytes);
  return "reason" in source ? source.reason : undefined;
}

function judgeOf(cli: string): Judge {
  const run = promisify(execFile);
  return async (root, path) => {
    const args = [cli, "why", join(root, path), "--workspace", root, "--json"];
    const { stdout } = await run(process.execPath, args);
    const { state, reason } = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
    return state === "left-out" ? String(reason) : undefined;
  };
}

/** Writes each file to its own folder, so that files do not affect each other. */
async function writeCorpus(root: string): Promise<void> {
  for (const [group, files] of Object.entries(groups)) {
    for (const [row, { path, text }] of files.entries()) {
      const file = join(root, group, `${row}`, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
  }
}

async function reasonsFor(root: string, group: string, judge: Judge): Promise<(string | undefined)[]> {
  const files = groups[group] ?? [];
  const reasons: (string | undefined)[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let row = next++; row < files.length; row = next++)
      reasons[row] = await judge(join(root, group, `${row}`), files[row]?.path ?? "");
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return reasons;
}

/** Number of files of a group in which the rules of gitleaks alone find a secret. */
function foundByGitleaks(group: string): number {
  const finds = ({ text, path }: CorpusFile): boolean =>
    gitleaksRules.some((rule) => !rule.find(text, path)[Symbol.iterator]().next().done);
  return (groups[group] ?? []).filter(finds).length;
}

async function measure(judge: Judge): Promise<void> {
  await withScratch(async (root) => {
    await writeCorpus(root);
    for (const group of Object.keys(planted)) {
      const reasons = await reasonsFor(root, group, judge);
      const missed = (groups[group] ?? []).filter((_, row) => reasons[row] === undefined);
      print(`${group.padEnd(9)} ${reasons.length - missed.length} of ${reasons.length} kept out`);
      for (const { kind, path } of missed) print(`  indexed: ${path} (${kind})`);
    }
    const reasons = await reasonsFor(root, "harmless", judge);
    const taken = harmless.filter((_, row) => reasons[row] === "secret");
    print(`harmless  ${taken.length} of ${harmless.length} taken for secrets`);
    for (const { kind, path } of taken) print(`  taken: ${path} (${kind})`);
    const alone = Object.keys(groups).map((group) => `${group} ${foundByGitleaks(group)}`);
    print(`The rules of gitleaks by themselves find: ${alone.join(", ")}`);
  });
}

async function* sourcesBelow(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sourcesBelow(path);
    else if (/\.(?:[cm]?[jt]sx?|json|md|pyi?|go|rs|java|cc?|cpp|h|sh|ya?ml|toml)$/.test(entry.name)) {
      if ((await stat(path)).size <= maxBytes) yield path;
    }
  }
}

async function searchCode(folder: string): Promise<void> {
  let files = 0;
  let characters = 0;
  let milliseconds = 0;
  const taken: string[] = [];
  for await (const path of sourcesBelow(folder)) {
    const text = await readFile(path, "utf8");
    const start = performance.now();
    const found = findSecrets(text, path);
    milliseconds += performance.now() - start;
    files++;
    characters += text.length;
    if (found.length > 0) taken.push(`  taken: ${path} (${found[0]?.what})`);
  }
  print(
    `code      ${taken.length} of ${files} files taken for secrets, ${(characters / 1e6).toFixed(1)} million characters`,
  );
  print(
    `          ${(milliseconds / files).toFixed(2)} ms a file, ${((milliseconds / characters) * 1e6).toFixed(0)} ms a million characters`,
  );
  for (const line of taken) print(line);
}

export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", short: "h" },
      cli: { type: "string" },
      write: { type: "string" },
      code: { type: "string" },
    },
  });
  if (values.help === true) return print(help.trimEnd());
  if (values.write !== undefined) return writeCorpus(resolve(values.write));
  await measure(values.cli === undefined ? judgeHere : judgeOf(resolve(values.cli)));
  if (values.code !== undefined) await searchCode(resolve(values.code));
}
