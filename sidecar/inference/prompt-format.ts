// Renders paths and code as token rows by the templates of model.json, as in training.
import { importStatements } from "../languages/import-statements";
import type { ModelPackage } from "./package/model-package";
import type { Tokenizer } from "./tokenizer";

type Slot = "path" | "text" | "prefix" | "suffix" | "imports";
/** A piece of a template: fixed token ids, or a slot. */
type Piece = readonly number[] | Slot;

interface Template {
  readonly pieces: readonly Piece[];
  /** Number of tokens of the fixed pieces. */
  readonly frame: number;
  /** Number of places of the path. */
  readonly paths: number;
}

/** Share of the tokens that the suffix gets when prefix and suffix are both too long. */
const suffixShare = 0.25;
/** Step of the anchors in characters for every 64 tokens of the limit: about a quarter of the limit. */
const anchorCharacters = 48;
/** First guess of the characters in a token; doubled while that turns out too few. */
const charactersPerToken = 5;
/** A cut text must have so many tokens beyond the limit, since its first tokens may differ from those of the whole text. */
const margin = 16;

/**
 * Where code that is too long begins: `nearest`, with as much as fits, or `anchored`, at a line that stays the first one while
 * text is appended, until the beginning moves on by about a quarter of the limit.
 */
export type CodeStart = "nearest" | "anchored";

/**
 * Renders prompts as token ids. Each slot is tokenised by itself, so that no token crosses its border, as in training.
 * Limits are total tokens of the rendered piece, template included.
 */
export class PromptFormat {
  /** Order of the fragments in a prompt. */
  readonly fragmentOrder: "best-last" | "best-first";
  /** Ids that end a generation. */
  readonly stopTokens: ReadonlySet<number>;
  private readonly templates: Readonly<Record<"fragment" | "leftToRight" | "query" | "fragmentEmbedding", Template>>;
  private readonly middle: Template | undefined;
  /** Special tokens that precede a path, and the token that ends it. */
  private readonly pathMarkers: ReadonlySet<number>;
  private readonly pathEnd: number | undefined;

  constructor(
    private readonly model: ModelPackage,
    private readonly tokenizer: Tokenizer,
  ) {
    const { prompt } = model;
    this.fragmentOrder = prompt.fragmentOrder;
    this.stopTokens = new Set(prompt.stopTokens.map((token) => tokenizer.tokenOf(token)));
    this.templates = {
      fragment: this.compile(prompt.fragment),
      leftToRight: this.compile(prompt.leftToRight),
      query: this.compile(prompt.query),
      fragmentEmbedding: this.compile(prompt.fragmentEmbedding),
    };
    const marked = [prompt.fragment, prompt.leftToRight].map(
      (template) => template[template.indexOf("{path}") - 1] ?? "",
    );
    this.pathMarkers = new Set(
      marked.filter((piece) => tokenizer.isSpecial(piece)).map((piece) => tokenizer.tokenOf(piece)),
    );
    this.pathEnd = tokenizer.encode("\n")[0];
    this.middle = prompt.fillInMiddle === undefined ? undefined : this.compile(prompt.fillInMiddle);
  }

  /**
   * The retrieval query: the code before the cursor, cut from the left to `limit` tokens, and in addition up to
   * `retrieval.importTokens` of the import statements above it, where the model's template has a slot for them. It is anchored,
   * so that typing appends to a query that the KV cache holds.
   * @throws RangeError when `limit` leaves no room for a token of code.
   */
  query(path: string, prefix: string, limit: number = this.model.retrieval.queryTokens): number[] {
    const template = this.templates.query;
    const { importTokens = 0 } = this.model.retrieval;
    const imports =
      importTokens > 0 && template.pieces.includes("imports") ? this.tail(importStatements(prefix), importTokens) : [];
    return this.withPrefix(template, path, prefix, limit, imports, "anchored");
  }

  /** A fragment to be embedded, its text cut from the right to the `retrieval.fragmentTokens` of the model. */
  fragmentEmbedding(path: string, text: string): number[] {
    return this.withText(this.templates.fragmentEmbedding, path, text, this.model.retrieval.fragmentTokens);
  }

  /** A fragment for the prompt, its text cut from the right; empty when `limit` leaves no room for a token of text. */
  fragment(path: string, text: string, limit: number = this.model.contextLength): number[] {
    return this.withText(this.templates.fragment, path, text, limit);
  }

  /** The prompt where nothing follows the cursor; the prefix is cut from the left. @throws RangeError as {@link query}. */
  leftToRight(path: string, prefix: string, limit: number, start: CodeStart = "nearest"): number[] {
    return this.withPrefix(this.templates.leftToRight, path, prefix, limit, [], start);
  }

  /**
   * The prompt with code on both sides: in the model's fill-in-the-middle form, or with the code after the cursor as a piece
   * of its own in front of the code before it. The prefix is cut from the left and the suffix from the right; where both are too
   * long, the suffix gets a quarter of the tokens. Tokens that one side does not need go to the other. A model without a
   * fill-in-the-middle template gets the left-to-right prompt.
   * @throws RangeError as {@link query}.
   */
  fillInMiddle(path: string, prefix: string, suffix: string, limit: number, start: CodeStart = "nearest"): number[] {
    const template = this.middle;
    if (template === undefined) return this.leftToRight(path, prefix, limit, start);
    const pathTokens = this.path(path);
    const room = this.room(template, pathTokens, limit);
    const before = this.tail(prefix, room);
    const after = this.head(suffix, room);
    const afterTokens = Math.min(after.length, Math.max(Math.floor(room * suffixShare), room - before.length));
    const beforeTokens = Math.min(before.length, room - afterTokens);
    return this.render(template, {
      path: pathTokens,
      prefix:
        start === "anchored" && beforeTokens > 0
          ? this.anchored(prefix, beforeTokens)
          : before.slice(before.length - beforeTokens),
      suffix: after.slice(0, afterTokens),
    });
  }

  /** The prompt with the path marker in place of each token of a path, since a path is not code. */
  withoutPaths(prompt: readonly number[]): number[] {
    let marker: number | undefined;
    let left = 0;
    return prompt.map((token) => {
      if (this.pathMarkers.has(token)) {
        marker = token;
        left = this.model.prompt.maxPathTokens;
        return token;
      }
      if (token === this.pathEnd || left === 0) marker = undefined;
      left -= 1;
      return marker ?? token;
    });
  }

  private withPrefix(
    template: Template,
    path: string,
    prefix: string,
    limit: number,
    imports: readonly number[],
    start: CodeStart = "nearest",
  ): number[] {
    const pathTokens = this.path(path);
    const room = this.room(template, pathTokens, limit);
    return this.render(template, {
      path: pathTokens,
      imports,
      prefix: start === "anchored" ? this.anchored(prefix, room) : this.tail(prefix, room),
    });
  }

  private withText(template: Template, path: string, text: string, limit: number): number[] {
    const pathTokens = this.path(path);
    const room = limit - template.frame - pathTokens.length;
    if (room < 1) return [];
    return this.render(template, { path: pathTokens, text: this.head(text.replace(/\r?\n?$/, ""), room) });
  }

  private room(template: Template, path: readonly number[], limit: number): number {
    const used = template.frame + template.paths * path.length;
    const room = limit - used;
    if (room < 1)
      throw new RangeError(
        `expected a limit above the ${used} tokens of template and path, found ${limit}: raise the limit`,
      );
    return room;
  }

  private path(path: string): readonly number[] {
    return this.tail(path, this.model.prompt.maxPathTokens);
  }

  /** The last `limit` tokens of `text`. Encodes only as much of a long text as they need. */
  private tail(text: string, limit: number): number[] {
    for (let width = limit * charactersPerToken; width < text.length; width *= 2) {
      const ids = this.tokenizer.encode(text.slice(startOfWindow(text, text.length - width)));
      if (ids.length > limit + margin) return ids.slice(ids.length - limit);
    }
    const ids = this.tokenizer.encode(text);
    return ids.length > limit ? ids.slice(ids.length - limit) : ids;
  }

  /** The last tokens of `text`, at most `limit`, from an anchor on where the text is longer: see {@link CodeStart}. */
  private anchored(text: string, limit: number): number[] {
    const nearest = this.tail(text, limit);
    const from = text.length - this.tokenizer.decode(nearest).length;
    if (nearest.length < limit || from <= 0) return nearest;
    const step = Math.max(1, Math.floor(limit / 64)) * anchorCharacters;
    const anchor = Math.ceil(from / step) * step;
    const line = text.indexOf("\n", anchor) + 1;
    const start = line > 0 && line - anchor <= step ? line : anchor;
    // Nothing would be left of a text shorter than a step, or of one whose first line break is its last character.
    if (start >= text.length) return nearest;
    return this.tokenizer.encode(text.slice(isLowSurrogate(text, start) ? start + 1 : start)).slice(-limit);
  }

  /** The first `limit` tokens of `text`. */
  private head(text: string, limit: number): number[] {
    for (let width = limit * charactersPerToken; width < text.length; width *= 2) {
      const ids = this.tokenizer.encode(text.slice(0, endOfWindow(text, width)));
      if (ids.length > limit + margin) return ids.slice(0, limit);
    }
    return this.tokenizer.encode(text).slice(0, limit);
  }

  private compile(template: readonly string[]): Template {
    const pieces = template.map((piece): Piece => {
      switch (piece) {
        case "{path}":
          return "path";
        case "{text}":
          return "text";
        case "{prefix}":
          return "prefix";
        case "{suffix}":
          return "suffix";
        case "{imports}":
          return "imports";
        default:
          return this.tokenizer.isSpecial(piece) ? [this.tokenizer.tokenOf(piece)] : this.tokenizer.encode(piece);
      }
    });
    return {
      pieces,
      frame: pieces.reduce((sum, piece) => sum + (typeof piece === "string" ? 0 : piece.length), 0),
      paths: pieces.filter((piece) => piece === "path").length,
    };
  }

  private render(template: Template, slots: Partial<Record<Slot, readonly number[]>>): number[] {
    return template.pieces.flatMap((piece) => (typeof piece === "string" ? (slots[piece] ?? []) : piece));
  }
}

/** Where to begin encoding: at the first line break of the window's first half, so that no word is cut. */
function startOfWindow(text: string, from: number): number {
  const line = text.indexOf("\n", from);
  if (line >= 0 && line - from < (text.length - from) / 2) return line;
  return isLowSurrogate(text, from) ? from + 1 : from;
}

/** Where to stop encoding: at the last line break of the window's second half. */
function endOfWindow(text: string, to: number): number {
  const line = text.lastIndexOf("\n", to);
  if (line > to / 2) return line;
  return isLowSurrogate(text, to) ? to - 1 : to;
}

function isLowSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xdc00 && unit <= 0xdfff;
}
