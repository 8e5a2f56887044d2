// The fragments that can be found: their text and place by id, and their vectors in the vector index.
import { setTimeout } from "node:timers/promises";
import type { KeyedFragment } from "./file-entry";
import type { IndexedFile } from "./folder-state";
import type { Fragment, ScoredFragment } from "./fragment";
import type { Quantized } from "./vectors/quantized";
import type { Accepts, VectorIndex } from "./vectors/vector-index";

/** Milliseconds of deferred work of the vector index at a time, and of the pause after it. */
const maintainMs = 4;

export class FragmentTable {
  /** By id, undefined where it was removed. */
  private readonly fragments: (Fragment | undefined)[] = [];
  private nextId = 0;
  private changes = 0;
  private maintaining = false;

  /** @param ended aborted when nothing is searched any more */
  constructor(
    private readonly vectors: VectorIndex,
    private readonly ended: AbortSignal,
  ) {}

  /** How many fragments can be found. */
  get size(): number {
    return this.vectors.size;
  }

  /** Grows with every change of what can be found. */
  get revision(): number {
    return this.changes;
  }

  /** @throws RangeError when `query` has another length than the vectors */
  search(query: Float32Array, k: number, accepts?: (fragment: Fragment) => boolean): ScoredFragment[] {
    const acceptsId: Accepts = (id) => {
      const fragment = this.fragments[id];
      return fragment !== undefined && accepts?.(fragment) === true;
    };
    return this.vectors.search(query, k, accepts && acceptsId).flatMap(({ id, score }) => {
      const fragment = this.fragments[id];
      return fragment === undefined ? [] : [{ fragment, score }];
    });
  }

  /**
   * Replaces a file's fragments. One that only moved keeps its id and its vector.
   * @param former the file as it was; undefined for a new one
   * @param vectors by key, at least of those fragments that `former` does not have
   * @returns the ids of the fragments, in order
   */
  replace(
    former: IndexedFile | undefined,
    { uri, path }: Pick<Fragment, "uri" | "path">,
    fragments: readonly KeyedFragment[],
    vectors: ReadonlyMap<string, Quantized>,
  ): number[] {
    const reusable = former === undefined ? new Map<string, number[]>() : idsByKey(former);
    const ids = fragments.map(({ key, startLine, endLine, text, scope }) => {
      const id = reusable.get(key)?.pop() ?? this.add(vectors.get(key));
      // Written out: a rest and a spread take several times as long.
      this.fragments[id] =
        scope === undefined ? { uri, path, startLine, endLine, text } : { uri, path, startLine, endLine, text, scope };
      return id;
    });
    this.remove([...reusable.values()].flat());
    return ids;
  }

  remove(ids: readonly number[]): void {
    this.changes += 1;
    this.vectors.remove(ids);
    for (const id of ids) this.fragments[id] = undefined;
  }

  /** Does the deferred work of the vector index in short slices of time. Callers need not wait for it. */
  async maintain(): Promise<void> {
    if (this.maintaining) return;
    this.maintaining = true;
    while (!this.ended.aborted && this.vectors.maintain(maintainMs)) await setTimeout(maintainMs);
    this.maintaining = false;
  }

  private add(vector: Quantized | undefined): number {
    const id = this.nextId++;
    if (vector !== undefined) this.vectors.add(id, vector);
    return id;
  }
}

function idsByKey({ entry, ids }: IndexedFile): Map<string, number[]> {
  const byKey = new Map<string, number[]>();
  entry.fragments.forEach(({ key }, i) => {
    const id = ids[i];
    if (id === undefined) return;
    const same = byKey.get(key);
    if (same === undefined) byKey.set(key, [id]);
    else same.push(id);
  });
  return byKey;
}
