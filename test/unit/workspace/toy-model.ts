// A stand-in for the model in tests of storing and searching: fast and deterministic, with vectors without meaning.
import type { WorkspaceIndexOptions } from "../../../sidecar/workspace/index-options";

export const toyDimension = 32;

/** Bytes of path and text. Equal fragments have equal tokens, as with a real tokenizer. */
export const toyFormat: WorkspaceIndexOptions["promptFormat"] = {
  fragmentEmbedding: (path, text) => [...new TextEncoder().encode(`${path}\n${text}`)],
};

/** A unit vector of the text's byte trigrams: similar texts have similar vectors. */
export function toyVector(tokens: readonly number[]): Float32Array {
  const vector = new Float32Array(toyDimension);
  for (let i = 2; i < tokens.length; i++) {
    const hash = Math.imul((tokens[i] ?? 0) + 31 * (tokens[i - 1] ?? 0) + 961 * (tokens[i - 2] ?? 0), 2654435761) >>> 0;
    const at = hash % toyDimension;
    vector[at] = (vector[at] ?? 0) + (hash & 1024 ? 1 : -1);
  }
  const norm = Math.hypot(...vector) || 1;
  return vector.map((x) => x / norm);
}

/** The vector of text as a query. */
export function toyNeed(path: string, text: string): Float32Array {
  return toyVector(toyFormat.fragmentEmbedding(path, text));
}

export interface ToyBackbone {
  readonly backbone: WorkspaceIndexOptions["backbone"];
  /** Token lists embedded so far. */
  readonly seen: (readonly number[])[];
}

/** @param delayMs for each call of `embed` */
export function toyBackbone({
  hash = "a".repeat(64),
  delayMs = 0,
}: {
  hash?: string;
  delayMs?: number;
} = {}): ToyBackbone {
  const seen: (readonly number[])[] = [];
  const model = {
    hash,
    retrieval: {
      dimension: toyDimension,
      normalised: true,
      rank: 1,
      alpha: 1,
      adapters: "shared",
      nullScore: 0,
      queryTokens: 64,
      fragmentTokens: 64,
    },
  } as WorkspaceIndexOptions["backbone"]["model"];
  const embed: WorkspaceIndexOptions["backbone"]["embed"] = async (fragments, signal) => {
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    signal?.throwIfAborted();
    seen.push(...fragments);
    return fragments.map(toyVector);
  };
  return { backbone: { model, embed }, seen };
}

export const silentLog: WorkspaceIndexOptions["log"] = { info: () => {}, warn: () => {} };
