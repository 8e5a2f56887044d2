// Looks through the folders of other programs for GGUF files that a model can be made of, by their headers.
import { open, readdir, realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import type { ModelFolders } from "../host/locations";
import { type Catalogue, readCatalogue } from "./catalogue";
import { fittingRecipe } from "./fitting-recipe";
import { GgufError, GgufFile } from "./gguf-file";

/** A folder of another program's model files. */
export interface ModelFilePlace {
  readonly program: "llama.cpp" | "Ollama" | "LM Studio" | "Hugging Face";
  readonly folder: string;
}

/**
 * The standard folders, and those that the programs' own variables name. They may not exist.
 * @param environment of this process
 */
export function modelFilePlaces(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): ModelFilePlace[] {
  const { LLAMA_CACHE, OLLAMA_MODELS, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, LOCALAPPDATA } = environment;
  const cache = XDG_CACHE_HOME || join(home, ".cache");
  const localData = LOCALAPPDATA || join(home, "AppData", "Local");
  const llama =
    platform === "win32"
      ? join(localData, "llama.cpp")
      : platform === "darwin"
        ? join(home, "Library", "Caches", "llama.cpp")
        : join(cache, "llama.cpp");
  return [
    { program: "llama.cpp", folder: LLAMA_CACHE || llama },
    { program: "Ollama", folder: OLLAMA_MODELS || join(home, ".ollama", "models") },
    // Where the service that its installer for Linux sets up has them.
    ...(platform === "linux" ? [{ program: "Ollama" as const, folder: "/usr/share/ollama/.ollama/models" }] : []),
    { program: "LM Studio", folder: join(home, ".lmstudio", "models") },
    { program: "LM Studio", folder: join(home, ".cache", "lm-studio", "models") },
    // llama.cpp downloads into it too.
    { program: "Hugging Face", folder: HF_HUB_CACHE || join(HF_HOME || join(cache, "huggingface"), "hub") },
  ];
}

export interface FoundModelFile {
  readonly path: string;
  readonly bytes: number;
  readonly program: ModelFilePlace["program"];
  /** Name of the model of the catalogue whose shape and tokens it has. */
  readonly model: string;
  /** Whether it has the size of the catalogue's file, and so is most likely it. The hash decides when it is added. */
  readonly catalogued: boolean;
}

export interface FoundModelFiles {
  readonly files: readonly FoundModelFile[];
  /** GGUF files that no model can be made of. */
  readonly others: number;
  /** Folders that exist and were looked through. */
  readonly folders: readonly string[];
}

/** Limits far above what such folders hold: somebody may have named a whole disk. */
const max = { depth: 6, entries: 20_000, files: 200 } as const;
/** A smaller file is no model that completes code. */
const minBytes = 10_000;

/**
 * Reads headers alone. A file that two folders hold, by a link or a path, is listed once.
 * @throws the signal's reason when it is aborted
 */
export async function findModelFiles(
  folders: ModelFolders,
  signal?: AbortSignal,
  places: readonly ModelFilePlace[] = modelFilePlaces(),
): Promise<FoundModelFiles> {
  const catalogue = readCatalogue(folders.packaged);
  const files: FoundModelFile[] = [];
  const seen = new Set<string>();
  const looked: string[] = [];
  let others = 0;
  for (const { program, folder } of places) {
    if (!(await isReadable(folder))) continue;
    looked.push(folder);
    for await (const path of candidates(folder, signal)) {
      const real = await realpath(path).catch(() => path);
      if (seen.size >= max.files || seen.has(real) || !(await isGguf(path))) continue;
      seen.add(real);
      const fitting = await fittingModel(path, catalogue, folders.packaged);
      if (fitting === undefined) others += 1;
      else files.push({ path, program, ...fitting });
    }
  }
  return { files, others, folders: looked };
}

async function isReadable(folder: string): Promise<boolean> {
  return (await readdir(folder).catch(() => undefined)) !== undefined;
}

/** Paths of files that may be model files: those named so, and Ollama's, which are named by their hash. */
async function* candidates(folder: string, signal: AbortSignal | undefined): AsyncGenerator<string> {
  let entries = 0;
  const open: { readonly path: string; readonly depth: number }[] = [{ path: folder, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    signal?.throwIfAborted();
    const { path, depth } = next;
    for (const entry of await readdir(path, { withFileTypes: true }).catch(() => [])) {
      entries += 1;
      if (entries > max.entries) return;
      const inside = join(path, entry.name);
      if (entry.isDirectory()) {
        if (depth < max.depth) open.push({ path: inside, depth: depth + 1 });
      } else if (/\.gguf$/i.test(entry.name) || /^sha256-[0-9a-f]{64}$/.test(basename(inside))) yield inside;
    }
  }
}

/** Whether a file begins as a GGUF file does: most of Ollama's are something else. */
async function isGguf(path: string): Promise<boolean> {
  // A named pipe would wait for a writer.
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size < minBytes) return false;
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString("latin1", 0, bytesRead) === "GGUF";
  } catch {
    return false;
  } finally {
    await file.close();
  }
}

/** Undefined when no model of the catalogue has the file's shape and tokens. */
async function fittingModel(
  path: string,
  catalogue: Catalogue,
  packaged: string,
): Promise<Pick<FoundModelFile, "model" | "bytes" | "catalogued"> | undefined> {
  try {
    const gguf = await GgufFile.open(path);
    try {
      const { model } = await fittingRecipe(gguf, catalogue, packaged);
      const { bytes } = gguf;
      return { model, bytes, catalogued: bytes === catalogue.get(model)?.source?.bytes };
    } finally {
      await gguf.close();
    }
  } catch (error) {
    if (error instanceof GgufError) return undefined;
    throw error;
  }
}
