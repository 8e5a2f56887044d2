// The syntax tree at one cursor: what the cursor is in, what is expected there, and what an insertion would change.
import type { Node, Tree } from "web-tree-sitter";
import { countErrors, editOf, type ParsedLanguage, parse } from "./parse";

/**
 * What belongs at the cursor: `body`, the inside of something that is still empty; `definition`, what the comment or the
 * decorator right above announces where definitions stand; `statement`, one more among others.
 */
export type Expected = "body" | "definition" | "statement";

/** What the tree tells with a placeholder at the cursor. */
export interface SyntaxAtCursor {
  /** What the cursor is in; undefined where the code is too broken to tell. */
  readonly inside: Inside | undefined;
  /** Undefined where the code is too broken to tell. */
  readonly expected: Expected | undefined;
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

/** Text that takes the place of the suggestion. */
export interface Placeholder {
  /** Before the placeholder: a line break and indentation where the cursor's line has no place for it. */
  readonly before: string;
  /** After it: closes the brackets that nothing after the cursor closes. */
  readonly closers: string;
}

const placeholder = "zz";

/** The node around the placeholder, which an insertion must not change. */
interface Enclosing {
  readonly start: number;
  /** Undefined for a block with brackets of its own: any other node that begins there is the same block, parsed otherwise. */
  readonly type: string | undefined;
  /** In the text without any insertion; undefined where the block ends with what is inserted. */
  readonly end: number | undefined;
}

/** A statement or definition around the cursor, in the text without any insertion. */
interface Statement {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** The tree of one text and one cursor. Positions are UTF-16 units of the window. */
export class CursorTree {
  private readonly errors: number;
  /** Set by {@link read}. */
  private minErrors: number;
  private enclosing: Enclosing | undefined;
  private readonly statement: Statement | undefined;

  constructor(
    private readonly language: ParsedLanguage,
    private readonly text: string,
    private readonly cursor: number,
    private readonly tree: Tree,
  ) {
    this.errors = countErrors(tree.rootNode);
    this.minErrors = this.errors;
    this.statement = this.statementAtCursor();
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

  /** Reads what is at the cursor, and records the block that insertions must not change. */
  read({ before, closers }: Placeholder): SyntaxAtCursor | undefined {
    return this.with(before + placeholder + closers, (root) => {
      this.minErrors = Math.min(this.errors, countErrors(root));
      const at = this.cursor + before.length;
      const leaf = root.descendantForIndex(at, at + placeholder.length);
      if (leaf === null) return { inside: undefined, expected: undefined, headerLine: 0 };
      const inside = this.insideOf(leaf, at);
      const place = inside?.kind === "code" || inside === undefined ? this.placeOf(leaf, at) : undefined;
      if (place === undefined) {
        this.enclosing = this.blockAtCursor();
        return { inside, expected: undefined, headerLine: 0 };
      }
      const { holder, child } = place;
      // A block without brackets of its own begins with its first statement.
      const owner = holder.startIndex < this.cursor ? holder : (holder.parent ?? holder);
      const inserted = before.length + placeholder.length + closers.length;
      const beyond = owner.endIndex > this.cursor + inserted;
      // Where the closers end the block, it is for the suggestion to end it.
      if (holder.parent !== null && (beyond || closers === ""))
        this.enclosing = {
          start: owner.startIndex,
          type: owner === holder ? undefined : owner.type,
          end: beyond ? owner.endIndex - inserted : undefined,
        };
      return { inside, expected: this.expectedAt(holder, child, at), headerLine: owner.startPosition.row };
    });
  }

  /**
   * Whether `text` at the cursor, with `closers` for the brackets it leaves open, adds no syntax error and changes neither
   * the beginning nor the end of the block around the cursor. Undefined where parsing takes too long.
   */
  agrees(text: string, closers: string): boolean | undefined {
    return this.with(text + closers, (root) => {
      const errors = countErrors(root);
      // Code with fewer errors may well have other blocks than the broken code had.
      return (
        errors < this.minErrors || (errors === this.minErrors && this.isBlockUnchanged(root, text, closers.length))
      );
    });
  }

  /**
   * Whether the document with `text` at the cursor has fewer syntax errors than without; or as many, and the statement or
   * definition that begins before the cursor and ends after it still does so. Undefined as for {@link agrees}.
   */
  addsNoError(text: string): boolean | undefined {
    return this.with(text, (root) => {
      const errors = countErrors(root);
      return errors < this.errors || (errors === this.errors && this.isStatementUnchanged(root, text.length));
    });
  }

  private isStatementUnchanged(root: Node, inserted: number): boolean {
    const { statement } = this;
    if (statement === undefined) return true;
    const end = statement.end + inserted;
    for (let node = root.descendantForIndex(statement.start, end); node !== null; node = node.parent) {
      if (node.type === statement.type && node.startIndex === statement.start && node.endIndex === end) return true;
      if (node.startIndex < statement.start) break;
    }
    return false;
  }

  /**
   * Among the children of the innermost block, the one that begins before the cursor and ends after it. Where nothing follows
   * on the cursor's line, code that is still to be finished may only seem to go on below, unless it is a decorator.
   */
  private statementAtCursor(): Statement | undefined {
    const { cursor, text } = this;
    let child: Node | undefined;
    for (let node = this.tree.rootNode.descendantForIndex(cursor, cursor); node !== null; node = node.parent) {
      if (this.isHolder(node)) break;
      child = node;
    }
    if (child === undefined || child.hasError) return undefined;
    const { type, startIndex: start, endIndex: end } = child;
    const goesOn = /^[^\S\n]*\S/.test(text.slice(cursor)) || /^(?:@|#?\[)/.test(text.slice(start, cursor));
    return goesOn && start < cursor && end > cursor ? { type, start, end } : undefined;
  }

  private isBlockUnchanged(root: Node, text: string, closers: number): boolean {
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

  /** Without a placeholder: the block that begins before the cursor and ends after it, where there is one. */
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
      if (/interpolation|substitution/.test(node.type)) break;
      const kind = kindOf(node.type);
      if (kind === undefined) continue;
      const whole = kind === "string" ? wholeString(node) : node;
      if (whole.startIndex >= at) continue;
      if (whole.type === "ERROR" || whole.parent?.type === "ERROR" || whole.hasError) return undefined;
      const until = kind === "comment" ? endOfComment(whole) : endOfString(whole);
      return {
        kind,
        documentation: kind === "string" && whole.parent?.type === "expression_statement",
        until,
        multiline: whole.startPosition.row < whole.endPosition.row || until === "*/",
      };
    }
    // A quote that nothing closes is an error, and what follows it looks like code.
    const line = this.text.lastIndexOf("\n", this.cursor - 1) + 1;
    if (leaf.tree.rootNode.descendantForIndex(line, at + placeholder.length)?.hasError !== false) return undefined;
    return { kind: "code", documentation: false, until: "", multiline: false };
  }

  /** The node that has the placeholder's statement or member as a child, and that child. */
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

  private expectedAt(holder: Node, child: Node, at: number): Expected {
    // After the beginning of a statement, the rest of that statement is expected.
    if (child.startIndex < at) return "statement";
    const others = holder.namedChildren.filter(
      (node) => node.id !== child.id && !/comment/.test(node.type) && node.startIndex !== at,
    );
    if (holder.parent !== null && others.length === 0) return "body";
    return this.holdsMembers(holder) && this.isAnnounced(child) ? "definition" : "statement";
  }

  /** Whether a comment of some words, or a decorator, is on the lines right above, and nothing right below. */
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

  /** Parses the text with `insertion` at the cursor. Undefined where parsing takes too long. */
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

function kindOf(type: string): "comment" | "string" | undefined {
  if (/comment/.test(type)) return "comment";
  const isString = /string|heredoc|char_literal|regex|^character/.test(type) && !/_expression$|_start$/.test(type);
  return isString ? "string" : undefined;
}

/** The text of a string is a node of its own in most grammars. */
function wholeString(node: Node): Node {
  return node.parent !== null && /string|heredoc|regex/.test(node.parent.type) ? node.parent : node;
}

function endOfComment({ text }: Node): string {
  return text.startsWith("/*") ? "*/" : "";
}

function endOfString({ text, lastChild }: Node): string {
  if (lastChild !== null && !lastChild.isNamed) return lastChild.text;
  return lastChild !== null && /end|content/.test(lastChild.type) ? lastChild.text.trim() : text.slice(-1);
}
