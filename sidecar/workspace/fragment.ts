// A fragment: consecutive whole lines of one workspace file.

export interface Fragment {
  /** `file:` URI of the file, in the form of `normalUri`. */
  readonly uri: string;
  /** Path relative to its workspace folder, with `/`. */
  readonly path: string;
  /** 1-based, inclusive. */
  readonly startLine: number;
  /** 1-based, inclusive. */
  readonly endLine: number;
  /** The lines, joined by `\n`, with no newline at the end. */
  readonly text: string;
  /** Signatures of the definitions around it, outermost first; absent at the top level. Shown to the user, not read by the model. */
  readonly scope?: readonly string[];
}

export interface ScoredFragment {
  readonly fragment: Fragment;
  /** Inner product with the query, -1..1. */
  readonly score: number;
}
