// `npm run bench -- keeping`: what fragments kept over keystrokes cost and gain, by the loss of the code that is typed next.
import { basename, dirname } from "node:path";
import { parseArgs } from "node:util";
import { Completer } from "../../sidecar/completion/completer";
import { healPrefix } from "../../sidecar/completion/healing";
import type { Backbone } from "../../sidecar/inference/backbone";
import { type CompletionTrace, defaultSettings, type Settings } from "../../sidecar/protocol";
import { type KeepingRule, keepingRule } from "../../sidecar/retrieval/kept";
import type { CursorContext } from "../../sidecar/retrieval/retrieval";
import { languageIdOf } from "../../sidecar/server/language-id";
import { packagedLocations } from "../../sidecar/server/locations";
import type { FragmentSource } from "../../sidecar/workspace/fragment-source";
import { type Files, placeOf, readRepositories, readTasks, type Task } from "../eval/input";
import { digits, table } from "./inference/goals";
import { count } from "./options";
import { smallSource } from "./small-source";
import { openTaskModel, pairOptions, pairsOf, type TaskModel, type TaskPair } from "./task-input";

const help = `npm run bench -- keeping --tasks FILE --repos FILE [OPTIONS]
  --tasks FILE    cross-file tasks, at whose cursors is typed, and
  --repos FILE    the repositories they are from; may be given several times, in pairs
  --cursors N     cursors of each file of tasks, each of a repository of its own; default 24
  --typed N       tokens typed at each; default 28
`;

/** Tokens behind the cursor whose loss is measured. */
const ahead = 8;

/** What is compared: the product's rule, its neighbours, and both ends. */
const rules: readonly { readonly name: string; readonly rule?: KeepingRule; readonly settings?: Partial<Settings> }[] =
  [
    { name: "no fragments", settings: { retrieval: false } },
    { name: "fetched at every token", rule: { similarity: Infinity, margin: -Infinity } },
    ...[0.6, 0.7, 0.8].map((similarity) => ({
      name: `similarity ${similarity}, margin ${keepingRule.margin}`,
      rule: { ...keepingRule, similarity },
    })),
    ...[0.02, 0.1].map((margin) => ({
      name: `similarity ${keepingRule.similarity}, margin ${margin}`,
      rule: { ...keepingRule, margin },
    })),
  ];

/** What one rule gave at one cursor: means over the tokens typed. */
interface Typed {
  readonly loss: number;
  readonly searched: number;
  readonly changed: number;
}

/** @throws Error for an option that cannot be; InputError for tasks that cannot be read */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      ...pairOptions,
      cursors: { type: "string", default: "24" },
      typed: { type: "string", default: "28" },
    },
  });
  if (values.help === true) return void process.stdout.write(help);
  const pairs = pairsOf(values, help);
  const { modelPath, grammarPath } = packagedLocations(dirname(__filename));
  const bench = await Typing.open(modelPath, grammarPath, count("--typed", values.typed));
  for (const pair of pairs)
    process.stdout.write(`${await bench.compare(pair, count("--cursors", values.cursors))}\n\n`);
  await bench.dispose();
}

class Typing {
  private constructor(
    private readonly model: TaskModel,
    private readonly typed: number,
  ) {}

  static async open(modelPath: string, grammarPath: string, typed: number): Promise<Typing> {
    return new Typing(await openTaskModel(modelPath, grammarPath), typed);
  }

  dispose(): Promise<void> {
    return this.model.backbone.dispose();
  }

  /** A table of the rules over the first tasks of as many repositories. */
  async compare({ tasks: tasksPath, repositories: repositoriesPath }: TaskPair, cursors: number): Promise<string> {
    const chosen = new Map<string, Task>();
    for (const task of await readTasks(tasksPath, undefined))
      if (chosen.size < cursors && !chosen.has(task.repository)) chosen.set(task.repository, task);
    const repositories = await readRepositories(repositoriesPath, new Set(chosen.keys()));
    const found = rules.map((): Typed[] => []);
    let cursor = 0;
    for (const [repository, task] of chosen) {
      process.stderr.write(`${basename(tasksPath)}: cursor ${++cursor} of ${chosen.size}\n`);
      const files = repositories.get(repository) ?? new Map<string, string>();
      const source = await smallSource(task.file, files, this.model);
      for (const [at, rule] of rules.entries()) found[at]?.push(await this.type(task, files, source, rule));
    }
    const [none = []] = found;
    const rows = rules.map(({ name }, at) => {
      const own = found[at] ?? [];
      const gains = own.map(({ loss }, each) => loss - (none[each]?.loss ?? Number.NaN));
      const share = (of: (typed: Typed) => number): string => `${(100 * mean(own.map(of))).toFixed(0)} %`;
      return [
        name,
        mean(own.map(({ loss }) => loss)).toFixed(3),
        at === 0 ? "" : `${signed(mean(gains))} (${digits(standardError(gains))})`,
        share(({ searched }) => searched),
        share(({ changed }) => changed),
      ];
    });
    const header = ["", "loss, nats", "over no fragments (standard error)", "searched", "changed"];
    return `${basename(tasksPath)}: ${chosen.size} cursors, ${this.typed} tokens typed at each, loss of the next ${ahead}\n${table(header, rows)}`;
  }

  private async type(
    task: Task,
    files: Files,
    source: FragmentSource,
    { rule, settings }: (typeof rules)[number],
  ): Promise<Typed> {
    const { prefix, suffix } = placeOf(task, files);
    const rest = task.groundtruth + suffix;
    const { backbone, tokenizer } = this.model;
    let read: readonly number[] = [];
    const recording: Backbone = {
      model: backbone.model,
      provider: backbone.provider,
      prefill: (tokens, options) => backbone.prefill((read = tokens), options),
      decode: (...given) => backbone.decode(...given),
      rewind: (cache, length) => backbone.rewind(cache, length),
      express: (tokens, signal) => backbone.express(tokens, signal),
      needWeights: (...given) => backbone.needWeights(...given),
      embed: (rows, signal) => backbone.embed(rows, signal),
      dispose: () => backbone.dispose(),
    };
    const completer = new Completer({
      ...this.model,
      backbone: recording,
      source: () => source,
      log: () => {},
      ...(rule && { keepingRule: rule }),
    });
    const uri = `file:///${task.file}`;
    const losses: number[] = [];
    const traces: CompletionTrace[] = [];
    let typed = "";
    for (const token of tokenizer.encode(rest.slice(0, 8 * this.typed)).slice(0, this.typed)) {
      const context: CursorContext = {
        uri,
        path: task.file,
        languageId: languageIdOf(task.file),
        prefix: prefix + typed,
        suffix: "",
      };
      const position = { line: context.prefix.split("\n").length - 1, character: 0 };
      traces.push(
        await completer.complete(
          context,
          { ...defaultSettings, maxTokens: 1, ...settings },
          position,
          undefined,
          performance.now(),
        ),
      );
      const { owed } = healPrefix(tokenizer, context.prefix);
      const next = tokenizer.encode(owed + rest.slice(typed.length, typed.length + 8 * ahead)).slice(0, ahead);
      losses.push(await this.lossOf(read, next));
      typed += tokenizer.decode([token]);
    }
    const shown = traces.map(({ fragments }) =>
      JSON.stringify(fragments.map(({ path, startLine }) => [path, startLine])),
    );
    return {
      loss: mean(losses),
      searched: mean(traces.map(({ timings }) => (timings.searchMs > 0 ? 1 : 0))),
      changed: mean(shown.slice(1).map((fragments, at) => (fragments === shown[at] ? 0 : 1))),
    };
  }

  /** Mean loss in nats of `next` behind the prompt. */
  private async lossOf(prompt: readonly number[], next: readonly number[]): Promise<number> {
    const { backbone } = this.model;
    const { logits, cache } = await backbone.prefill(prompt);
    const behind = next.length > 1 ? (await backbone.decode(cache, next.slice(0, -1))).logits : [];
    return mean([logits, ...behind].map((row, at) => lossAt(row, next[at] ?? 0)));
  }
}

function lossAt(logits: Float32Array, token: number): number {
  let highest = -Infinity;
  for (const logit of logits) highest = Math.max(highest, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - highest);
  return Math.log(sum) + highest - (logits[token] ?? Number.NaN);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function standardError(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1) / values.length);
}

function signed(value: number): string {
  return `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(3)}`;
}
