// The folder of the models that were converted on this machine, one for all windows and workspaces: lists, chooses and removes them.
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { errorMessage } from "../host/errors";
import type { ModelFolders } from "../host/locations";
import { makeFolder } from "../host/make-folder";
import { isRunning } from "../host/running-process";
import { readManifest } from "../inference/package/model-manifest";
import { modelName, smallModel } from "./catalogue";

/** A folder with this file is a model package. It is written last. */
export const manifestFile = "model.json";
const chosenFile = "chosen.json";
const chosenSchema = v.strictObject({ model: modelName });

/** A package that was converted on this machine. */
export interface InstalledModel {
  readonly name: string;
  readonly folder: string;
  /** Its model.json; undefined when it cannot be read. */
  readonly manifest: Awaited<ReturnType<typeof readManifest>> | undefined;
  /** Why it cannot be read. */
  readonly problem: string | undefined;
}

/** Names of the converted models, sorted, including damaged ones. */
export function installedNames({ installed }: ModelFolders): string[] {
  if (!existsSync(installed)) return [];
  return readdirSync(installed, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && v.is(modelName, entry.name))
    .map(({ name }) => name)
    .sort();
}

/** The converted models. Their files are not read. */
export function installedModels(folders: ModelFolders): Promise<InstalledModel[]> {
  return Promise.all(
    installedNames(folders).map(async (name) => {
      const folder = join(folders.installed, name);
      try {
        return { name, folder, manifest: await readManifest(folder), problem: undefined };
      } catch (error) {
        return { name, folder, manifest: undefined, problem: errorMessage(error) };
      }
    }),
  );
}

/** The model that is used when no setting names one. A choice that cannot be read is ignored. */
export function chosenModel({ installed }: ModelFolders): string {
  try {
    return v.parse(chosenSchema, JSON.parse(readFileSync(join(installed, chosenFile), "utf8"))).model;
  } catch {
    return smallModel;
  }
}

/** Stores the choice; choosing the small model deletes it. */
export async function chooseModel({ installed }: ModelFolders, name: string): Promise<void> {
  const path = join(installed, chosenFile);
  if (name === smallModel) return rm(path, { force: true });
  await makeFolder(installed, 0o700);
  const scratch = join(installed, scratchName("chosen"));
  await writeFile(scratch, JSON.stringify({ model: name }));
  await rename(scratch, path);
}

/** Removes a converted model. It is renamed first, so that no process finds half of it. */
export async function deleteModel({ installed }: ModelFolders, name: string): Promise<void> {
  const away = join(installed, scratchName("removed"));
  await rename(join(installed, name), away);
  await rm(away, { recursive: true, force: true, maxRetries: 3 });
}

/** A name for a temporary folder, which no model has, with the process it belongs to. */
export function scratchName(purpose: "adding" | "removed" | "chosen"): string {
  return `.${purpose}~${hostname()}~${process.pid}~${randomUUID()}`;
}

/** Age at which temporary folders of other machines' processes are deleted; those of this machine when the process has ended. */
const foreignScratchMs = 24 * 3600 * 1000;

/** Deletes temporary folders of processes that have ended. */
export async function removeLeftovers({ installed }: ModelFolders): Promise<void> {
  for (const name of await readdir(installed).catch(() => [])) {
    const [, host, pid] = /^\.\w+~(.*)~(\d+)~[0-9a-f-]{36}$/.exec(name) ?? [];
    if (host === undefined || pid === undefined) continue;
    const path = join(installed, name);
    const { mtimeMs } = (await stat(path).catch(() => undefined)) ?? { mtimeMs: Date.now() };
    const ended = host === hostname() ? !isRunning(Number(pid)) : Date.now() - mtimeMs > foreignScratchMs;
    if (ended) await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
}
