// The entry of a file in the store, and the text of its fragments, which is read from the file.
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { TreeSitterChunker } from "../../../sidecar/workspace/chunking/tree-sitter-chunker";
import {
  type FileEntry,
  isUnchanged,
  parseEntry,
  placesOf,
  serializeEntry,
  withText,
} from "../../../sidecar/workspace/file-entry";
import { samples } from "./vectors/samples";

const entry: FileEntry = {
  size: 12,
  modified: 1700000000000.123,
  changed: 1700000000001.5,
  hash: "hash",
  fragments: [
    { startLine: 1, endLine: 3, key: "key one" },
    { startLine: 5, endLine: 9, key: "key two", scopeLines: [2, 4] },
  ],
};

describe("a file entry", () => {
  it("is the same after it was written and parsed, with the reason why the file is excluded", () => {
    expect(parseEntry(serializeEntry(entry))).toEqual(entry);
    const excluded: FileEntry = { ...entry, excluded: "secret", fragments: [] };
    expect(parseEntry(serializeEntry(excluded))).toEqual(excluded);
  });

  it.each(["", "{}", "[]", "[1,2,3]", '[1,2,3,"hash","no such reason",[]]', '[1,2,3,"hash",null,[[1]]]', "[1,2"])(
    "is not made of other text: %s",
    (text) => expect(parseEntry(text)).toBeUndefined(),
  );

  it("counts as unchanged until size or one of the times differs", () => {
    expect(isUnchanged(entry, entry)).toBe(true);
    for (const name of ["size", "modified", "changed"] as const)
      expect(isUnchanged(entry, { ...entry, [name]: entry[name] + 1 }), name).toBe(false);
  });
});

describe("fragments of a stored entry", () => {
  let chunker: TreeSitterChunker;

  beforeAll(async () => {
    chunker = await TreeSitterChunker.load(join(__dirname, "../../../dist/grammars"), (message) => {
      throw new Error(message);
    });
  });

  it.each(samples)("have the text and scope that the chunker gave: $path", async ({ path, text }) => {
    const chunks = (await chunker.chunk(path, text)).map((chunk, at) => ({ ...chunk, key: `${at}` }));
    expect(chunks.length).toBeGreaterThan(0);
    const stored = parseEntry(serializeEntry({ ...entry, fragments: placesOf(chunks) }));
    expect(JSON.stringify(stored)).not.toContain(chunks[0]?.text.split("\n")[0]);
    expect(withText(stored?.fragments ?? [], text)).toEqual(chunks);
  });
});
