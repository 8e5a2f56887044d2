// Maximum inner product search in many vectors: clusters that split as they grow, the nearest of them scanned.
import { checkDimension, checkLength, compareHits } from "./exact-index";
import { floatsOf, type Quantized, quantized } from "./quantized";
import { blockRows, RowMemory } from "./row-memory";
import type { Accepts, VectorHit, VectorIndex } from "./vector-index";

/** Vectors at which a cluster is split in two. */
const mostInCluster = 256;
/** Blocks of a cluster that its two centres are found by; all its rows are then divided between them. */
const mostSampled = 32;
/** Vectors of the first cluster: its splits are where all others find their way. */
const mostAtFirst = 4096;
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
interface Rows {
  blocks: number[];
  size: number;
}

interface Cluster extends Rows {
  /** Place among the clusters; -1: it is what is in no cluster. */
  number: number;
  /** Vectors beyond which it is split. */
  limit: number;
  parent: Fork | undefined;
}

/** Where a cluster was split: a vector goes on to the part whose centre is nearer. */
interface Fork {
  /** Slot of the first centre; the second is in the next one. */
  readonly centres: number;
  readonly parts: [Cluster | Fork, Cluster | Fork];
  parent: Fork | undefined;
}

/**
 * An inverted file (IVF; Sivic and Zisserman 2003, in FAISS `IndexIVFFlat`) without training: a cluster that has grown
 * too large is split by two-means, so that vectors can come and go at any time and the whole is never clustered anew. A
 * new vector finds its cluster by the tree of these splits (as in Nistér and Stewénius 2006), in a time that grows with
 * its depth. A query scans clusters from the nearest centroid on until it has seen enough vectors. What comes before
 * there is any cluster is scanned as it is until {@link ClusteredIndex.settle} divides it: a restart does not wait for that.
 *
 * Measured on {@link RowMemory}'s rows of the default model's expressions of code, beside FAISS: `npm run bench -- index
 * --only search`. FAISS scans a vector of 256 floats in about 170 ns, its 8-bit quantiser in 350, this memory in 25, which
 * is why clusters here may be scanned so generously; FAISS's graph (HNSW) cannot remove.
 */
export class ClusteredIndex implements VectorIndex {
  readonly name = "clustered";
  private readonly rows: RowMemory;
  /** Row `i` is the centroid of cluster `i`. */
  private readonly centroids: Rows = { blocks: [], size: 0 };
  private readonly clusters: Cluster[] = [];
  private root: Cluster | Fork | undefined;
  /** Slots for the centres of forks. */
  private readonly freeCentres: number[] = [];
  /** Vectors that are in no cluster yet. */
  private readonly fresh: Cluster = { blocks: [], size: 0, number: -1, limit: Infinity, parent: undefined };
  /** Clusters to be split. */
  private readonly crowded = new Set<Cluster>();
  /** Cluster of every block of vectors. */
  private readonly owners: (Cluster | undefined)[] = [];
  /** Id of every slot; of slots not in use anything. */
  private readonly ids: number[] = [];
  /** Slot of every id, -1 where it was removed: ids are given one after another, and a map of a million takes its time. */
  private readonly slots: number[] = [];
  private live = 0;
  private readonly scores = new Float64Array(blockRows);

  constructor(
    readonly dimension: number,
    readonly reason: string,
  ) {
    checkDimension(dimension);
    this.rows = new RowMemory(dimension);
  }

  get size(): number {
    return this.live;
  }

  add(id: number, vector: Quantized): void {
    checkLength(vector.values, this.dimension, "a vector");
    if ((this.slots[id] ?? -1) >= 0)
      throw new RangeError(`expected an id that is not in the index, found ${id}: remove it first`);
    const cluster = this.root === undefined ? this.fresh : this.nearest(this.root, floatsOf(vector));
    this.rows.write(this.append(cluster, id), vector);
    this.live++;
  }

  settle(milliseconds: number): boolean {
    const end = performance.now() + milliseconds;
    if (this.root === undefined && this.fresh.size > scannedAlways) this.begin();
    for (;;) {
      const [crowded] = this.crowded;
      if (crowded === undefined && (this.root === undefined || this.fresh.size === 0)) return false;
      if (performance.now() >= end) return true;
      if (crowded !== undefined) {
        this.crowded.delete(crowded);
        if (crowded.size > crowded.limit) this.split(crowded);
      } else if (this.root !== undefined) {
        const slot = slotOf(this.fresh, this.fresh.size - 1);
        this.move(slot, this.fresh, this.nearest(this.root, this.rows.read(slot)));
      }
    }
  }

  remove(ids: readonly number[]): void {
    for (const id of ids) {
      const slot = this.slots[id] ?? -1;
      if (slot < 0) continue;
      this.slots[id] = -1;
      this.live--;
      const cluster = this.owners[Math.floor(slot / blockRows)] ?? this.fresh;
      this.takeOut(cluster, slot);
      if (cluster.size === 0 && cluster !== this.fresh) this.close(cluster);
    }
  }

  search(query: Float32Array, k: number, accepts?: Accepts): VectorHit[] {
    checkLength(query, this.dimension, "a query");
    const wanted = Math.floor(k);
    if (wanted < 1 || this.size === 0) return [];
    const best = new BestSlots(Math.min(this.size, wanted + slack));
    this.rows.setQuery(query);
    this.scan(this.fresh, best, accepts);
    const clustered = this.size - this.fresh.size;
    const enough = scannedAlways + Math.max(0, clustered - scannedAlways) * scannedShare;
    let scanned = 0;
    for (const number of clustered <= enough ? this.clusters.keys() : this.nearestFirst(query)) {
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
      const first = block * blockRows;
      this.rows.scan(first, count, scores);
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

  /** Cluster numbers from the nearest centroid on. */
  private nearestFirst(query: Float32Array): Iterable<number> {
    const products = this.products(this.centroids, query);
    let lowest = Infinity;
    let highest = -Infinity;
    for (const score of products) {
      lowest = Math.min(lowest, score);
      highest = Math.max(highest, score);
    }
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

  /** The cluster below `part` that a vector belongs to. */
  private nearest(part: Cluster | Fork, vector: Float32Array): Cluster {
    this.rows.setQuery(vector);
    while ("parts" in part) {
      this.rows.scan(part.centres, 2, this.scores);
      part = part.parts[(this.scores[1] ?? 0) > (this.scores[0] ?? 0) ? 1 : 0];
    }
    return part;
  }

  /** Makes vectors that are in no cluster the first one: blocks evenly from all of them. */
  private begin(): void {
    const { fresh } = this;
    const full = Math.floor(fresh.size / blockRows);
    const stride = Math.ceil((full * blockRows) / mostAtFirst);
    const root = this.open(this.rows.read(slotOf(fresh, 0)));
    root.blocks = fresh.blocks.filter((_, at) => at < full && at % stride === 0);
    root.size = root.blocks.length * blockRows;
    fresh.blocks = fresh.blocks.filter((_, at) => at >= full || at % stride > 0);
    fresh.size -= root.size;
    for (const block of root.blocks) this.owners[block] = root;
    this.root = root;
    this.crowded.add(root);
  }

  /** A new cluster around `centroid`. */
  private open(centroid: Float32Array): Cluster {
    const cluster: Cluster = {
      blocks: [],
      size: 0,
      number: this.clusters.length,
      limit: mostInCluster,
      parent: undefined,
    };
    this.clusters.push(cluster);
    if (this.centroids.size === this.centroids.blocks.length * blockRows)
      this.centroids.blocks.push(this.rows.allocate());
    this.centroids.size++;
    this.rows.write(slotOf(this.centroids, cluster.number), quantized(centroid));
    return cluster;
  }

  /** Takes out an empty cluster: the last one gets its number, the other part of its fork the fork's place. */
  private close(cluster: Cluster): void {
    const { number, parent } = cluster;
    this.crowded.delete(cluster);
    const moved = this.clusters.pop();
    if (moved !== undefined && moved !== cluster) {
      this.rows.copy(slotOf(this.centroids, moved.number), slotOf(this.centroids, number));
      this.clusters[number] = moved;
      moved.number = number;
    }
    this.shrink(this.centroids);
    if (parent === undefined) this.root = undefined;
    else {
      this.replace(parent, parent.parts[parent.parts[0] === cluster ? 1 : 0]);
      this.freeCentres.push(parent.centres);
    }
  }

  /** Puts `part` where `former` is in the tree. */
  private replace(former: Cluster | Fork, part: Cluster | Fork): void {
    const { parent } = former;
    part.parent = parent;
    if (parent === undefined) this.root = part;
    else parent.parts[parent.parts[0] === former ? 0 : 1] = part;
  }

  /** A slot at the end of the cluster. */
  private append(cluster: Cluster, id: number): number {
    if (cluster.size === cluster.blocks.length * blockRows) {
      const block = this.rows.allocate();
      cluster.blocks.push(block);
      this.owners[block] = cluster;
    }
    const slot = slotOf(cluster, cluster.size++);
    this.ids[slot] = id;
    this.slots[id] = slot;
    if (cluster.size > cluster.limit) this.crowded.add(cluster);
    return slot;
  }

  /** Moves one row of a cluster to the end of another. */
  private move(slot: number, from: Cluster, to: Cluster): void {
    this.rows.copy(slot, this.append(to, this.ids[slot] ?? -1));
    this.takeOut(from, slot);
  }

  /** Takes out one row; the last one fills the gap. */
  private takeOut(cluster: Cluster, slot: number): void {
    const last = slotOf(cluster, cluster.size - 1);
    if (last !== slot) {
      const moved = this.ids[last] ?? -1;
      this.rows.copy(last, slot);
      this.ids[slot] = moved;
      this.slots[moved] = slot;
    }
    this.shrink(cluster);
  }

  /** Takes off the last row. */
  private shrink(rows: Rows): void {
    rows.size--;
    if (rows.size > (rows.blocks.length - 1) * blockRows) return;
    const block = rows.blocks.pop();
    if (block !== undefined) this.rows.release(block);
  }

  /** Two-means (a step of Lloyd's algorithm a round): the rows nearer to the second centre go to a new cluster. */
  private split(cluster: Cluster): void {
    const { size } = cluster;
    const stride = Math.ceil(cluster.blocks.length / mostSampled);
    const centres = this.twoMeans(cluster, stride);
    const [near, far] = [this.products(cluster, centres[0]), this.products(cluster, centres[1])];
    const moving: number[] = [];
    for (let row = size - 1; row >= 0; row--) if ((far[row] ?? 0) > (near[row] ?? 0)) moving.push(row);
    if (moving.length === 0 || moving.length === size) {
      // Equal vectors have no second centre.
      cluster.limit = 2 * size;
      return;
    }
    this.rows.write(slotOf(this.centroids, cluster.number), quantized(centres[0]));
    const opened = this.open(centres[1]);
    const fork: Fork = { centres: this.placeOfCentres(), parts: [cluster, opened], parent: undefined };
    this.rows.write(fork.centres, quantized(centres[0]));
    this.rows.write(fork.centres + 1, quantized(centres[1]));
    this.replace(cluster, fork);
    cluster.parent = opened.parent = fork;
    cluster.limit = mostInCluster;
    // From the end on, so that the row that fills a gap is one that stays.
    for (const row of moving) this.move(slotOf(cluster, row), cluster, opened);
    if (cluster.size > cluster.limit) this.crowded.add(cluster);
  }

  /** Two neighbouring slots. */
  private placeOfCentres(): number {
    const free = this.freeCentres.pop();
    if (free !== undefined) return free;
    const first = this.rows.allocate() * blockRows;
    for (let slot = first + 2; slot < first + blockRows; slot += 2) this.freeCentres.push(slot);
    return first;
  }

  /** Two centres among the sampled rows of a cluster: those of every `stride`-th block. */
  private twoMeans(cluster: Cluster, stride: number): [Float32Array, Float32Array] {
    const sampled: number[] = [];
    for (let row = 0; row < cluster.size; row++) if (Math.floor(row / blockRows) % stride === 0) sampled.push(row);
    const first = this.rows.read(slotOf(cluster, 0));
    const toFirst = this.products(cluster, first, stride);
    // The second centre begins at the row farthest from the first.
    const farthest = sampled.reduce((far, row) => ((toFirst[row] ?? 0) < (toFirst[far] ?? 0) ? row : far), 0);
    let centres: [Float32Array, Float32Array] = [first, this.rows.read(slotOf(cluster, farthest))];
    for (let round = 0; round < splitRounds; round++) {
      const near = [this.products(cluster, centres[0], stride), this.products(cluster, centres[1], stride)] as const;
      const sums = [new Float64Array(this.dimension), new Float64Array(this.dimension)] as const;
      for (const row of sampled)
        this.rows.addTo(sums[(near[1][row] ?? 0) > (near[0][row] ?? 0) ? 1 : 0], slotOf(cluster, row));
      centres = [unit(sums[0]), unit(sums[1])];
    }
    return centres;
  }

  /** Inner products of `vector` with the rows of every `stride`-th block, each at its row's place. */
  private products({ blocks, size }: Rows, vector: Float32Array, stride = 1): Float64Array {
    const products = new Float64Array(size);
    this.rows.setQuery(vector);
    for (let at = 0; at < blocks.length; at += stride) {
      const count = Math.min(size - at * blockRows, blockRows);
      this.rows.scan((blocks[at] ?? 0) * blockRows, count, this.scores);
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
      if (child + 1 < this.slots.length && this.isWorse(child + 1, this.scores[child] ?? 0, this.ids[child] ?? 0))
        child++;
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

function slotOf({ blocks }: Rows, row: number): number {
  return (blocks[Math.floor(row / blockRows)] ?? 0) * blockRows + (row % blockRows);
}

function unit(vector: Float64Array): Float32Array {
  let squares = 0;
  for (const x of vector) squares += x * x;
  const norm = squares === 0 ? 1 : Math.sqrt(squares);
  const made = new Float32Array(vector.length);
  for (let i = 0; i < made.length; i++) made[i] = (vector[i] ?? 0) / norm;
  return made;
}
