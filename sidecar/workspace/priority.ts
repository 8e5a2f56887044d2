// The order of indexing: open files, then their folders and imports, then the rest.
import { allImportStatements } from "../languages/import-statements";

/** A document that is open in the editor. */
export interface OpenDocument {
  readonly uri: string;
  readonly text: string;
}

/** The priority of a file by its URI; 0 is indexed first. */
export type Priority = (uri: string) => 0 | 1 | 2;

/** @param documents with file URIs; others have no neighbours on disk */
export function priorityOf(documents: readonly OpenDocument[]): Priority {
  const open = new Set(documents.map(({ uri }) => uri));
  const folders = new Set(documents.map(({ uri }) => folderOf(uri)));
  const imported = new Set(documents.flatMap(({ text }) => importedNames(text)));
  return (uri) => {
    if (open.has(uri)) return 0;
    return folders.has(folderOf(uri)) || imported.has(stemOf(uri)) ? 1 : 2;
  };
}

/** The last parts of the modules that a text imports: names that files could have. */
export function importedNames(text: string): string[] {
  const statements = allImportStatements(text);
  const quoted = [...statements.matchAll(/["'<]([^"'<>\n]+)["'>]/g)].map(([, module = ""]) => stemOf(module));
  const dotted = [...statements.matchAll(/^(?:import|from|using|use)[ \t]+([\w.:/]+)(?!.*["'])/gm)].flatMap(
    ([, module = ""]) => module.split(/[.:/]+/).slice(-2),
  );
  return [...new Set([...quoted, ...dotted])].filter((name) => name !== "");
}

function folderOf(uri: string): string {
  return uri.slice(0, uri.lastIndexOf("/"));
}

/** A path's last part without what follows its first dot: `a/b.test.ts` is `b`. */
function stemOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/\..*$/s, "");
}
