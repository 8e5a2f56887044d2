// The seam for cutting a file into fragments.

/** A run of whole lines. */
export interface Chunk {
  /** 1-based, inclusive. */
  readonly startLine: number;
  /** 1-based, inclusive. */
  readonly endLine: number;
  readonly text: string;
  /** Signatures of the definitions that it is inside of, outermost first; absent at the top level. */
  readonly scope?: readonly string[];
  /** The lines (1-based) of these signatures; set where `scope` is. */
  readonly scopeLines?: readonly number[];
}

export interface Chunker {
  /** Changes whenever the same text is cut differently: what was cut under another version is cut again. */
  readonly version: string;
  /** Cuts `text`, letting other work through on the way; chunks come in file order, do not overlap and hold no blank-only text. */
  chunk(path: string, text: string): Promise<Chunk[]>;
}
