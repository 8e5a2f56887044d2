// `npm run bench -- typing`: replays typing the edits of a git history with the real sidecar, and counts useful suggestions.
import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { packagedLocations } from "../../../sidecar/host/locations";
import { languageIdOf } from "../../../sidecar/languages/languages";
import type { Settings } from "../../../sidecar/protocol";
import { measuredModel } from "../../eval/measured-model";
import { count, machineOn, print, withScratch } from "../command";
import { startEditor } from "../editor";
import { digits, table } from "../goals";
import { History } from "../history";
import { percentiles } from "../statistics";
import { noticeMs } from "./person";
import { countNames, editorDelayMs, noCounts, type Replayed, replay, type ShownAnswer } from "./replay";
import { createRhythm, medianMs } from "./rhythm";

const help = `npm run bench -- typing [OPTIONS]
  --history REPO    git repository, bare or not, whose edits are typed again; default: this project's own
  --head REV        the newest commit that edits are taken from; default HEAD. The same commit gives the same edits
  --edits N         edits typed; default 20
  --keys N          maximum number of keys typed of one edit; default 80
  --depth N         newest commits that edits are taken from; default 400
  --seed N          seed of the choice of edits and the typing rhythm; default 1
  --speed X         factor of the typing speed; default 1: ${Math.round(1000 / medianMs.inWord)} keys a second inside words
  --setting NAME=JSON  a setting of selfracg.*; may be given several times
  --model NAME|DIR  model of the list, or folder of a package; default: small, the one that ships
  --json FILE       write all numbers to FILE
The typing takes as long as a person's, because the model runs in real time: about a minute for five edits of 80 keys.
`;

/** @throws Error for an invalid option, or a history without edits */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      history: { type: "string" },
      head: { type: "string", default: "HEAD" },
      edits: { type: "string", default: "20" },
      keys: { type: "string", default: "80" },
      depth: { type: "string", default: "400" },
      seed: { type: "string", default: "1" },
      speed: { type: "string", default: "1" },
      setting: { type: "string", multiple: true, default: [] },
      model: { type: "string" },
      json: { type: "string" },
    },
  });
  if (values.help === true) return void process.stdout.write(help);
  const dist = dirname(__filename);
  const { modelFolders } = packagedLocations(dist);
  const speed = Number(values.speed);
  if (!(speed > 0 && speed <= 20))
    throw new Error(`--speed: expected a number above 0 and up to 20, found ${JSON.stringify(values.speed)}`);
  const seed = count("--seed", values.seed);
  const history = new History(resolve(values.history ?? dirname(dist)));
  const edits = await history.edits(count("--edits", values.edits), {
    head: values.head,
    depth: count("--depth", values.depth),
    seed,
  });
  const maxKeys = count("--keys", values.keys);
  const settings = settingsOf(values.setting);

  await withScratch(async (scratch) => {
    const workspace = join(scratch, "workspace");
    await mkdir(workspace);
    let parent = edits[0]?.parent ?? "";
    await history.checkOut(parent, workspace);
    process.stderr.write(`Indexing the tree of ${parent.slice(0, 8)}…\n`);
    const editor = await startEditor({
      sidecar: join(dist, "sidecar.js"),
      workspace,
      storagePath: join(scratch, "index"),
      modelPath: measuredModel(values.model, modelFolders),
      settings,
    });
    const replayed: (Replayed & { commit: string; path: string })[] = [];
    let index = await editor.index([]);
    try {
      const interval = createRhythm(seed, speed);
      for (const [at, edit] of edits.entries()) {
        const { commit, path } = edit;
        if (edit.parent !== parent) {
          const changed = await history.changed(parent, edit.parent);
          await history.checkOut(edit.parent, workspace);
          index = (await editor.index(changed.map((each) => join(workspace, each)))) ?? index;
          parent = edit.parent;
        }
        process.stderr.write(`Typing edit ${at + 1} of ${edits.length}: ${path} in ${commit.slice(0, 8)}\n`);
        const options = { maxKeys, path: join(workspace, path), languageId: languageIdOf(path), interval, speed };
        replayed.push({ commit, path, ...(await replay(editor, edit, options)) });
      }
    } finally {
      await editor.close();
    }
    const { model, provider } = editor.status ?? {};
    print(
      `${replayed.length} edits of ${new Set(replayed.map(({ commit }) => commit)).size} commits, ${model?.name} ${model?.version} on ${provider?.name}, ${index?.fragments ?? 0} fragments indexed at the last\n`,
    );
    print(
      `${report(replayed)}\n\nA suggestion is requested ${editorDelayMs} ms after a key, as VS Code does; the person notices one that is shown for ${noticeMs} ms\n` +
        "and accepts the part that they are going to write. Characters are those of the edits; indentation comes with the line break.",
    );
    if (values.json === undefined) return;
    const how = {
      machine: machineOn(availableParallelism()),
      model,
      provider,
      seed,
      speed,
      editorDelayMs,
      noticeMs,
      settings,
    };
    await writeFile(values.json, `${JSON.stringify({ ...how, total: summary(replayed), replayed }, undefined, 2)}\n`);
  });
}

/** Parses settings such as `maxTokens=12`. The sidecar checks the values. */
function settingsOf(given: readonly string[]): Partial<Settings> {
  return Object.fromEntries(
    given.map((each) => {
      const at = each.indexOf("=");
      try {
        if (at > 0) return [each.slice(0, at), JSON.parse(each.slice(at + 1))];
      } catch {
        // Reported below.
      }
      throw new Error(`--setting: expected NAME=JSON such as frequency='"more"', found ${JSON.stringify(each)}`);
    }),
  );
}

/** Sums over the edits, and percentiles in milliseconds. */
export function summary(replayed: readonly Replayed[]) {
  const total = noCounts();
  const withheld: Record<string, number> = {};
  for (const { counts, withheld: reasons } of replayed) {
    for (const name of countNames) total[name] += counts[name];
    for (const [reason, times] of Object.entries(reasons)) withheld[reason] = (withheld[reason] ?? 0) + times;
  }
  const shown = replayed.flatMap((one) => one.shown);
  const latency = (of: readonly ShownAnswer[], value: (one: ShownAnswer) => number) => ({
    count: of.length,
    ...percentiles(of.map(value)),
  });
  const fromKey = ({ fromKeyMs }: ShownAnswer) => fromKeyMs;
  const fromRequest = ({ fromRequestMs }: ShownAnswer) => fromRequestMs;
  return {
    ...total,
    withheld,
    shown: shown.length,
    fromKeyMs: latency(shown, fromKey),
    fromRequestMs: latency(shown, fromRequest),
    madeFromRequestMs: latency(
      shown.filter(({ cached }) => !cached),
      fromRequest,
    ),
    followUpFromKeyMs: latency(
      shown.filter(({ followUp }) => followUp),
      fromKey,
    ),
  };
}

/** The table that is printed. */
export function report(replayed: readonly Replayed[]): string {
  const all = summary(replayed);
  const of = (part: number, whole: number) => (whole === 0 ? "" : `${((100 * part) / whole).toFixed(1)} %`);
  const ms = ({ count: times, p50, p95 }: { count: number; p50: number; p95: number }) =>
    times === 0 ? ["-", ""] : [`${digits(p50)} / ${digits(p95)} ms`, `of ${times}`];
  const taken = all.whole + all.line + all.words;
  const withheld = Object.entries(all.withheld).sort(([, a], [, b]) => b - a);
  return table(
    ["suggestions while typing", "", ""],
    [
      ["requests", `${all.requests}`, `${digits(all.requests / Math.max(1, all.keys))} a key`],
      ["  cancelled by the next key", `${all.cancelled}`, of(all.cancelled, all.requests)],
      ["  answered from the cache", `${all.cached}`, of(all.cached, all.answered)],
      ["  delayed to wait for another key (debounce)", `${all.waited}`, of(all.waited, all.answered)],
      ["  answered with a suggestion", `${all.withText}`, of(all.withText, all.answered)],
      ["  nothing: unsure", `${all.unsure}`, of(all.unsure, all.answered)],
      ...withheld.map(([reason, times]) => [`  nothing: ${reason}`, `${times}`, of(times, all.answered)]),
      ["shown", `${all.shown}`, `${digits((100 * all.shown) / Math.max(1, all.keys))} in 100 keys`],
      ["  with a right part", `${all.right}`, of(all.right, all.shown)],
      ["  accepted", `${taken}`, `${all.whole} whole, ${all.line} a line, ${all.words} by words`],
      ["  typed to the end", `${all.typedToEnd}`, of(all.typedToEnd, all.shown)],
      ["  changed or removed while being typed (flicker)", `${all.changed}`, of(all.changed, all.shown)],
      [`  typed against within ${noticeMs} ms (flash)`, `${all.flashed}`, of(all.flashed, all.shown)],
      ["from the key to a shown suggestion, p50 / p95", ...ms(all.fromKeyMs)],
      ["from the request to it, p50 / p95", ...ms(all.fromRequestMs)],
      ["  when the model ran", ...ms(all.madeFromRequestMs)],
      ["after an acceptance, p50 / p95", ...ms(all.followUpFromKeyMs)],
      ["characters saved", `${all.taken} of ${all.characters}`, of(all.taken, all.characters)],
      [
        "keys saved, keys of acceptances included",
        `${all.keys - all.pressed} of ${all.keys}`,
        of(all.keys - all.pressed, all.keys),
      ],
    ],
  );
}
