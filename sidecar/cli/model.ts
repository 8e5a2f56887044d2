// The command `model`: lists, gets, adds, chooses and removes models on the command line.
import type { ModelFolders } from "../host/locations";
import { type CatalogueModel, hubAddress, type ModelSource, readCatalogue, smallModel } from "../models/catalogue";
import { findModelFiles } from "../models/find-model-files";
import { deleteDownloads, downloadsFolder } from "../models/get-model";
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
import { obstacleTo, thisMachine } from "../models/suitable";
import type { FoundFiles, ListedModel, ModelList } from "../protocol";
import { add, get, type ModelOptions } from "./make-model";
import { InputError, parseOptions, print, printJson } from "./terminal";

/**
 * @param args the arguments after `model`
 * @throws InputError, or an error of the rooms below that says what was expected, what was found and what to do.
 */
export async function modelCommand(args: string[], folders: ModelFolders, signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseOptions(args, {
    json: { type: "boolean" },
    name: { type: "string" },
    from: { type: "string" },
  });
  const [action, target, ...rest] = positionals;
  const options: ModelOptions = { folders, signal, json: values.json === true, name: values.name, from: values.from };
  if (rest.length > 0)
    throw new InputError(
      `Expected one name behind "model ${action}", found also ${rest.map((each) => JSON.stringify(each)).join(", ")}.`,
    );
  if (action === "list" && target === undefined) return list(options);
  if (action === "find" && target === undefined) return find(options);
  if (action !== "get" && action !== "add" && action !== "use" && action !== "remove")
    throw new InputError(
      `Expected "model list", "model find", "model get NAME", "model add FILE", "model use NAME" or "model remove NAME", found ${JSON.stringify(["model", ...positionals].join(" "))}. Run with --help to see how they are used.`,
    );
  if (target === undefined)
    throw new InputError(
      `Expected "model ${action} ${action === "add" ? "FILE" : "NAME"}", found nothing behind "${action}". "model list" shows the names.`,
    );
  await { get, add, use, remove }[action](target, options);
}

async function list({ folders, json }: ModelOptions): Promise<void> {
  const catalogue = readCatalogue(folders.packaged);
  const installed = new Map((await installedModels(folders)).map((model) => [model.name, model]));
  const chosen = chosenModel(folders);
  const notes = new Map<string, string | undefined>();
  for (const { name, manifest, problem } of installed.values())
    notes.set(name, manifest === undefined ? problem : await outdatedNote(manifest, folders.packaged));
  const machine = await thisMachine(folders.installed);
  const models = [...new Set([...catalogue.keys(), ...installed.keys()])].map((name): ListedModel => {
    const known = catalogue.get(name);
    return {
      ...describe(name, chosen, known, installed.get(name)),
      obstacle: known && obstacleTo(known, machine, installed.has(name)),
      problem: notes.get(name),
    };
  });
  for (const { name, state, inUse, bytes, licence, file, goodFor, obstacle, problem } of models) {
    const facts = [
      inUse ? `${state}, in use` : state,
      bytes === undefined ? undefined : `${(bytes / 1e6).toFixed(0)} MB`,
      licence,
      file === undefined ? undefined : `${state === "not here" ? "to be made" : "made"} of ${file}`,
    ];
    print(`${name}: ${facts.filter((fact) => fact !== undefined).join(", ")}`);
    print(
      `  ${[problem ?? goodFor ?? "Not in the catalogue.", obstacle].filter((part) => part !== undefined).join(" ")}`,
    );
  }
  print(`Models lie in ${folders.installed}`);
  if (json) {
    const listed: ModelList = { models, folder: folders.installed, downloads: downloadsFolder(folders) };
    printJson(listed);
  }
}

async function find({ folders, signal, json }: ModelOptions): Promise<void> {
  const found = await findModelFiles(folders, signal);
  for (const { path, bytes, program, model, catalogued } of found.files) {
    print(`${path}: ${(bytes / 1e6).toFixed(0)} MB, ${program}`);
    print(
      catalogued
        ? `  Most likely the file of ${model}: "model get ${model} --from FILE" makes it.`
        : `  Has the shape of ${model}: "model add FILE --name NAME" makes a model of its own.`,
    );
  }
  if (found.files.length === 0) print("No file that a model can be made of.");
  if (found.others > 0) print(`${found.others} other GGUF files have another shape.`);
  print(`Looked through: ${found.folders.join(", ") || "no folder; there is none of llama.cpp, Ollama or LM Studio"}`);
  const printed: FoundFiles = { ...found, files: [...found.files], folders: [...found.folders] };
  if (json) printJson(printed);
}

function describe(
  name: string,
  chosen: string,
  known: CatalogueModel | undefined,
  here: InstalledModel | undefined,
): Omit<ListedModel, "problem" | "obstacle"> {
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
    title: known?.title,
    trainedNeed: known?.trainedNeed,
    source: known?.source && listedSource(known.source),
    file: manifest?.source?.file ?? known?.source?.file,
  };
}

function listedSource(source: ModelSource): ListedModel["source"] {
  const { file, bytes, sha256, packages } = source;
  return { address: hubAddress(source), file, bytes, sha256, pip: packages.length > 0 };
}

function stateOf(here: InstalledModel | undefined): ListedModel["state"] {
  if (here === undefined) return "not here";
  return here.manifest === undefined ? "damaged" : "here";
}

async function use(name: string, { folders, json }: ModelOptions): Promise<void> {
  const { folder, name: known } = resolveModel(name, folders);
  if (known === undefined)
    throw new InputError(
      `Expected a model's name, found the folder ${name}. Set selfracg.model to it, or give it with --model.`,
    );
  await chooseModel(folders, name);
  print(`${name} answers from the next start on, wherever the setting selfracg.model and --model are left out.`);
  if (json) printJson({ name, folder });
}

async function remove(name: string, { folders, json }: ModelOptions): Promise<void> {
  const known = readCatalogue(folders.packaged).get(name);
  if (known !== undefined && known.source === undefined)
    throw new InputError(`Expected a converted model, found ${name}, which ships with the extension. It stays.`);
  const installed = await installedModels(folders);
  const interrupted = known?.source !== undefined && (await deleteDownloads(folders, known.source));
  if (!installed.some((model) => model.name === name)) {
    if (interrupted) {
      print(`Removed what was downloaded of ${name}.`);
      if (json) printJson({ name, inUse: false });
      return;
    }
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
