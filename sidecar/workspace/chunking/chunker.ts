// The seam for cutting a file into fragments.

/** Consecutive whole lines. */
export interface Chunk {
  /** 1-based, inclusive. */
  readonly startLine: number;
  /** 1-based, inclusive. */
  readonly endLine: number;
  readonly text: string;
  /** Signatures of the definitions around it, outermost first; absent at the top level. */
  readonly scope?: readonly string[];
  /** The lines (1-based) of these signatures; set where `scope` is. */
  readonly scopeLines?: readonly number[];
}

export interface Chunker {
  /** Changes whenever the same text would be cut differently: files are then read again. */
  readonly version: string;
  /**
   * Cuts `text`, yielding to other work in between. Chunks are in file order, do not overlap, and are never blank.
   * @param languageId default: the language of the file's name
   */
  chunk(path: string, text: string, languageId?: string): Promise<Chunk[]>;
}
