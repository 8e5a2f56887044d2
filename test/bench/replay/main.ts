// `npm run bench -- replay`: asks for suggestions at many places of source files, and counts those that damage the file.
import { basename, dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Completer } from "../../../sidecar/completion/completer";
import { packagedLocations } from "../../../sidecar/host/locations";
import { defaultSettings } from "../../../sidecar/protocol";
import { measuredModel } from "../../eval/measured-model";
import { count, print } from "../command";
import { readSources } from "../cursors";
import { table } from "../goals";
import {
  disposeTaskModel,
  openTaskModel,
  pairOptions,
  pairsOf,
  type TaskModel,
  tasksByRepository,
} from "../task-input";
import { type Damage, damageOf, type ErrorCounter, errorCounter } from "./damage";
import { type ReplayPlace, replayPlaces, type Sources } from "./places";

const help = `npm run bench -- replay [--folder DIR ...] [--tasks FILE --repos FILE ...] [OPTIONS]
  --folder DIR    folder of source files; may be given several times
  --tasks FILE    cross-file tasks, whose repositories are replayed, and
  --repos FILE    these repositories; may be given several times, in pairs
  --places N      places, in the six languages with the most files; default 2000
  --seed N        of the choice of places; default 1
  --model MODEL   model of the list, or folder of a package; default: small, the one that ships
  --list          prints each suggestion that does damage
`;

/** A place with what was suggested there; no damage without a suggestion. */
interface Replayed {
  readonly place: ReplayPlace;
  readonly suggestion: string;
  readonly damage: Damage | undefined;
}

/** @throws Error for an invalid option; InputError for tasks that cannot be read */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      folder: { type: "string", multiple: true, default: [] },
      ...pairOptions,
      places: { type: "string", default: "2000" },
      seed: { type: "string", default: "1" },
      model: { type: "string" },
      list: { type: "boolean" },
    },
  });
  if (values.help === true) return print(help.trimEnd());
  const sources = await readAll(values);
  const places = replayPlaces(sources, count("--places", values.places), { seed: count("--seed", values.seed) });
  if (places.length === 0)
    throw new Error(`expected source files in --folder or --repos, found none in a language with a grammar: ${help}`);
  const { modelFolders, grammarPath } = packagedLocations(dirname(__filename));
  const languages = new Set(places.map(({ context }) => context.languageId));
  const counter = await errorCounter(grammarPath, languages);
  const model = await openTaskModel(measuredModel(values.model, modelFolders), grammarPath);
  const replayed = await replay(model, places, counter);
  await disposeTaskModel(model);
  print(report(replayed));
  if (values.list === true) for (const each of replayed) if (isDamaging(each)) print(described(each));
}

/** The files of all folders and repositories by path. */
async function readAll(values: {
  readonly folder: readonly string[];
  readonly tasks: readonly string[];
  readonly repos: readonly string[];
}): Promise<Sources> {
  const sources = new Map<string, string>();
  for (const folder of values.folder) {
    const root = resolve(folder);
    for (const [path, text] of await readSources(root)) sources.set(`${basename(root)}/${path}`, text);
  }
  if (values.tasks.length + values.repos.length === 0) return sources;
  for (const pair of pairsOf(values, help)) {
    for (const { name, files } of await tasksByRepository(pair, undefined))
      for (const [path, text] of files) sources.set(`${name}/${path}`, text);
  }
  return sources;
}

/** Asks for a suggestion as typing does, with nothing retrieved. */
async function replay(model: TaskModel, places: readonly ReplayPlace[], counter: ErrorCounter): Promise<Replayed[]> {
  const completer = new Completer({ ...model, source: () => undefined, log: () => {} });
  const replayed: Replayed[] = [];
  for (const [at, place] of places.entries()) {
    if (at % 100 === 0) process.stderr.write(`${at} of ${places.length} places\n`);
    const { context } = place;
    const lines = context.prefix.split("\n");
    const position = { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
    const { suggestion } = await completer.complete(context, defaultSettings, position, undefined, performance.now());
    const damage = suggestion === "" ? undefined : damageOf(context, suggestion, counter);
    replayed.push({ place, suggestion, damage });
  }
  return replayed;
}

function isDamaging({ damage }: Replayed): boolean {
  return damage !== undefined && (damage.parsesWorse || damage.gluesWords || damage.repeatsLine);
}

/** A table with a row for each language, places with and without the rest of the line apart. */
function report(replayed: readonly Replayed[]): string {
  const groups = new Map<string, Replayed[]>();
  for (const each of replayed) {
    const { context, inLine } = each.place;
    for (const language of [context.languageId, "all"]) {
      const name = `${language}, ${inLine ? "before the rest of a line" : "at the end of a line"}`;
      groups.set(name, [...(groups.get(name) ?? []), each]);
    }
  }
  const all = [...groups].filter(([name]) => name.startsWith("all"));
  const rows = [...[...groups].filter(([name]) => !name.startsWith("all")), ...all].map(([name, group]) => {
    const shown = group.filter(({ damage }) => damage !== undefined);
    const number = (has: (damage: Damage) => boolean): string =>
      `${shown.filter(({ damage }) => damage !== undefined && has(damage)).length}`;
    return [
      name,
      `${group.length}`,
      `${((100 * shown.length) / group.length).toFixed(1)} %`,
      number(({ parsesWorse }) => parsesWorse),
      number(({ gluesWords }) => gluesWords),
      number(({ repeatsLine }) => repeatsLine),
    ];
  });
  return table(["", "places", "with an item", "parses worse", "words glued", "line repeated"], rows);
}

function described({ place: { context }, suggestion, damage }: Replayed): string {
  const { path, prefix, suffix } = context;
  const names = Object.entries(damage ?? {}).flatMap(([name, has]) => (has === true ? [name] : []));
  const line = prefix.split("\n");
  return `${path}:${line.length} (${names.join(", ")}): ${line.at(-1)}├${suggestion}┤${suffix.split("\n", 1)[0]}`;
}
