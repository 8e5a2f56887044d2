// The vector index alone: time, memory and recall of a search by the number of fragments.
import { readFile, writeFile } from "node:fs/promises";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { createChunker } from "../../../sidecar/workspace/chunking/create-chunker";
import { createVectorIndex } from "../../../sidecar/workspace/vectors/create-vector-index";
import { loadFaiss } from "../../../sidecar/workspace/vectors/faiss-addon";
import { FaissIndex } from "../../../sidecar/workspace/vectors/faiss-index";
import { FlatIndex } from "../../../sidecar/workspace/vectors/flat-index";
import { quantized } from "../../../sidecar/workspace/vectors/quantized";
import type { VectorIndex } from "../../../sidecar/workspace/vectors/vector-index";
import { readSources } from "../cursors";
import { randomNumbers } from "../inference/tokens";
import { percentile } from "../statistics";

export interface VectorsOptions {
  readonly workspace: string;
  readonly modelPath: string;
  readonly grammarPath: string;
  readonly threads: number;
  readonly fragments: number;
  /** File to which the vectors are written: rows of float32, the queries first. */
  readonly target: string;
  /** Set: random unit vectors of this dimension in place of the model's. */
  readonly dimension?: number;
}

export interface Vectors {
  readonly path: string;
  readonly dimension: number;
  readonly queries: number;
  readonly fragments: number;
}

const queryCount = 300;

/** The model's vectors of real fragments and of queries at real cursors; or random ones. */
export async function vectorsPhase(options: VectorsOptions): Promise<Vectors> {
  const { dimension } = options;
  const { queries, fragments } =
    dimension === undefined
      ? await modelVectors(options)
      : {
          queries: Array.from({ length: queryCount }, (_, at) => unitVector(dimension, at + 1)),
          fragments: Array.from({ length: options.fragments }, (_, at) => unitVector(dimension, queryCount + at + 1)),
        };
  await writeFile(
    options.target,
    Buffer.concat([...queries, ...fragments].map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength))),
  );
  return {
    path: options.target,
    dimension: queries[0]?.length ?? 0,
    queries: queries.length,
    fragments: fragments.length,
  };
}

async function modelVectors(options: VectorsOptions): Promise<{ queries: Float32Array[]; fragments: Float32Array[] }> {
  const model = await loadModelPackage(options.modelPath);
  const format = new PromptFormat(model, await Tokenizer.load(model));
  const backbone = await createBackbone(model, { provider: "auto", threads: options.threads });
  const chunker = await createChunker(options.grammarPath, () => {});
  const random = randomNumbers(3);
  const fragments: Float32Array[] = [];
  const queries: Float32Array[] = [];
  const each = Math.max(1, Math.floor(options.fragments / queryCount));
  for (const [path, text] of await readSources(options.workspace)) {
    if (fragments.length >= options.fragments) break;
    fragments.push(
      ...(await backbone.embed(
        (await chunker.chunk(path, text)).map((chunk) => format.fragmentEmbedding(path, chunk.text)),
      )),
    );
    while (queries.length * each < fragments.length && queries.length < queryCount)
      queries.push(
        await backbone.express(format.query(path, text.slice(0, Math.floor(text.length * (0.2 + 0.7 * random()))))),
      );
  }
  await backbone.dispose();
  return { queries, fragments: fragments.slice(0, options.fragments) };
}

function unitVector(dimension: number, seed: number): Float32Array {
  const random = randomNumbers(seed);
  const vector = Float32Array.from({ length: dimension }, () => random() - 0.5);
  const norm = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return vector.map((x) => x / norm);
}

export interface SearchOptions {
  readonly vectors: Vectors;
  readonly fragments: number;
  /** The index: the one that the product chooses, or a given one for comparison. */
  readonly kind: "chosen" | "faiss" | "flat";
}

export interface SearchResult {
  readonly fragments: number;
  /** How many of them were computed by the model; the others are mixtures of these. */
  readonly real: number;
  readonly kind: string;
  /** Percentiles over the queries in milliseconds; the best of several rounds for each, because other processes may interfere. */
  readonly p50: number;
  readonly p99: number;
  readonly recall: number;
  readonly addMs: number;
  readonly removeMs: number;
  readonly bytesPerFragment: number;
}

const rounds = 5;
const searched = 32;
const recalled = 10;
const comparedQueries = 150;

/** Measures one size of one index in this process. */
export async function searchPhase({ vectors, fragments, kind }: SearchOptions): Promise<SearchResult> {
  const { dimension } = vectors;
  const rows = await unpacked(vectors);
  const queries = rows.slice(0, vectors.queries);
  const originals = rows.slice(vectors.queries);
  const vectorOf = mixtures(originals, dimension);
  const memory = (): number => {
    globalThis.gc?.();
    return process.memoryUsage().rss;
  };
  const loaded = loadFaiss();
  const before = memory();
  const index: VectorIndex =
    kind === "chosen"
      ? createVectorIndex(dimension)
      : kind === "flat" || "failure" in loaded
        ? new FlatIndex(dimension, "")
        : new FaissIndex(loaded.addon, dimension, "", fragments);
  const began = performance.now();
  for (let id = 0; id < fragments; id++) index.add(id, quantized(vectorOf(id)));
  while (index.maintain(10));
  const addMs = (performance.now() - began) / fragments;
  const bytesPerFragment = (memory() - before) / fragments;

  const best = queries.map(() => Infinity);
  for (let round = 0; round < rounds; round++) {
    queries.forEach((query, at) => {
      const start = performance.now();
      index.search(query, Math.min(searched, fragments));
      best[at] = Math.min(best[at] ?? Infinity, performance.now() - start);
    });
  }
  const times = { p50: percentile(best, 0.5), p99: percentile(best, 0.99) };

  const compared = queries.slice(0, comparedQueries);
  const exact = exactBest(compared, fragments, vectorOf);
  const found = compared.map((query, at) => {
    const right = new Set(exact[at]);
    return index.search(query, recalled).filter(({ id }) => right.has(id)).length / right.size;
  });
  const gone = Array.from({ length: Math.floor(fragments / 10) }, (_, i) => i * 10);
  const removing = performance.now();
  index.remove(gone);
  const removeMs = (performance.now() - removing) / gone.length;
  return {
    fragments,
    real: Math.min(fragments, originals.length),
    kind: index.name,
    ...times,
    recall: found.reduce((sum, x) => sum + x, 0) / found.length,
    addMs,
    removeMs,
    bytesPerFragment,
  };
}

/** Ids of the best hits for each query by exhaustive search. Vectors are computed one at a time to save memory. */
function exactBest(
  queries: readonly Float32Array[],
  fragments: number,
  vectorOf: (id: number) => Float32Array,
): number[][] {
  const best = queries.map((): { id: number; score: number }[] => []);
  for (let id = 0; id < fragments; id++) {
    const vector = vectorOf(id);
    queries.forEach((query, at) => {
      let score = 0;
      for (let i = 0; i < vector.length; i++) score += (query[i] ?? 0) * (vector[i] ?? 0);
      const list = best[at] ?? [];
      if (list.length >= recalled && score <= (list.at(-1)?.score ?? 0)) return;
      list.push({ id, score });
      list.sort((a, b) => b.score - a.score);
      list.length = Math.min(list.length, recalled);
    });
  }
  return best.map((list) => list.map(({ id }) => id));
}

/** Vector `id`: a real one or, beyond their number, a real one moved by a part of the difference of two others. */
function mixtures(originals: readonly Float32Array[], dimension: number): (id: number) => Float32Array {
  const at = (index: number): Float32Array => originals[index % originals.length] ?? new Float32Array(dimension);
  return (id) => {
    if (id < originals.length) return at(id);
    const random = randomNumbers(id);
    random();
    const [a, b, c, part] = [
      at(id),
      at(Math.floor(random() * originals.length)),
      at(Math.floor(random() * originals.length)),
      0.3 + 0.3 * random(),
    ];
    const vector = a.map((x, i) => x + part * ((b[i] ?? 0) - (c[i] ?? 0)));
    const norm = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
    return vector.map((x) => x / norm);
  };
}

async function unpacked({ path, dimension }: Vectors): Promise<Float32Array[]> {
  const bytes = await readFile(path);
  const all = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  return Array.from({ length: all.length / dimension }, (_, row) =>
    all.subarray(row * dimension, (row + 1) * dimension),
  );
}
