// The syntax tree of the text around the cursor: which block the cursor is in, and what an insertion would do to it.

import { LRUCache } from "lru-cache";
import { Edit, type Node, Parser, type Tree } from "web-tree-sitter";
import { errorMessage } from "../../host/errors";
import { loadGrammar, startRuntime } from "../../languages/grammars";
import type { Grammar } from "../../languages/language";
import { grammars, languageById } from "../../languages/languages";
import type { CursorContext } from "../../retrieval/types";

/**
 * What belongs at the cursor: `body`, the inside of something that is still empty; `definition`, what the comment or the
 * decorator right above announces where definitions stand; `statement`, one more among others.
 */
export type Wanted = "body" | "definition" | "statement";

/** What the tree says with a placeholder at the cursor. */
export interface Reading {
  /** What the cursor is in; undefined where broken code leaves it open. */
  readonly inside: Inside | undefined;
  /** Undefined where broken code leaves it open. */
  readonly wanted: Wanted | undefined;
  /** 0-based line of the window on which the block around the cursor, or what it belongs to, begins. */
  readonly headerLine: number;
}

export interface Inside {
  readonly kind: "code" | "string" | "comment";
  /** Of a string that is a statement of its own, as documentation is. */
  readonly documentation: boolean;
  /** What ends the string or comment. */
  readonly until: string;
  readonly multiline: boolean;
}

/** Text that stands for what is to be written. */
export interface Probe {
  /** Before the placeholder: a line break and indentation where the cursor's line has no place for it. */
  readonly before: string;
  /** After it: closes the brackets that nothing after the cursor closes. */
  readonly closers: string;
}

/** Characters before and after the cursor that are parsed: the block it is in, at a millisecond for each few thousand. */
const mostBefore = 16384;
const mostAfter = 8192;
/** The window's beginning moves by this at a time, so that most of the tree stays as one types on. */
const windowStep = 4096;
/** Some texts, as of another language than was said, send the parser far astray; then the scanner answers alone. Milliseconds. */
const longestParseMs = 20;
/** Completions in a document until it is parsed again after that. */
const retryAfter = 40;
/** Trees kept, one a document. */
const mostTrees = 8;
const placeholder = "zz";
/** More errors say no more; deeper nesting is no code that people write. */
const mostErrors = 64;
const deepest = 300;

interface LoadedLanguage {
  readonly parser: Parser;
  /** Most milliseconds of one parse. */
  readonly longestMs: number;
  readonly members: ReadonlySet<string>;
  readonly statements: ReadonlySet<string>;
  readonly leading: ReadonlySet<string>;
  readonly membersBelow: Grammar["membersBelow"];
}

interface Kept {
  readonly grammar: Grammar;
  readonly text: string;
  readonly tree: Tree;
}

/** Keeps the tree of each document that is completed in, and reads anew only what was changed in it. */
export class SyntaxTrees {
  private readonly kept = new LRUCache<string, Kept>({ max: mostTrees, dispose: ({ tree }) => tree.delete() });
  /** Documents that took too long, with the completions left until they are parsed again. */
  private readonly left = new Map<string, number>();

  private constructor(private readonly languages: ReadonlyMap<Grammar, LoadedLanguage>) {}

  /**
   * Loads what there are grammars for in `grammarFolder`.
   * @param warn told about what did not load; the scanner answers alone there
   * @param longestMs most milliseconds of one parse; Infinity where the same result matters more than the time
   */
  static async load(
    grammarFolder: string,
    warn: (message: string) => void,
    longestMs = longestParseMs,
  ): Promise<SyntaxTrees> {
    const languages = new Map<Grammar, LoadedLanguage>();
    try {
      await startRuntime(grammarFolder);
    } catch (error) {
      warn(
        `tree-sitter did not load from ${grammarFolder} (${errorMessage(error)}): how far suggestions go is told by brackets and indentation alone.`,
      );
      return new SyntaxTrees(languages);
    }
    for (const grammar of grammars()) {
      const { file, members, statements, leading, membersBelow } = grammar;
      try {
        const parser = new Parser().setLanguage(await loadGrammar(grammarFolder, file));
        languages.set(grammar, {
          parser,
          longestMs,
          members: new Set(members),
          statements: new Set(statements),
          leading: new Set(leading),
          membersBelow,
        });
      } catch (error) {
        warn(
          `Grammar ${file} in ${grammarFolder} did not load (${errorMessage(error)}): how far suggestions go in its languages is told by brackets and indentation alone.`,
        );
      }
    }
    return new SyntaxTrees(languages);
  }

  /** The tree around the cursor, to be disposed of; undefined for a language without a grammar and where parsing takes too long. */
  at({ uri, languageId, prefix, suffix }: CursorContext): CursorTree | undefined {
    const grammar = languageById(languageId)?.grammar;
    const language = grammar && this.languages.get(grammar);
    if (grammar === undefined || language === undefined) return undefined;
    const wait = this.left.get(uri) ?? 0;
    if (wait > 0) {
      this.left.set(uri, wait - 1);
      return undefined;
    }
    this.left.delete(uri);
    const before = windowBefore(prefix);
    const text = before + windowAfter(suffix);
    const known = this.kept.get(uri);
    const former = known?.grammar === grammar ? known : undefined;
    const tree =
      former?.text === text
        ? former.tree.copy()
        : parse(language, text, former === undefined ? undefined : edited(former.tree, former.text, text));
    if (tree === undefined) {
      this.kept.delete(uri);
      if (this.left.size >= mostTrees) this.left.clear();
      this.left.set(uri, retryAfter);
      return undefined;
    }
    this.kept.set(uri, { grammar, text, tree });
    return new CursorTree(language, text, before.length, tree.copy());
  }

  dispose(): void {
    this.kept.clear();
    for (const { parser } of this.languages.values()) parser.delete();
  }
}

/** What the placeholder stood in: a node that an insertion must leave as it is. */
interface Enclosing {
  readonly start: number;
  /** Undefined for a block with marks of its own: what else begins where it does is the same thing read otherwise. */
  readonly type: string | undefined;
  /** In the text without any insertion; undefined where the block ends with what is inserted. */
  readonly end: number | undefined;
}

/** The tree of one text and one cursor. Positions are UTF-16 units of the window. */
export class CursorTree {
  private readonly errors: number;
  /** Set by {@link read}. */
  private leastErrors: number;
  private enclosing: Enclosing | undefined;

  constructor(
    private readonly language: LoadedLanguage,
    private readonly text: string,
    private readonly cursor: number,
    private readonly tree: Tree,
  ) {
    this.errors = countErrors(tree.rootNode);
    this.leastErrors = this.errors;
  }

  dispose(): void {
    this.tree.delete();
  }

  /** Of the window, in UTF-16 units. */
  get length(): number {
    return this.text.length;
  }

  /** The line of the window with this number, counted from 0. */
  line(row: number): string {
    return this.text.split("\n", row + 1)[row] ?? "";
  }

  /** Reads what is at the cursor, and takes note of the block that insertions must keep. */
  read({ before, closers }: Probe): Reading | undefined {
    return this.with(before + placeholder + closers, (root) => {
      this.leastErrors = Math.min(this.errors, countErrors(root));
      const at = this.cursor + before.length;
      const leaf = root.descendantForIndex(at, at + placeholder.length);
      if (leaf === null) return { inside: undefined, wanted: undefined, headerLine: 0 };
      const inside = this.insideOf(leaf, at);
      const place = inside?.kind === "code" || inside === undefined ? this.placeOf(leaf, at) : undefined;
      if (place === undefined) {
        this.enclosing = this.blockAtCursor();
        return { inside, wanted: undefined, headerLine: 0 };
      }
      const { holder, child } = place;
      // A block that has no mark of its own begins with what stands in it.
      const owner = holder.startIndex < this.cursor ? holder : (holder.parent ?? holder);
      const inserted = before.length + placeholder.length + closers.length;
      const beyond = owner.endIndex > this.cursor + inserted;
      // What the closers end is for the suggestion to end.
      if (holder.parent !== null && (beyond || closers === ""))
        this.enclosing = {
          start: owner.startIndex,
          type: owner === holder ? undefined : owner.type,
          end: beyond ? owner.endIndex - inserted : undefined,
        };
      return { inside, wanted: this.wantedAt(holder, child, at), headerLine: owner.startPosition.row };
    });
  }

  /**
   * Whether `text` at the cursor, with `closers` for the brackets it leaves open, makes no new syntax error and leaves the
   * block around the cursor where it begins and ends. Undefined where parsing takes too long.
   */
  agrees(text: string, closers: string): boolean | undefined {
    return this.with(text + closers, (root) => {
      const errors = countErrors(root);
      // What mends the code around it cannot be held against the blocks that were read into the broken one.
      return errors < this.leastErrors || (errors === this.leastErrors && this.keeps(root, text, closers.length));
    });
  }

  /** Whether the document with `text` at the cursor has no more syntax errors than without. Undefined as for {@link agrees}. */
  addsNoError(text: string): boolean | undefined {
    return this.with(text, (root) => countErrors(root) <= this.errors);
  }

  private keeps(root: Node, text: string, closers: number): boolean {
    const { enclosing } = this;
    if (enclosing === undefined) return true;
    const first = this.cursor + (text.length - text.trimStart().length);
    const last = this.cursor + text.trimEnd().length;
    const end = enclosing.end === undefined ? undefined : enclosing.end + text.length + closers;
    for (let node = root.descendantForIndex(first, first + 1); node !== null; node = node.parent) {
      const same =
        node.startIndex === enclosing.start && (enclosing.type === undefined || node.type === enclosing.type);
      if (same && (end === undefined ? node.endIndex >= last : node.endIndex === end)) return true;
      if (node.startIndex < enclosing.start) return false;
    }
    return false;
  }

  /** Without a placeholder: the block that begins before the cursor and goes on behind it, where there is one. */
  private blockAtCursor(): Enclosing | undefined {
    const at = Math.max(0, this.cursor - 1);
    for (let node = this.tree.rootNode.descendantForIndex(at, this.cursor); node !== null; node = node.parent) {
      const around = node.startIndex < this.cursor && node.endIndex > this.cursor;
      if (around && node.parent !== null && this.isHolder(node))
        return { start: node.startIndex, type: undefined, end: node.endIndex };
    }
    return undefined;
  }

  private insideOf(leaf: Node, at: number): Inside | undefined {
    for (let node: Node | null = leaf; node !== null; node = node.parent) {
      const { type } = node;
      if (/interpolation|substitution/.test(type)) break;
      const kind = /comment/.test(type)
        ? "comment"
        : /string|heredoc|char_literal|regex|^character/.test(type) && !/_expression$|_start$/.test(type)
          ? "string"
          : undefined;
      if (kind === undefined) continue;
      // The text of a string is a node of its own in most grammars.
      const whole: Node =
        node.parent !== null && kind === "string" && /string|heredoc|regex/.test(node.parent.type) ? node.parent : node;
      if (whole.startIndex >= at) continue;
      if (whole.type === "ERROR" || whole.parent?.type === "ERROR" || whole.hasError) return undefined;
      const documentation = kind === "string" && whole.parent?.type === "expression_statement";
      const lastChild = whole.lastChild;
      const until =
        kind === "comment"
          ? whole.text.startsWith("/*")
            ? "*/"
            : ""
          : lastChild !== null && !lastChild.isNamed
            ? lastChild.text
            : lastChild !== null && /end|content/.test(lastChild.type)
              ? lastChild.text.trim()
              : whole.text.slice(-1);
      return {
        kind,
        documentation,
        until,
        multiline: whole.startPosition.row < whole.endPosition.row || until === "*/",
      };
    }
    // A quote that nothing closes is an error, and what follows it looks like code.
    const line = this.text.lastIndexOf("\n", this.cursor - 1) + 1;
    if (leaf.tree.rootNode.descendantForIndex(line, at + placeholder.length)?.hasError !== false) return undefined;
    return { kind: "code", documentation: false, until: "", multiline: false };
  }

  /** What holds the statement or the member at the placeholder, and the child of it that the placeholder is in. */
  private placeOf(leaf: Node, at: number): { holder: Node; child: Node } | undefined {
    let child = leaf;
    for (let node = leaf.parent; node !== null; node = node.parent) {
      if (this.isHolder(node)) return { holder: node, child };
      if (node.type === "ERROR" && node.startIndex < at) return undefined;
      child = node;
    }
    return undefined;
  }

  private isHolder(node: Node): boolean {
    return this.holdsMembers(node) || this.language.statements.has(node.type);
  }

  private holdsMembers(node: Node): boolean {
    const { members, membersBelow } = this.language;
    return (
      members.has(node.type) || (node.parent !== null && membersBelow?.[node.type]?.includes(node.parent.type) === true)
    );
  }

  private wantedAt(holder: Node, child: Node, at: number): Wanted {
    // Behind the beginning of a statement that one is to be finished.
    if (child.startIndex < at) return "statement";
    const others = holder.namedChildren.filter(
      (node) => node.id !== child.id && !/comment/.test(node.type) && node.startIndex !== at,
    );
    if (holder.parent !== null && others.length === 0) return "body";
    return this.holdsMembers(holder) && this.isAnnounced(child) ? "definition" : "statement";
  }

  /** Whether a comment that says something, or a decorator, stands on the lines right above, and nothing right below. */
  private isAnnounced(child: Node): boolean {
    const row = child.startPosition.row;
    let above = child.previousNamedSibling;
    if (above?.type === "ERROR") above = above.lastNamedChild;
    if (above === null || !(this.language.leading.has(above.type) || above.type === "decorator")) return false;
    const { row: endRow, column } = above.endPosition;
    if ((column === 0 && endRow > above.startPosition.row ? endRow - 1 : endRow) !== row - 1) return false;
    const lines = this.text.split("\n");
    if ((lines[above.startPosition.row] ?? "").slice(0, above.startPosition.column).trim() !== "") return false;
    if (/^\s*[^\s)\]}]/.test(lines[row + 1] ?? "")) return false;
    return !/comment/.test(above.type) || /\p{L}{2,}\s+\p{L}{2,}/u.test(above.text);
  }

  private with<Result>(insertion: string, read: (root: Node) => Result): Result | undefined {
    const { text, cursor } = this;
    const whole = text.slice(0, cursor) + insertion + text.slice(cursor);
    const old = this.tree.copy();
    old.edit(editOf(text, whole, cursor, cursor, cursor + insertion.length));
    const tree = parse(this.language, whole, old);
    if (tree === undefined) return undefined;
    try {
      return read(tree.rootNode);
    } finally {
      tree.delete();
    }
  }
}

/** The tree of `text`, made from `old`, which is used up; undefined where it takes too long. */
function parse({ parser, longestMs }: LoadedLanguage, text: string, old: Tree | undefined): Tree | undefined {
  const deadline = performance.now() + longestMs;
  try {
    const tree = parser.parse(text, old ?? null, { progressCallback: () => performance.now() > deadline });
    if (tree !== null) return tree;
    parser.reset();
    return undefined;
  } finally {
    old?.delete();
  }
}

/** A copy of `tree` that knows where `now` differs from the text it was made from. */
function edited(tree: Tree, before: string, now: string): Tree {
  const most = Math.min(before.length, now.length);
  let start = 0;
  while (start < most && before.charCodeAt(start) === now.charCodeAt(start)) start += 1;
  let end = 0;
  while (end < most - start && before.charCodeAt(before.length - 1 - end) === now.charCodeAt(now.length - 1 - end))
    end += 1;
  const copy = tree.copy();
  copy.edit(editOf(before, now, start, before.length - end, now.length - end));
  return copy;
}

function editOf(before: string, now: string, startIndex: number, oldEndIndex: number, newEndIndex: number): Edit {
  return new Edit({
    startIndex,
    oldEndIndex,
    newEndIndex,
    startPosition: pointAt(now, startIndex),
    oldEndPosition: pointAt(before, oldEndIndex),
    newEndPosition: pointAt(now, newEndIndex),
  });
}

function pointAt(text: string, index: number): { row: number; column: number } {
  let row = 0;
  let start = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < index; at = text.indexOf("\n", at + 1)) {
    row += 1;
    start = at + 1;
  }
  return { row, column: index - start };
}

/** Errors and missing tokens under `root`, at most {@link mostErrors}. */
function countErrors(root: Node): number {
  let count = 0;
  const visit = (node: Node, depth: number): void => {
    if (node.isError || node.isMissing) count += 1;
    if (count >= mostErrors || depth > deepest || !node.hasError) return;
    for (const child of node.children) visit(child, depth + 1);
  };
  visit(root, 0);
  return count;
}

/** The end of the prefix from a line on, the first one of the step that is not indented where there is one. */
function windowBefore(prefix: string): string {
  if (prefix.length <= mostBefore) return prefix;
  const anchor = Math.ceil((prefix.length - mostBefore) / windowStep) * windowStep;
  const outer = /\n(?=[^\s)\]}])/.exec(prefix.slice(anchor, anchor + windowStep));
  const line = prefix.indexOf("\n", anchor);
  const start = outer !== null ? anchor + outer.index + 1 : line >= 0 ? line + 1 : anchor;
  return prefix.slice(start);
}

function windowAfter(suffix: string): string {
  if (suffix.length <= mostAfter) return suffix;
  const line = suffix.lastIndexOf("\n", mostAfter);
  return suffix.slice(0, line > 0 ? line + 1 : mostAfter);
}
