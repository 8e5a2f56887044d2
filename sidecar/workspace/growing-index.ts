// Searches exactly while there are few vectors, in clusters once there are many: the choice is made by their number.
import type { ClusteredIndex } from "./clustered-index";
import type { Quantized } from "./quantized";
import type { Accepts, VectorHit, VectorIndex } from "./vector-index";

/**
 * Both indexes are filled while there are few vectors, so that nothing has to be moved at once when there are many: the
 * clustered one takes half the memory of floats, and the exact one is let go.
 */
export class GrowingIndex implements VectorIndex {
  private exact: VectorIndex | undefined;

  /**
   * @param makeExact an empty exact index
   * @param mostExact number of vectors up to which that one answers
   */
  constructor(
    private readonly makeExact: () => VectorIndex,
    private readonly clustered: ClusteredIndex,
    private readonly mostExact: number,
  ) {
    this.exact = makeExact();
  }

  get name(): VectorIndex["name"] {
    return (this.exact ?? this.clustered).name;
  }

  get reason(): string {
    return (this.exact ?? this.clustered).reason;
  }

  get dimension(): number {
    return this.clustered.dimension;
  }

  get size(): number {
    return this.clustered.size;
  }

  add(id: number, vector: Quantized): void {
    this.clustered.add(id, vector);
    if (this.clustered.size > this.mostExact) this.exact = undefined;
    this.exact?.add(id, vector);
  }

  remove(ids: readonly number[]): void {
    this.clustered.remove(ids);
    this.exact?.remove(ids);
    if (this.clustered.size === 0) this.exact ??= this.makeExact();
  }

  settle(milliseconds: number): boolean {
    return (this.exact ?? this.clustered).settle(milliseconds);
  }

  search(query: Float32Array, k: number, accepts?: Accepts): VectorHit[] {
    return (this.exact ?? this.clustered).search(query, k, accepts);
  }
}
