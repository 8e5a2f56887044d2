// Reads code without a parser: which brackets are open at a point, and whether it is in a string or a comment.
import type { Syntax } from "./syntax";

const closerOf: ReadonlyMap<string, string> = new Map([
  ["(", ")"],
  ["[", "]"],
  ["{", "}"],
]);
const closers: ReadonlySet<string> = new Set(closerOf.values());

export interface OpenBracket {
  readonly open: string;
  readonly close: string;
  /** Offset in the scanned text. */
  readonly offset: number;
  /** Width of the white space that starts its line. */
  readonly indent: number;
}

interface UnmatchedCloser {
  readonly close: string;
  readonly offset: number;
  /** Width of the white space before it when it comes first on its line. */
  readonly indent: number | undefined;
}

interface Inside {
  readonly kind: "string" | "comment";
  /** The text that ends it; a newline ends it too unless `multiline`. */
  readonly until: string;
  readonly multiline: boolean;
}

const template: Inside = { kind: "string", until: "`", multiline: true };

const regularExpression: Inside = { kind: "string", until: "/", multiline: false };

/** Text before a `/` that begins a regular expression. */
const beforeExpression = /(?:^|[(=,:[!&|?{};>]|\b(?:return|typeof|case|of|in|do|else|await|yield))\s*$/;

/** Width of a tab when indentation is compared. */
const tabWidth = 4;

/** By syntax and ASCII code, whether a character has no meaning for the scanner; all other characters have none. */
const plainCharacters = new WeakMap<Syntax, Uint8Array>();

/** 1 for each ASCII character that is not white space, not a bracket, and begins no comment, string or literal of `syntax`. */
function plainIn(syntax: Syntax): Uint8Array {
  let plain = plainCharacters.get(syntax);
  if (plain === undefined) {
    plain = new Uint8Array(128).fill(1);
    const marks = [
      ...syntax.lineComments,
      ...syntax.blockComments.map(([open]) => open),
      ...syntax.quotes.map(({ mark }) => mark),
    ];
    for (const mark of [" ", "\t", "\r", "\n", "'", "/", "\\", ...closerOf.keys(), ...closers, ...marks])
      plain[mark.charCodeAt(0)] = 0;
    plainCharacters.set(syntax, plain);
  }
  return plain;
}

/** Width in columns of the white space that starts `line`. */
export function indentOf(line: string): number {
  let width = 0;
  for (const character of line) {
    if (character === " ") width += 1;
    else if (character === "\t") width += tabWidth;
    else break;
  }
  return width;
}

/**
 * Reads text once, left to right, and knows at every point which brackets are open and whether the point is in a string or a
 * comment. Code at a cursor is usually incomplete, so a closing bracket without an opening one is recorded and ignored.
 */
export class Scanner {
  readonly open: OpenBracket[] = [];
  readonly unmatched: UnmatchedCloser[] = [];
  /** Number of brackets that were still open when a bracket around them was closed. */
  mismatches = 0;
  private readonly plain: Uint8Array;
  private insideNow: Inside | undefined;
  private insideSince = 0;
  private indent = 0;
  private onlySpaceSoFar = true;
  private offset = 0;
  /** Brackets that were open in the scanner this one continues; their closing brackets are unmatched here. */
  private readonly inherited: readonly OpenBracket[] = [];

  constructor(
    private readonly syntax: Syntax,
    start?: Scanner,
  ) {
    this.plain = plainIn(syntax);
    if (start !== undefined) {
      this.insideNow = start.insideNow;
      this.indent = start.indent;
      this.onlySpaceSoFar = start.onlySpaceSoFar;
      this.inherited = [...start.open];
    }
  }

  /** Whether both are in code, or in the same kind of string or comment. */
  isLike({ insideNow }: Scanner): boolean {
    return this.insideNow?.kind === insideNow?.kind && this.insideNow?.until === insideNow?.until;
  }

  /** A copy of this scanner that is in another string or comment, or in none. */
  inside(inside: Inside | undefined): Scanner {
    const other = new Scanner(this.syntax);
    other.open.push(...this.open);
    other.unmatched.push(...this.unmatched);
    other.indent = this.indent;
    other.onlySpaceSoFar = this.onlySpaceSoFar;
    other.insideNow = inside;
    return other;
  }

  get insideString(): boolean {
    return this.insideNow?.kind === "string";
  }

  /** The text that ends the string around this point. */
  get closingQuote(): string | undefined {
    return this.insideNow?.kind === "string" ? this.insideNow.until : undefined;
  }

  /** What ends the string or comment around this point; empty in code and in a comment that ends with its line. */
  get until(): string {
    return this.insideNow?.until ?? "";
  }

  /** Offset in the scanned text at which the last string or comment begins, behind the mark that opens it. */
  get insideStart(): number {
    return this.insideSince;
  }

  get insideComment(): boolean {
    return this.insideNow?.kind === "comment";
  }

  /** Whether the string or comment around this point may continue after a newline. */
  get insideMultiline(): boolean {
    return this.insideNow?.multiline === true;
  }

  /** Reads all of `text`. @param offset added to the offsets of brackets: the length of the text read before */
  read(text: string, offset = 0): this {
    this.offset = offset;
    for (let index = 0; index < text.length; ) index = this.step(text, index);
    this.offset = 0;
    return this;
  }

  /** Reads the token at `index` and returns the index after it. */
  step(text: string, index: number): number {
    // Most characters of code are letters: they are handled first.
    if (this.insideNow === undefined && this.plain[text.charCodeAt(index)] !== 0) {
      this.onlySpaceSoFar = false;
      return index + 1;
    }
    const character = text.charAt(index);
    if (character === "\n") {
      if (this.insideNow?.multiline === false) this.insideNow = undefined;
      this.indent = 0;
      this.onlySpaceSoFar = true;
      return index + 1;
    }
    if (this.insideNow !== undefined) return this.stepInside(this.insideNow, text, index);
    if (character === " " || character === "\t" || character === "\r") {
      if (this.onlySpaceSoFar) this.indent += character === "\t" ? tabWidth : 1;
      return index + 1;
    }
    const next = this.stepCode(character, text, index);
    this.onlySpaceSoFar = false;
    return next;
  }

  /** @param index in the text that is being read, of what comes after the opening mark @returns the index */
  private enter(inside: Inside, index: number): number {
    this.insideNow = inside;
    this.insideSince = this.offset + index;
    return index;
  }

  private stepInside(inside: Inside, text: string, index: number): number {
    if (inside.kind === "string" && text.charAt(index) === "\\" && text.charAt(index + 1) !== "\n") return index + 2;
    if (inside === regularExpression && text.charAt(index) === "[") {
      // A slash in a character class does not end the expression.
      return index + (/^\[(?:\\.|[^\]\\\n])*\]?/.exec(text.slice(index))?.[0].length ?? 1);
    }
    if (this.syntax.script && inside.until === template.until && text.startsWith("${", index)) {
      this.insideNow = undefined;
      this.open.push({ open: "${", close: "}", offset: this.offset + index, indent: this.indent });
      return index + 2;
    }
    if (inside.until !== "" && text.startsWith(inside.until, index)) {
      this.insideNow = undefined;
      return index + inside.until.length;
    }
    return index + 1;
  }

  private stepCode(character: string, text: string, index: number): number {
    const comment = this.commentAt(text, index);
    if (comment !== undefined) return this.enter(comment.inside, comment.end);
    // As in `50\%` of LaTeX and `\#` of a makefile.
    if (character === "\\" && this.commentAt(text, index + 1)?.inside.until === "") return index + 2;
    for (const quote of this.syntax.quotes) {
      if (text.startsWith(quote.mark, index)) {
        return this.enter({ kind: "string", until: quote.mark, multiline: quote.multiline }, index + quote.mark.length);
      }
    }
    if (character === "'" && this.syntax.loneApostrophes) {
      const literal = /^'(?:\\[^\n]{1,8}?|[^'\\\n])'/.exec(text.slice(index, index + 12));
      return index + (literal?.[0].length ?? 1);
    }
    if (character === "/" && this.syntax.script && beforeExpression.test(text.slice(Math.max(0, index - 24), index))) {
      return this.enter(regularExpression, index + 1);
    }
    const close = closerOf.get(character);
    if (close !== undefined)
      this.open.push({ open: character, close, offset: this.offset + index, indent: this.indent });
    else if (closers.has(character)) this.close(character, this.offset + index);
    return index + 1;
  }

  /** The comment that begins at `index`, and where its text begins. */
  private commentAt(text: string, index: number): { readonly inside: Inside; readonly end: number } | undefined {
    // First, because a line comment's mark may begin a block comment's, such as `#` and `#=`.
    for (const [open, close] of this.syntax.blockComments) {
      if (text.startsWith(open, index))
        return { inside: { kind: "comment", until: close, multiline: true }, end: index + open.length };
    }
    for (const mark of this.syntax.lineComments) {
      // A mark that is a word, such as `REM`, is none at the end of another word.
      if (text.startsWith(mark, index) && !(/^\w/.test(mark) && /\w/.test(text.charAt(index - 1))))
        return { inside: { kind: "comment", until: "", multiline: false }, end: index + mark.length };
    }
    return undefined;
  }

  private close(character: string, offset: number): void {
    const at = this.open.findLastIndex((bracket) => bracket.close === character);
    const closed = this.open[at] ?? this.inherited[this.inherited.length - 1 - this.unmatched.length];
    if (at >= 0) {
      this.mismatches += this.open.length - 1 - at;
      this.open.length = at;
    } else this.unmatched.push({ close: character, offset, indent: this.onlySpaceSoFar ? this.indent : undefined });
    if (closed?.open === "${" && character === "}") this.enter(template, offset - this.offset + 1);
  }
}
