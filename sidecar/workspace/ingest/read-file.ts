// Reads a file as the index should see it, and cuts it into fragments with the tokens that the model reads of them.
import { stat } from "node:fs/promises";
import { errorMessage } from "../../host/errors";
import { Yielder } from "../../host/yield";
import { type KeyedFragment, unsavedSize } from "../file-entry";
import { readContent, type SourceText } from "../files/content";
import { type ReadFile, readSource } from "../files/walk";
import { maxFileBytes } from "../index-options";
import { vectorKey } from "../store/keys";
import type { FolderPath } from "../workspace-folders";
import type { FragmentTokens } from "./embed-fragments";
import type { IngestParts } from "./parts";

/** A file's fragments, and what to embed of each. */
interface CutFile {
  readonly fragments: readonly KeyedFragment[];
  readonly tokens: readonly FragmentTokens[];
}

/** A file that changes faster than it is read is taken as it is; the file watcher reports its next change. */
const maxRereads = 3;

/** The unsaved text of a file where there is one, else what is on disk: read again when it changed meanwhile. */
export async function readCurrent(
  { folder, path }: FolderPath,
  { unsaved, limits }: Pick<IngestParts, "unsaved" | "limits">,
): Promise<ReadFile> {
  const maxBytes = maxFileBytes(limits());
  const file = folder.fileOf(path);
  const text = unsaved.get(file);
  if (text !== undefined) {
    const content = readContent(new TextEncoder().encode(text), path);
    return { ...content, size: unsavedSize, modified: 0, changed: 0, hash: "" };
  }
  let source = await readSource(folder.root, path, maxBytes);
  for (let again = 0; again < maxRereads; again++) {
    const now = await stat(file).catch(() => undefined);
    // A file that was deleted meanwhile has an event of its own.
    if (now === undefined || (now.mtimeMs === source.modified && now.size === source.size)) break;
    source = await readSource(folder.root, path, maxBytes);
  }
  return source;
}

/** @returns undefined, with a warning, when the chunker fails */
export async function cutFile(
  path: string,
  { text, languageId }: SourceText,
  { chunker, promptFormat, warn }: Pick<IngestParts, "chunker" | "promptFormat" | "warn">,
): Promise<CutFile | undefined> {
  const fragments: KeyedFragment[] = [];
  const all: FragmentTokens[] = [];
  const yielder = new Yielder();
  try {
    for (const chunk of await chunker.chunk(path, text, languageId)) {
      const tokens = promptFormat.fragmentEmbedding(path, chunk.text);
      if (tokens.length === 0) continue;
      const key = vectorKey(tokens);
      fragments.push({ ...chunk, key });
      all.push({ key, tokens });
      await yielder.yieldIfDue();
    }
    return { fragments, tokens: all };
  } catch (error) {
    warn(`${path} could not be cut into fragments (${errorMessage(error)}): it is excluded.`);
    return undefined;
  }
}
