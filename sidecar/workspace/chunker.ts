// The seam for cutting a file into fragments.

/** A run of whole lines. */
export interface Chunk {
  /** 1-based, inclusive. */
  readonly startLine: number;
  /** 1-based, inclusive. */
  readonly endLine: number;
  readonly text: string;
}

export interface Chunker {
  /** Changes whenever the same text is cut differently: what was cut under another version is cut again. */
  readonly version: string;
  /** Cuts `text`; chunks come in file order, hold no blank-only text and at most the given number of lines. */
  chunk(path: string, text: string): Chunk[];
}
