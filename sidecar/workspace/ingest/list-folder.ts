// Lists the files of a workspace folder that may be indexed, and removes from the index what is no longer among them.
import { errorMessage } from "../../host/errors";
import { Yielder } from "../../host/yield";
import type { ExclusionReason } from "../files/exclusion";
import { type ListedFile, walk } from "../files/walk";
import type { FolderState } from "../folder-state";
import { maxFileBytes } from "../index-options";
import { type IndexedFiles, isExcludedByRule } from "../indexed-files";
import type { FolderPath } from "../workspace-folders";
import type { IngestParts } from "./parts";

interface ListOptions {
  readonly signal?: AbortSignal;
  /** Called for each file as soon as it is listed. */
  readonly onFile?: (file: ListedFile) => void;
}

/**
 * @param place the workspace folder, or a folder in it at which to begin
 * @throws the signal's reason when it is aborted
 */
export async function listFolder(
  { folder, path: from }: FolderPath,
  { folders, files: indexed, limits, warn }: Pick<IngestParts, "folders" | "files" | "limits" | "warn">,
  { signal, onFile }: ListOptions = {},
): Promise<ListedFile[]> {
  const began = folder.nextTime();
  const excluded = new Map<string, ExclusionReason>();
  const files: ListedFile[] = [];
  let readable = true;
  const rules = from === "" ? await folder.readRules() : await folder.currentRules();
  const options = {
    from,
    rules,
    // These list their files themselves.
    nested: folders.nestedIn(folder),
    maxBytes: maxFileBytes(limits()),
    onExcluded: (path: string, reason: ExclusionReason): void => void excluded.set(path, reason),
    signal,
  };
  try {
    for await (const file of walk(folder.root, options)) {
      files.push(file);
      onFile?.(file);
    }
  } catch (error) {
    signal?.throwIfAborted();
    warn(`Folder ${folder.root} could not be read (${errorMessage(error)}): it is excluded until it can be read.`);
    excluded.set(from, "unreadable");
    readable = false;
  }
  for (const problem of rules.problems.splice(0)) warn(problem);
  const listed = new Set(files.map(({ path }) => path));
  await removeOthers(folder, { from, indexed, listed, excluded, readable, began });
  return files;
}

/** Removes what is below `from` and was not listed, and records what is excluded there now. */
async function removeOthers(
  folder: FolderState,
  {
    from,
    indexed,
    listed,
    excluded,
    readable,
    began,
  }: {
    readonly from: string;
    readonly indexed: IndexedFiles;
    readonly listed: ReadonlySet<string>;
    readonly excluded: ReadonlyMap<string, ExclusionReason>;
    readonly readable: boolean;
    /** When the listing began: what changed since then is left as it is. */
    readonly began: number;
  },
): Promise<void> {
  const isBelow = (path: string): boolean => from === "" || path.startsWith(`${from}/`);
  const yielder = new Yielder();
  for (const path of new Set([...folder.indexed.keys(), ...folder.known.paths])) {
    if (listed.has(path) || !isBelow(path) || folder.hasChangedSince(path, began)) continue;
    indexed.remove(folder, path);
    // A folder that cannot be read for a while, as on a network disk, is restored when it can be read again.
    if (readable) folder.known.delete(path, isExcludedByRule(path, excluded));
    await yielder.yieldIfDue();
  }
  if (readable && from === "") folder.known.eraseUnrequested();
  for (const path of [...folder.excluded.keys()]) if (isBelow(path) && !listed.has(path)) folder.excluded.delete(path);
  for (const [path, reason] of excluded) folder.excluded.set(path, reason);
}
