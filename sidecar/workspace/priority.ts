// The order of indexing: open files, then their folders and imports, then the rest.
import { uriPath } from "../host/paths";
import { allImportStatements } from "../languages/import-statements";
import { folderOf, Imports } from "../languages/imports";

/** A document that is open in the editor. */
export interface OpenDocument {
  readonly uri: string;
  readonly text: string;
}

/** The priority of a file by its URI; 0 is indexed first. */
type Priority = (uri: string) => 0 | 1 | 2;

/** @param documents with file URIs; others have no neighbours on disk */
export function priorityOf(documents: readonly OpenDocument[]): Priority {
  const open = documents.map(({ uri, text }) => ({ path: uriPath(uri), text }));
  const paths = new Set(open.map(({ path }) => path));
  const folders = new Set(open.map(({ path }) => folderOf(path)));
  const imports = open.map(({ path, text }) => new Imports(path, allImportStatements(text)));
  return (uri) => {
    const path = uriPath(uri);
    if (paths.has(path)) return 0;
    return folders.has(folderOf(path)) || imports.some((each) => each.has(path)) ? 1 : 2;
  };
}
