// Converts the URI of a document to a path: on this machine, or relative to its workspace folder as the model reads it.
import { sep } from "node:path";
import { fileURLToPath } from "node:url";

export interface Folder {
  readonly uri: string;
  readonly name: string;
}

/**
 * Path relative to the innermost workspace folder of the document, with `/`; the file's name when there is none.
 * For a notebook cell, the path of its notebook; for an untitled document, its name.
 */
export function documentPath(uri: string, folders: readonly Folder[]): string {
  const path = uriPath(uri);
  return pathInFolders(path, folders) ?? (path.slice(path.lastIndexOf("/") + 1) || path);
}

/** The same, but the absolute path for a document outside of all workspace folders. */
export function longDocumentPath(uri: string, folders: readonly Folder[]): string {
  const path = uriPath(uri);
  return pathInFolders(path, folders) ?? path;
}

function pathInFolders(path: string, folders: readonly Folder[]): string | undefined {
  let best: string | undefined;
  for (const folder of folders) {
    const root = uriPath(folder.uri).replace(/\/+$/, "");
    if (path.startsWith(`${root}/`) && (best === undefined || root.length > best.length)) best = root;
  }
  return best === undefined ? undefined : path.slice(best.length + 1);
}

/** The file's path on this machine; undefined for other schemes and invalid file URIs. */
export function filePath(uri: string): string | undefined {
  if (!uri.startsWith("file:")) return undefined;
  try {
    return fileURLToPath(uri);
  } catch {
    return undefined;
  }
}

/** The `file:` URI of a path on this machine, in the form of {@link normalUri}. */
export function fileUri(path: string): string {
  const parts = path
    .split(sep)
    .join("/")
    .replace(/^([A-Za-z]):/, (_, drive: string) => `/${drive.toLowerCase()}:`);
  return `file://${parts.split("/").map(encodeSegment).join("/")}`;
}

/**
 * The one form in which URIs of files can be compared, since clients differ in what they percent-encode: everything is
 * encoded but letters, digits and `-._~`, as in VS Code. Other URIs are returned as they are.
 */
export function normalUri(uri: string): string {
  const path = filePath(uri);
  return path === undefined ? uri : fileUri(path);
}

/** Stricter than encodeURIComponent. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The decoded path of a URI. Clients differ in what they percent-encode, so that only decoded paths can be compared. */
export function uriPath(uri: string): string {
  const match = /^[A-Za-z][A-Za-z0-9+.-]*:(?:\/\/[^/?#]*)?([^?#]*)/.exec(uri);
  const raw = match?.[1] ?? uri;
  try {
    return decodeURIComponent(raw).replace(/^\/([A-Za-z]):/, (_, drive: string) => `/${drive.toLowerCase()}:`);
  } catch {
    return raw;
  }
}
