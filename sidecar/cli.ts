// The command line: complete, index, search and explain without an editor.

import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { modelCommand } from "./cli/model";
import { InputError, ProgressLine, print, printJson, wrongOption } from "./cli/terminal";
import { type Engine, openEngine } from "./engine";
import { errorCode, errorMessage, errorStack } from "./host/errors";
import { defaultStoragePath, packagedLocations, withHome } from "./host/locations";
import { quietLog } from "./host/log";
import { documentPath } from "./host/paths";
import { ModelPackageError } from "./inference/package/model-package-error";
import { languageIdOf } from "./languages/languages";
import { AddModelError } from "./models/add-model";
import { GgufError } from "./models/gguf-file";
import { ModelNotFound, resolveModel, resolveModelOrSmall } from "./models/resolve-model";
import {
  boundsOf,
  type DroppedFragment,
  defaultSettings,
  type ExecutionProviderSetting,
  type FragmentReference,
  type IndexCounts,
  type Settings,
} from "./protocol";
import type { CursorContext } from "./retrieval/types";
import { createChunker } from "./workspace/chunking/create-chunker";
import { explain, outside } from "./workspace/explain";
import { IgnoreRules } from "./workspace/files/ignore";
import { secretByPath } from "./workspace/files/secrets/names";
import { examine } from "./workspace/files/walk";

const help = `SelfRACG Code on the command line

  complete FILE:LINE:COLUMN   suggest what comes at this place
  index DIR                   index a folder and print the counts
  search FILE:LINE:COLUMN     rank the fragments this place needs
  why PATH                    whether a file or folder is indexed, and by which rule it is not
  model list                  the models there are, and which of them are on this machine
  model add FILE              make a model out of a GGUF file: one of the list, or another of the same shape
  model use NAME              have NAME answer where neither a setting nor --model says otherwise
  model remove NAME           delete a model that was added
  --help                      this text

LINE and COLUMN count from 1; COLUMN 1 is before the line's first character. The file is read as saved.

Options
  --workspace DIR             folder to retrieve from; default: the git repository of FILE, else FILE's folder;
                              why: the folder you stand in where PATH lies in it, else as with FILE
  --json                      one JSON object on the last line of standard output
  --model NAME|DIR            model of the list, or folder of a package; default: the one in use
  --provider auto|cuda|cpu    where the model runs; default: auto
  --no-retrieval              complete: from the file alone
  --storage DIR               folder of the index; default: selfracg in the user's cache folder
  --name NAME                 model add: what to call a file that is not in the list; default: as the file

Models that are added lie in selfracg/models in the user's data folder, or in the folder SELFRACG_MODELS.
Progress and notices go to standard error. Exit codes: 0 done, 2 bad input, 130 interrupted, 1 anything else.
`;

interface Command {
  readonly name: "complete" | "index" | "search" | "why";
  readonly target: string;
  readonly workspace: string | undefined;
  readonly json: boolean;
  /** Undefined: the model in use. */
  readonly model: string | undefined;
  readonly provider: ExecutionProviderSetting;
  readonly retrieval: boolean;
  readonly storage: string | undefined;
}

/** @throws InputError for an option that does not exist, or one without its value */
function parseOptions(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        json: { type: "boolean" },
        workspace: { type: "string" },
        model: { type: "string" },
        provider: { type: "string" },
        storage: { type: "string" },
        "no-retrieval": { type: "boolean" },
      },
    });
  } catch (error) {
    throw wrongOption(error);
  }
}

function readArguments(args: string[]): Command | "help" {
  const { values, positionals } = parseOptions(args);
  if (values.help === true || (positionals[0] === "help" && positionals.length === 1)) return "help";
  const [name, target, ...rest] = positionals;
  if (name !== "complete" && name !== "index" && name !== "search" && name !== "why") {
    const found = name === undefined ? "none" : JSON.stringify(name);
    throw new InputError(
      `Expected a command (complete, index, search, why or model), found ${found}. Run with --help to see how they are used.`,
    );
  }
  const wanted = name === "index" ? "DIR" : name === "why" ? "PATH" : "FILE:LINE:COLUMN";
  if (target === undefined)
    throw new InputError(`Expected "${name} ${wanted}", found no ${wanted}. Add it after "${name}".`);
  if (rest.length > 0) {
    throw new InputError(
      `Expected one ${wanted}, found also ${rest.map((one) => JSON.stringify(one)).join(", ")}. Put a name with spaces in quotes.`,
    );
  }
  const provider = values.provider ?? "auto";
  if (provider !== "auto" && provider !== "cuda" && provider !== "cpu") {
    throw new InputError(
      `Expected --provider auto, cuda or cpu, found ${JSON.stringify(provider)}. Leave it out to let the sidecar choose.`,
    );
  }
  return {
    name,
    target,
    workspace: values.workspace,
    json: values.json === true,
    model: values.model === undefined ? undefined : withHome(values.model),
    provider,
    retrieval: values["no-retrieval"] !== true,
    storage: values.storage,
  };
}

interface Place {
  readonly path: string;
  readonly text: string;
  readonly offset: number;
  /** 0-based. */
  readonly line: number;
  readonly character: number;
}

/** Reads FILE:LINE:COLUMN and the file. */
async function readPlace(target: string): Promise<Place> {
  const match = /^(.+):(\d+):(\d+)$/s.exec(target);
  const [, file, lineText, columnText] = match ?? [];
  if (file === undefined || lineText === undefined || columnText === undefined) {
    throw new InputError(
      `Expected FILE:LINE:COLUMN such as src/app.py:12:5, found ${JSON.stringify(target)}. Add the line and the column, both counted from 1.`,
    );
  }
  const path = resolve(withHome(file));
  let text: string;
  try {
    if ((await stat(path)).isDirectory())
      throw new InputError(`Expected a file, found the folder ${path}. Name a file in it.`);
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`Expected a readable file at ${path}, found none (${errorMessage(error)}). Check the name.`);
  }
  const lines = text.split("\n");
  const line = Number(lineText) - 1;
  const found = lines[line];
  if (line < 0 || found === undefined) {
    throw new InputError(
      `Expected a line from 1 to ${lines.length} of ${path}, found ${lineText}. Lines count from 1.`,
    );
  }
  const character = Number(columnText) - 1;
  const length = found.replace(/\r$/, "").length;
  if (character < 0 || character > length) {
    throw new InputError(
      `Expected a column from 1 to ${length + 1} in line ${lineText} of ${path}, found ${columnText}. Columns count from 1.`,
    );
  }
  const before = lines.slice(0, line).reduce((sum, each) => sum + each.length + 1, 0);
  return { path, text, offset: before + character, line, character };
}

async function readFolder(folder: string, option: string): Promise<string> {
  const path = resolve(withHome(folder));
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    throw new InputError(
      `Expected a folder for ${option}, found ${found === undefined ? "nothing" : "a file"} at ${path}. Check the name.`,
    );
  }
  return path;
}

/** The innermost folder above `file` that holds `.git`, else the file's own folder. */
function workspaceOf(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (existsSync(join(folder, ".git"))) return folder;
    if (dirname(folder) === folder) return dirname(file);
  }
}

interface Run {
  readonly engine: Engine;
  readonly workspace: string;
  readonly counts: IndexCounts | undefined;
  readonly timings: { readonly loadMs: number; readonly indexMs: number };
}

/** Loads the model and, unless there is to be no retrieval, indexes the workspace. */
async function open(command: Command, workspace: string, signal: AbortSignal): Promise<Run> {
  const start = performance.now();
  const uri = pathToFileURL(workspace).href;
  const indexed = command.name !== "complete" || command.retrieval;
  const { modelFolders, grammarPath } = packagedLocations(__dirname);
  const model =
    command.model === undefined ? resolveModelOrSmall("", modelFolders) : resolveModel(command.model, modelFolders);
  if ("problem" in model) process.stderr.write(`${model.problem}\n`);
  const engine = await openEngine({
    modelPath: model.folder,
    grammarPath,
    storagePath: resolve(withHome(command.storage ?? defaultStoragePath())),
    executionProvider: command.provider,
    threads: defaultSettings.threads,
    maxFileKilobytes: defaultSettings.maxFileKilobytes,
    log: quietLog,
    hasFolders: () => indexed,
  });
  const loaded = performance.now();
  let counts: IndexCounts | undefined;
  if (indexed) {
    const progress = new ProgressLine(`Indexing ${workspace}`, (done, total) => `${done}/${total} files`);
    await engine.index.setFolders([{ uri, name: basename(workspace) }]);
    counts = await engine.index.reindex({ signal, onProgress: (done, total) => progress.show(done, total) });
    progress.end();
    await engine.index.flush();
  }
  return { engine, workspace, counts, timings: { loadMs: loaded - start, indexMs: performance.now() - loaded } };
}

function contextOf(place: Place, workspace: string): CursorContext {
  const uri = pathToFileURL(place.path).href;
  return {
    uri,
    path: documentPath(uri, [{ uri: pathToFileURL(workspace).href, name: basename(workspace) }]),
    languageId: languageIdOf(place.path),
    prefix: place.text.slice(0, place.offset),
    suffix: place.text.slice(place.offset),
  };
}

/** @throws InputError for a file that is secret by its name and not brought back: no model reads it */
async function refuseSecret(file: string, workspace: string): Promise<void> {
  const path = pathBelow(workspace, file);
  const because = secretByPath(path ?? file.split(sep).join("/"));
  if (because === undefined) return;
  const options = { rules: await IgnoreRules.create(workspace), maxBytes: Infinity };
  const found = path === undefined ? undefined : await examine(workspace, path, options);
  if (found === undefined || !("file" in found))
    throw new InputError(`Expected a file that is no secret, found ${file}: ${because}.`);
}

/** With `/`; undefined where the file lies elsewhere. */
function pathBelow(folder: string, file: string): string | undefined {
  const found = relative(folder, file).split(sep).join("/");
  return found === ".." || found.startsWith("../") || isAbsolute(found) ? undefined : found;
}

async function complete(command: Command, signal: AbortSignal): Promise<void> {
  const place = await readPlace(command.target);
  const workspace =
    command.workspace === undefined ? workspaceOf(place.path) : await readFolder(command.workspace, "--workspace");
  await refuseSecret(place.path, workspace);
  const { engine, counts, timings } = await open(command, workspace, signal);
  const settings: Settings = { ...defaultSettings, retrieval: command.retrieval };
  const position = { line: place.line, character: place.character };
  const trace = await engine.completer.complete(
    contextOf(place, workspace),
    settings,
    position,
    signal,
    performance.now(),
    { invoked: true },
  );
  signal.throwIfAborted();
  const { model, provider } = engine.backbone;
  print(
    trace.suggestion === ""
      ? `No suggestion: ${trace.suppressed ?? trace.stopReason}`
      : `Suggestion (${trace.generatedTokens} tokens in ${trace.decodeSteps} steps, ${trace.stopReason}):\n${indent(trace.suggestion)}`,
  );
  print(
    trace.fragments.length === 0
      ? `No fragment in the prompt: ${trace.nothingRetrieved ?? "none fits"}`
      : `Fragments in the prompt, in its order:\n${table(trace.fragments)}`,
  );
  if (trace.fetched !== undefined) print(`Fragments were fetched: ${trace.fetched}`);
  if (trace.kept !== undefined)
    print(
      `Fragments were kept since completion ${trace.kept.since}: ${trace.kept.reason} (similarity ${trace.kept.similarity.toFixed(3)})`,
    );
  print(`Times in ms: ${times({ ...trace.timings, ...timings })}`);
  print(
    `Prompt: ${trace.promptTokens} tokens. Model: ${model.name} ${model.version}. Provider: ${provider.name} (${provider.reason})`,
  );
  if (command.json) {
    printJson({
      suggestion: trace.suggestion,
      model: modelOf(engine),
      fragments: trace.fragments,
      timings: rounded({ ...trace.timings, ...timings }),
      provider: trace.provider,
      providerReason: provider.reason,
      stopReason: trace.stopReason,
      suppressed: trace.suppressed,
      nothingRetrieved: trace.nothingRetrieved,
      dropped: trace.dropped,
      promptTokens: trace.promptTokens,
      generatedTokens: trace.generatedTokens,
      decodeSteps: trace.decodeSteps,
      kept: trace.kept,
      fetched: trace.fetched,
      workspace,
      index: counts,
      vectorIndex: engine.index.vectorIndex,
    });
  }
  await engine.dispose();
}

async function search(command: Command, signal: AbortSignal): Promise<void> {
  const place = await readPlace(command.target);
  const workspace =
    command.workspace === undefined ? workspaceOf(place.path) : await readFolder(command.workspace, "--workspace");
  await refuseSecret(place.path, workspace);
  const { engine, counts, timings } = await open(command, workspace, signal);
  // The whole ranking is asked for, not just what would fit one prompt.
  const settings: Settings = {
    ...defaultSettings,
    maxFragments: boundsOf("maxFragments").maximum,
    fragmentBudget: boundsOf("fragmentBudget").maximum,
  };
  const start = performance.now();
  const retrieval = await engine.completer.search(contextOf(place, workspace), settings, signal);
  const all = { totalMs: performance.now() - start, ...retrieval.timings, ...timings };
  const fragments = retrieval.selected.map(({ reference }) => reference);
  print(
    fragments.length === 0
      ? `Nothing found: ${retrieval.nothing ?? "no fragment"}`
      : `Fragments, best first:\n${table(fragments)}`,
  );
  const shown = retrieval.dropped.slice(0, 10);
  if (shown.length > 0) print(`Left out:\n${table(shown)}`);
  if (retrieval.dropped.length > shown.length)
    print(`  and ${retrieval.dropped.length - shown.length} more (--json has all)`);
  print(`Times in ms: ${times(all)}`);
  if (command.json) {
    printJson({
      fragments,
      dropped: retrieval.dropped,
      nothingRetrieved: retrieval.nothing,
      timings: rounded(all),
      provider: engine.backbone.provider.name,
      workspace,
      index: counts,
      vectorIndex: engine.index.vectorIndex,
    });
  }
  await engine.dispose();
}

async function index(command: Command, signal: AbortSignal): Promise<void> {
  const workspace = await readFolder(command.target, "index");
  const { engine, counts, timings } = await open(command, workspace, signal);
  if (counts === undefined) throw new Error("The index gave no counts.");
  const skipped = Object.entries(counts.skipped).filter(([, count]) => count > 0);
  const { vectorIndex } = engine.index;
  const { provider } = engine.backbone;
  print(
    `${counts.files} files, ${counts.fragments} fragments, ${counts.embedded} of them embedded now, ${(counts.storeBytes / 1024).toFixed(0)} kB on disk`,
  );
  print(
    skipped.length === 0
      ? "No file was left out."
      : `Left out: ${skipped.map(([reason, count]) => `${count} ${reason}`).join(", ")}`,
  );
  print(`Vector index: ${vectorIndex.name} (${vectorIndex.reason}). Provider: ${provider.name} (${provider.reason})`);
  print(`Times in ms: ${times(timings)}`);
  if (command.json)
    printJson({ ...counts, workspace, vectorIndex, provider: provider.name, timings: rounded(timings) });
  await engine.dispose();
}

/** Needs neither the model nor the index: the rules are asked, not what is stored. */
async function why(command: Command): Promise<void> {
  const path = resolve(withHome(command.target));
  const here = process.cwd();
  const workspace =
    command.workspace === undefined
      ? pathBelow(here, path) === undefined
        ? workspaceOf(path)
        : here
      : await readFolder(command.workspace, "--workspace");
  const place = pathBelow(workspace, path);
  const explanation =
    place === undefined
      ? outside(path)
      : await explain({
          root: workspace,
          path: place,
          rules: await IgnoreRules.create(workspace),
          maxBytes: defaultSettings.maxFileKilobytes * 1024,
          chunker: await createChunker(packagedLocations(__dirname).grammarPath, (message) =>
            process.stderr.write(`${message}\n`),
          ),
        });
  if (explanation.state === "missing") throw new InputError(explanation.message);
  print(explanation.message);
  for (const { startLine, endLine, scope } of explanation.fragments)
    print(`  ${startLine}-${endLine}${scope === undefined ? "" : `  in ${scope.join(" › ")}`}`);
  if (command.json) printJson({ ...explanation, workspace });
}

function modelOf({ backbone }: Engine): { name: string; version: string } {
  const { name, version } = backbone.model;
  return { name, version };
}

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}

function table(fragments: readonly (FragmentReference | DroppedFragment)[]): string {
  const places = fragments.map(({ path, startLine, endLine }) => `${path}:${startLine}-${endLine}`);
  const width = Math.max(...places.map((place) => place.length));
  return fragments
    .map((fragment, row) => {
      const reason = "reason" in fragment ? `  ${fragment.reason}` : "";
      const scope = fragment.scope === undefined ? "" : `  in ${fragment.scope.join(" › ")}`;
      const raised =
        fragment.raised === undefined ? "" : `  raised by ${fragment.raised.by.toFixed(3)}: ${fragment.raised.reason}`;
      return `  ${(places[row] ?? "").padEnd(width)}  score ${fragment.score.toFixed(3)}  ${String(fragment.tokens).padStart(4)} tokens${scope}${raised}${reason}`;
    })
    .join("\n");
}

function rounded(timings: object): Record<string, number> {
  return Object.fromEntries(
    Object.entries(timings).map(([name, value]) => [name, Math.round(Number(value) * 10) / 10]),
  );
}

function times(timings: object): string {
  return Object.entries(rounded(timings))
    .map(([name, value]) => `${name.replace(/Ms$/, "")} ${value.toFixed(0)}`)
    .join(", ");
}

/** What the caller can put right. */
const refusals = [InputError, ModelPackageError, ModelNotFound, GgufError, AddModelError];

async function main(): Promise<number> {
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  try {
    const args = process.argv.slice(2);
    if (args[0] === "model" && !args.includes("--help")) {
      await modelCommand(args.slice(1), packagedLocations(__dirname).modelFolders, interrupted.signal);
      return 0;
    }
    const command = readArguments(args);
    if (command === "help") process.stdout.write(help);
    else await { complete, index, search, why }[command.name](command, interrupted.signal);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) {
      process.stderr.write("Interrupted. What was indexed so far stays; half a model does not.\n");
      return 130;
    }
    if (refusals.some((refusal) => error instanceof refusal) && error instanceof Error) {
      process.stderr.write(`${error.message}\n`);
      return 2;
    }
    process.stderr.write(`${errorStack(error)}\n`);
    return 1;
  }
}

// Node.js would open its debugger on a socket.
process.on("SIGUSR1", () => {});
let outputFailed = false;
process.stderr.on("error", () => {});
process.stdout.on("error", (error) => {
  // A reader that has what it wanted, as `head` has, closes the pipe.
  if (errorCode(error) === "EPIPE") return;
  outputFailed = true;
  process.stderr.write(`Standard output cannot be written: ${error.message}\n`);
});
void main().then((code) => {
  // Native libraries keep threads alive; what was printed is out once the streams have taken it.
  process.stdout.write("", () => setImmediate(() => process.exit(outputFailed && code === 0 ? 1 : code)));
});
