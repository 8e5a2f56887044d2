// Maximum inner product search in many vectors: clusters that split as they grow, the nearest of them scanned.
import { checkDimension, checkLength, compareHits } from "./exact-index";
import { floatsOf, type Quantized, quantized } from "./quantized";
import { blockRows, RowMemory } from "./row-memory";
import type { Accepts, VectorHit, VectorIndex } from "./vector-index";

/** Vectors at which a cluster is split in two. */
const mostInCluster = 256;
/** Blocks of a cluster that its two centres are found by; all its rows are then divided between them. */
const mostSampled = 32;
/** Vectors that are always scanned: up to here the search is exact, and there is nothing to gain from clusters. */
const scannedAlways = 16_384;
/** Share of those beyond that is scanned too. */
const scannedShare = 0.04;
/** Candidates beyond `k` whose products are taken without rounding. */
const slack = 24;
const splitRounds = 6;
/** Steps of nearness that are told apart when clusters are put in order. */
const orderSteps = 1024;

/** Rows in blocks, without gaps. */
interface Cluster {
  readonly blocks: number[];
  size: number;
}

/** Owner of the blocks of vectors that are in no cluster yet. */
const noCluster = -1;

/**
 * An inverted file (IVF; Sivic and Zisserman 2003, in FAISS `IndexIVFFlat`) without training: a cluster that has grown
 * too large is split by two-means, so that vectors can come and go at any time and the whole is never clustered anew.
 * A query scans clusters from the nearest centroid on until it has seen enough vectors. What comes before there is any
 * cluster is scanned as it is until {@link ClusteredIndex.settle} divides it: a restart does not wait for that.
 *
 * Measured on {@link RowMemory}'s rows of the default model's expressions of code, beside FAISS: `npm run bench -- index
 * --only search`. FAISS scans a vector of 256 floats in about 170 ns, its 8-bit quantiser in 350, this memory in 25, which
 * is why clusters here may be scanned so generously; FAISS's graph (HNSW) cannot remove.
 */
export class ClusteredIndex implements VectorIndex {
  readonly name = "clustered";
  private readonly rows: RowMemory;
  /** Row `i` of these blocks is the centroid of cluster `i`. */
  private readonly centroids: Cluster = { blocks: [], size: 0 };
  private readonly clusters: Cluster[] = [];
  /** Vectors that are in no cluster yet. */
  private fresh: Cluster = { blocks: [], size: 0 };
  /** Clusters to be split. */
  private readonly crowded = new Set<Cluster>();
  /** Cluster number of every block of vectors. */
  private readonly owners: number[] = [];
  /** Id of every slot; of slots not in use anything. */
  private readonly ids: number[] = [];
  private readonly slots = new Map<number, number>();
  private readonly scores = new Float64Array(blockRows);

  constructor(
    readonly dimension: number,
    readonly reason: string,
  ) {
    checkDimension(dimension);
    this.rows = new RowMemory(dimension);
  }

  get size(): number {
    return this.slots.size;
  }

  add(id: number, vector: Quantized): void {
    checkLength(vector.values, this.dimension, "a vector");
    if (this.slots.has(id)) throw new RangeError(`expected an id that is not in the index, found ${id}: remove it first`);
    const number = this.clusters.length === 0 ? noCluster : this.nearest(floatsOf(vector));
    const cluster = this.clusters[number] ?? this.fresh;
    this.rows.write(this.append(number, cluster, id), vector);
    if (number !== noCluster && cluster.size > mostInCluster) this.crowded.add(cluster);
  }

  settle(milliseconds: number): boolean {
    const end = performance.now() + milliseconds;
    if (this.clusters.length === 0 && this.fresh.size > scannedAlways) this.crowded.add(this.adopt(this.fresh));
    for (const cluster of this.crowded) {
      if (performance.now() >= end) return true;
      this.crowded.delete(cluster);
      this.split(cluster);
    }
    return false;
  }

  remove(ids: readonly number[]): void {
    for (const id of ids) {
      const slot = this.slots.get(id);
      if (slot === undefined) continue;
      this.slots.delete(id);
      const number = this.owners[Math.floor(slot / blockRows)] ?? noCluster;
      const cluster = this.clusters[number] ?? this.fresh;
      this.takeOut(cluster, slot);
      if (cluster.size === 0 && number !== noCluster) this.close(number, cluster);
    }
  }

  search(query: Float32Array, k: number, accepts?: Accepts): VectorHit[] {
    checkLength(query, this.dimension, "a query");
    const wanted = Math.floor(k);
    if (wanted < 1 || this.size === 0) return [];
    const best = new BestSlots(Math.min(this.size, wanted + slack));
    this.rows.setQuery(query);
    const enough = scannedAlways + Math.max(0, this.size - scannedAlways) * scannedShare;
    let scanned = this.scan(this.fresh, best, accepts);
    for (const number of this.nearestFirst(enough)) {
      // Vectors that do not count are not seen: a narrow filter widens the search until it is exact.
      if (scanned >= enough && best.size >= wanted) break;
      const cluster = this.clusters[number];
      if (cluster !== undefined) scanned += this.scan(cluster, best, accepts);
    }
    return best.slots
      .map((slot): VectorHit => ({ id: this.ids[slot] ?? -1, score: this.rows.score(slot) }))
      .sort(compareHits)
      .slice(0, wanted);
  }

  /** @returns number of vectors that counted */
  private scan(cluster: Cluster, best: BestSlots, accepts: Accepts | undefined): number {
    const { scores, ids } = this;
    let left = cluster.size;
    let counted = 0;
    for (const block of cluster.blocks) {
      const count = Math.min(left, blockRows);
      left -= count;
      this.rows.scanBlock(block, count, scores);
      const first = block * blockRows;
      if (accepts === undefined) counted += count;
      for (let row = 0; row < count; row++) {
        if (accepts !== undefined) {
          if (!accepts(ids[first + row] ?? -1)) continue;
          counted++;
        }
        const score = scores[row] ?? 0;
        if (score >= best.least) best.add(first + row, score, ids[first + row] ?? -1);
      }
    }
    return counted;
  }

  /** Cluster numbers; from the nearest on where fewer than all are to be scanned. */
  private nearestFirst(enough: number): Iterable<number> {
    if (this.size <= enough) return this.clusters.keys();
    const products = new Float64Array(this.clusters.length);
    let lowest = Infinity;
    let highest = -Infinity;
    this.scanCentroids((number, score) => {
      products[number] = score;
      lowest = Math.min(lowest, score);
      highest = Math.max(highest, score);
    });
    // Sorted by counting: which of two that are nearly equally near comes first does not matter, and this takes no time.
    const perStep = highest > lowest ? (orderSteps - 1) / (highest - lowest) : 0;
    const starts = new Uint32Array(orderSteps + 1);
    const stepOf = products.map((score) => Math.round((highest - score) * perStep));
    for (const step of stepOf) starts[step + 1] = (starts[step + 1] ?? 0) + 1;
    for (let step = 0; step < orderSteps; step++) starts[step + 1] = (starts[step + 1] ?? 0) + (starts[step] ?? 0);
    const order = new Uint32Array(products.length);
    stepOf.forEach((step, number) => {
      const place = starts[step] ?? 0;
      order[place] = number;
      starts[step] = place + 1;
    });
    return order;
  }

  private nearest(vector: Float32Array): number {
    this.rows.setQuery(vector);
    let nearest = 0;
    let highest = -Infinity;
    this.scanCentroids((number, score) => {
      if (score <= highest) return;
      highest = score;
      nearest = number;
    });
    return nearest;
  }

  private scanCentroids(visit: (number: number, score: number) => void): void {
    let number = 0;
    for (const block of this.centroids.blocks) {
      const count = Math.min(this.centroids.size - number, blockRows);
      this.rows.scanBlock(block, count, this.scores);
      for (let row = 0; row < count; row++) visit(number++, this.scores[row] ?? 0);
    }
  }

  /** A new cluster around `centroid`. @returns its number */
  private open(centroid: Float32Array): number {
    const number = this.clusters.length;
    this.clusters.push({ blocks: [], size: 0 });
    if (this.centroids.size === this.centroids.blocks.length * blockRows) this.centroids.blocks.push(this.rows.allocate());
    this.centroids.size++;
    this.rows.write(slotOf(this.centroids, number), quantized(centroid));
    return number;
  }

  /** Makes the vectors that are in no cluster a cluster. */
  private adopt(fresh: Cluster): Cluster {
    const number = this.open(this.rows.read(slotOf(fresh, 0)));
    for (const block of fresh.blocks) this.owners[block] = number;
    this.clusters[number] = fresh;
    this.fresh = { blocks: [], size: 0 };
    return fresh;
  }

  /** Takes out an empty cluster; the last one gets its number. */
  private close(number: number, cluster: Cluster): void {
    this.crowded.delete(cluster);
    const last = this.clusters.length - 1;
    const moved = this.clusters.pop();
    if (moved !== undefined && number !== last) {
      this.clusters[number] = moved;
      this.rows.copy(slotOf(this.centroids, last), slotOf(this.centroids, number));
      for (const block of moved.blocks) this.owners[block] = number;
    }
    this.shrink(this.centroids);
  }

  /** A slot at the end of the cluster. */
  private append(number: number, cluster: Cluster, id: number): number {
    if (cluster.size === cluster.blocks.length * blockRows) {
      const block = this.rows.allocate();
      cluster.blocks.push(block);
      this.owners[block] = number;
    }
    const slot = slotOf(cluster, cluster.size++);
    this.ids[slot] = id;
    this.slots.set(id, slot);
    return slot;
  }

  /** Takes out one row; the last one fills the gap. */
  private takeOut(cluster: Cluster, slot: number): void {
    const last = slotOf(cluster, cluster.size - 1);
    if (last !== slot) {
      const moved = this.ids[last] ?? -1;
      this.rows.copy(last, slot);
      this.ids[slot] = moved;
      this.slots.set(moved, slot);
    }
    this.shrink(cluster);
  }

  /** Takes off the last row. */
  private shrink(cluster: Cluster): void {
    cluster.size--;
    if (cluster.size > (cluster.blocks.length - 1) * blockRows) return;
    const block = cluster.blocks.pop();
    if (block !== undefined) this.rows.release(block);
  }

  /** Two-means: the rows nearer to the second centre go to a new cluster. */
  private split(cluster: Cluster): void {
    const { size } = cluster;
    const number = this.owners[cluster.blocks[0] ?? 0] ?? noCluster;
    const stride = Math.ceil(cluster.blocks.length / mostSampled);
    const sampled = Array.from({ length: size }, (_, row) => row).filter((row) => Math.floor(row / blockRows) % stride === 0);
    const centres = this.twoMeans(cluster, sampled, stride);
    const near = [this.products(cluster, centres[0]), this.products(cluster, centres[1])] as const;
    const moving: number[] = [];
    for (let row = size - 1; row >= 0; row--) if ((near[1][row] ?? 0) > (near[0][row] ?? 0)) moving.push(row);
    // Equal vectors have no second centre: any half will do.
    const gone = moving.length === 0 || moving.length === size ? Array.from({ length: size >> 1 }, (_, i) => size - 1 - i) : moving;
    this.rows.write(slotOf(this.centroids, number), quantized(centres[0]));
    const target = this.open(centres[1]);
    const opened = this.clusters[target];
    if (opened === undefined) return;
    // From the end on, so that the row that fills a gap is one that stays.
    for (const row of gone) {
      const slot = slotOf(cluster, row);
      this.rows.copy(slot, this.append(target, opened, this.ids[slot] ?? -1));
      this.takeOut(cluster, slot);
    }
    for (const part of [cluster, opened]) if (part.size > mostInCluster) this.crowded.add(part);
  }

  /** Two centres among the sampled rows of a cluster: those of every `stride`-th block. */
  private twoMeans(cluster: Cluster, sampled: readonly number[], stride: number): [Float32Array, Float32Array] {
    const first = this.rows.read(slotOf(cluster, 0));
    const toFirst = this.products(cluster, first, stride);
    // The second centre begins at the row farthest from the first.
    const farthest = sampled.reduce((far, row) => ((toFirst[row] ?? 0) < (toFirst[far] ?? 0) ? row : far), 0);
    let centres: [Float32Array, Float32Array] = [first, this.rows.read(slotOf(cluster, farthest))];
    for (let round = 0; round < splitRounds; round++) {
      const near = [this.products(cluster, centres[0], stride), this.products(cluster, centres[1], stride)] as const;
      const sums: [Float32Array, Float32Array] = [new Float32Array(this.dimension), new Float32Array(this.dimension)];
      for (const row of sampled) this.rows.addTo(sums[(near[1][row] ?? 0) > (near[0][row] ?? 0) ? 1 : 0], slotOf(cluster, row));
      centres = [unit(sums[0]), unit(sums[1])];
    }
    return centres;
  }

  /** Inner products of `centre` with the rows of every `stride`-th block of the cluster, each at its row's place. */
  private products(cluster: Cluster, centre: Float32Array, stride = 1): Float64Array {
    const products = new Float64Array(cluster.size);
    this.rows.setQuery(centre);
    for (let at = 0; at < cluster.blocks.length; at += stride) {
      const count = Math.min(cluster.size - at * blockRows, blockRows);
      this.rows.scanBlock(cluster.blocks[at] ?? 0, count, this.scores);
      products.set(this.scores.subarray(0, count), at * blockRows);
    }
    return products;
  }
}

/** The slots of the highest scores, lower ids before higher ones among equals: a binary heap with the worst at the top. */
class BestSlots {
  readonly slots: number[] = [];
  private readonly scores: number[] = [];
  private readonly ids: number[] = [];
  /** Score below which nothing is taken any more. */
  least = -Infinity;

  constructor(private readonly most: number) {}

  get size(): number {
    return this.slots.length;
  }

  add(slot: number, score: number, id: number): void {
    const full = this.slots.length === this.most;
    if (full && !this.isWorse(0, score, id)) return;
    let at = full ? this.sinkHole(score, id) : this.slots.length;
    while (!full && at > 0) {
      const parent = (at - 1) >> 1;
      if (this.isWorse(parent, score, id)) break;
      this.move(parent, at);
      at = parent;
    }
    this.slots[at] = slot;
    this.scores[at] = score;
    this.ids[at] = id;
    if (this.slots.length === this.most) this.least = this.scores[0] ?? -Infinity;
  }

  /** Where an entry in the place of the worst belongs, with the better ones moved up. */
  private sinkHole(score: number, id: number): number {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.slots.length) return at;
      if (child + 1 < this.slots.length && this.isWorse(child + 1, this.scores[child] ?? 0, this.ids[child] ?? 0)) child++;
      if (!this.isWorse(child, score, id)) return at;
      this.move(child, at);
      at = child;
    }
  }

  private move(from: number, to: number): void {
    this.slots[to] = this.slots[from] ?? 0;
    this.scores[to] = this.scores[from] ?? 0;
    this.ids[to] = this.ids[from] ?? 0;
  }

  private isWorse(at: number, score: number, id: number): boolean {
    const there = this.scores[at] ?? 0;
    return there < score || (there === score && (this.ids[at] ?? 0) > id);
  }
}

function slotOf({ blocks }: Cluster, row: number): number {
  return (blocks[Math.floor(row / blockRows)] ?? 0) * blockRows + (row % blockRows);
}

function unit(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const x of vector) squares += x * x;
  return squares === 0 ? vector : vector.map((x) => x / Math.sqrt(squares));
}
