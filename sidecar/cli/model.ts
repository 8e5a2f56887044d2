// The command `model`: lists, adds, chooses and removes models on the command line.
import type { ModelFolders } from "../host/locations";
import { addsProductsExactly } from "../inference/integer-products";
import { loadOnnxRuntime } from "../inference/onnx-runtime";
import { type AddStep, addModel } from "../models/add-model";
import { type CatalogueModel, readCatalogue, smallModel } from "../models/catalogue";
import {
  chooseModel,
  chosenModel,
  deleteModel,
  type InstalledModel,
  installedModels,
  removeLeftovers,
} from "../models/model-folders";
import { outdatedNote } from "../models/outdated";
import { resolveModel } from "../models/resolve-model";
import { InputError, ProgressLine, parseOptions, print, printJson } from "./terminal";

interface Options {
  readonly folders: ModelFolders;
  readonly signal: AbortSignal;
  readonly json: boolean;
  /** For a file that is not in the catalogue. */
  readonly name: string | undefined;
}

/**
 * @param args the arguments after `model`
 * @throws InputError, or an error of the rooms below that says what was expected, what was found and what to do.
 */
export async function modelCommand(args: string[], folders: ModelFolders, signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseOptions(args, { json: { type: "boolean" }, name: { type: "string" } });
  const [action, target, ...rest] = positionals;
  const options: Options = { folders, signal, json: values.json === true, name: values.name };
  if (rest.length > 0)
    throw new InputError(
      `Expected one name behind "model ${action}", found also ${rest.map((each) => JSON.stringify(each)).join(", ")}.`,
    );
  if (action === "list" && target === undefined) return list(options);
  if (action !== "add" && action !== "use" && action !== "remove")
    throw new InputError(
      `Expected "model list", "model add FILE", "model use NAME" or "model remove NAME", found ${JSON.stringify(["model", ...positionals].join(" "))}. Run with --help to see how they are used.`,
    );
  if (target === undefined)
    throw new InputError(
      `Expected "model ${action} ${action === "add" ? "FILE" : "NAME"}", found nothing behind "${action}". "model list" shows the names.`,
    );
  await { add, use, remove }[action](target, options);
}

interface Listed {
  readonly name: string;
  readonly state: "ships" | "here" | "not here" | "damaged";
  readonly inUse: boolean;
  readonly catalogued: boolean;
  readonly licence: string | undefined;
  readonly parameters: number | undefined;
  /** On disk. */
  readonly bytes: number | undefined;
  readonly memoryMegabytes: number | undefined;
  readonly goodFor: string | undefined;
  /** The GGUF file it is made of. */
  readonly file: string | undefined;
}

async function list({ folders, json }: Options): Promise<void> {
  const catalogue = readCatalogue(folders.packaged);
  const installed = new Map((await installedModels(folders)).map((model) => [model.name, model]));
  const chosen = chosenModel(folders);
  const notes = new Map<string, string | undefined>();
  for (const { name, manifest, problem } of installed.values())
    notes.set(name, manifest === undefined ? problem : await outdatedNote(manifest, folders.packaged));
  const models = [...new Set([...catalogue.keys(), ...installed.keys()])].map((name) => ({
    ...describe(name, chosen, catalogue.get(name), installed.get(name)),
    problem: notes.get(name),
  }));
  for (const { name, state, inUse, bytes, licence, file, goodFor, problem } of models) {
    const facts = [
      inUse ? `${state}, in use` : state,
      bytes === undefined ? undefined : `${(bytes / 1e6).toFixed(0)} MB`,
      licence,
      file === undefined ? undefined : `${state === "not here" ? "add" : "made of"} ${file}`,
    ];
    print(`${name}: ${facts.filter((fact) => fact !== undefined).join(", ")}`);
    print(`  ${problem ?? goodFor ?? "Not in the catalogue."}`);
  }
  print(`Models lie in ${folders.installed}`);
  if (json) printJson({ models, folder: folders.installed });
}

function describe(
  name: string,
  chosen: string,
  known: CatalogueModel | undefined,
  here: InstalledModel | undefined,
): Listed {
  const manifest = here?.manifest;
  return {
    name,
    state: known !== undefined && known.source === undefined ? "ships" : stateOf(here),
    inUse: name === chosen,
    catalogued: known !== undefined,
    licence: manifest?.licence ?? known?.licence,
    parameters: manifest?.architecture.parameters ?? known?.parameters,
    bytes:
      manifest === undefined ? known?.bytes : Object.values(manifest.files).reduce((sum, { bytes }) => sum + bytes, 0),
    memoryMegabytes: known?.memoryMegabytes,
    goodFor: known?.goodFor,
    file: manifest?.source?.file ?? known?.source?.file,
  };
}

function stateOf(here: InstalledModel | undefined): Listed["state"] {
  if (here === undefined) return "not here";
  return here.manifest === undefined ? "damaged" : "here";
}

const titles: Readonly<Record<AddStep, string>> = {
  reading: "Reading the file",
  converting: "Converting its weights",
  checking: "Checking what was written",
};

async function add(file: string, { folders, signal, json, name }: Options): Promise<void> {
  const exactProducts = await addsProductsExactly(await loadOnnxRuntime());
  process.stderr.write(
    exactProducts
      ? "This processor adds products of 8-bit numbers exactly: weights get 8 bits.\n"
      : "This processor adds products of 8-bit numbers in 16 bits: weights get 7 bits, so that no sum overflows.\n",
  );
  const lines = new Map<AddStep, ProgressLine>();
  const added = await addModel({
    file,
    name,
    folders,
    exactProducts,
    signal,
    onProgress: (step, done, total) => {
      const line = lines.get(step) ?? new ProgressLine(titles[step], percent);
      lines.set(step, line);
      line.show(done, total);
    },
  });
  for (const line of lines.values()) line.end();
  print(
    added.present
      ? `${added.name} is here already, as this file and this version make it: ${added.folder}`
      : `Added ${added.name}: ${(added.bytes / 1e6).toFixed(0)} MB in ${added.folder}`,
  );
  if (!added.catalogued)
    print(
      `The file is not in the catalogue: it has the shape of ${added.model} and uses its graph. Its SHA-256 is ${added.sha256}; nobody has checked what it writes.`,
    );
  print(`"model use ${added.name}" has it answer.`);
  if (json) printJson({ ...added, exactProducts });
}

function percent(done: number, total: number): string {
  return `${Math.floor((100 * done) / total)} %`;
}

async function use(name: string, { folders, json }: Options): Promise<void> {
  const { folder, name: known } = resolveModel(name, folders);
  if (known === undefined)
    throw new InputError(
      `Expected a model's name, found the folder ${name}. Set selfracg.model to it, or give it with --model.`,
    );
  await chooseModel(folders, name);
  print(`${name} answers from the next start on, wherever the setting selfracg.model and --model are left out.`);
  if (json) printJson({ name, folder });
}

async function remove(name: string, { folders, json }: Options): Promise<void> {
  const known = readCatalogue(folders.packaged).get(name);
  if (known !== undefined && known.source === undefined)
    throw new InputError(`Expected a converted model, found ${name}, which ships with the extension. It stays.`);
  const installed = await installedModels(folders);
  if (!installed.some((model) => model.name === name)) {
    const names = installed.map((model) => model.name).join(", ") || "none";
    throw new InputError(`Expected one of the converted models (${names}), found ${JSON.stringify(name)}.`);
  }
  const inUse = chosenModel(folders) === name;
  if (inUse) await chooseModel(folders, smallModel);
  await deleteModel(folders, name);
  await removeLeftovers(folders);
  print(`Removed ${name}.${inUse ? " The small model answers from the next start on." : ""}`);
  if (json) printJson({ name, inUse });
}
