// A repository of the benchmark as a folder on disk, and the fragments of its files.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Chunker } from "../../sidecar/workspace/chunking/chunker";
import { IgnoreRules } from "../../sidecar/workspace/files/ignore";
import { readSource, walk } from "../../sidecar/workspace/files/walk";
import type { Fragment } from "../../sidecar/workspace/fragment";
import type { Files } from "./input";

export class Repository {
  private constructor(
    readonly name: string,
    readonly root: string,
    private readonly files: Files,
    private readonly chunker: Chunker,
    /** The fragments of all files in order. */
    readonly fragments: readonly Fragment[],
  ) {}

  /**
   * Empties `root`, writes the files to it, and cuts them into fragments.
   * @param indexable whether to cut only files that the product would index; otherwise all files are cut unchanged
   */
  static async open(
    name: string,
    root: string,
    files: Files,
    chunker: Chunker,
    indexable: { readonly maxBytes: number } | undefined,
  ): Promise<Repository> {
    await rm(root, { recursive: true, force: true });
    await mkdir(root, { recursive: true });
    for (const [path, text] of files) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    const fragments: Fragment[] = [];
    const repository = new Repository(name, root, files, chunker, fragments);
    if (indexable === undefined) {
      for (const [path, text] of files) fragments.push(...(await repository.cut(path, text)));
      return repository;
    }
    const { maxBytes } = indexable;
    const rules = await IgnoreRules.create(root);
    for await (const { path } of walk(root, { rules, from: "", nested: new Set(), maxBytes, onExcluded: () => {} })) {
      const source = await readSource(root, path, maxBytes);
      if ("text" in source) fragments.push(...(await repository.cut(path, source.text)));
    }
    return repository;
  }

  get uri(): string {
    return pathToFileURL(this.root).href;
  }

  uriOf(path: string): string {
    return pathToFileURL(join(this.root, path)).href;
  }

  /** The fragments of a text of a file. */
  async cut(path: string, text: string): Promise<Fragment[]> {
    const uri = this.uriOf(path);
    return (await this.chunker.chunk(path, text)).map((chunk) => ({ uri, path, ...chunk }));
  }

  /** Replaces the file on disk by `text`, or restores it. */
  async write(path: string, text: string = this.files.get(path) ?? ""): Promise<void> {
    await writeFile(join(this.root, path), text);
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}
