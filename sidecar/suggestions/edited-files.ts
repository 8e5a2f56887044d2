// The files that were edited recently in the client.
import { LRUCache } from "lru-cache";
import { filePath } from "../host/paths";

/** Maximum number of files: the current one, and as many others as `npm run bench -- ranking` counts. */
const maxFiles = 9;

export class EditedFiles {
  /** Paths on disk. */
  private readonly paths = new LRUCache<string, true>({ max: maxFiles });

  /** Ignores documents that are not files on disk. */
  record(uri: string): void {
    const path = filePath(uri);
    if (path !== undefined) this.paths.set(path, true);
  }

  has(uri: string): boolean {
    const path = this.paths.size === 0 ? undefined : filePath(uri);
    return path !== undefined && this.paths.has(path);
  }
}
