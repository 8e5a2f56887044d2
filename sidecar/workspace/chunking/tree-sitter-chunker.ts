// Cuts source files into fragments along their syntax tree: whole definitions where they fit, runs of statements where not.
import { setImmediate } from "node:timers/promises";
import { type Node, Parser, type Tree } from "web-tree-sitter";
import { errorMessage } from "../../host/errors";
import { Yielder } from "../../host/yield";
import { loadGrammar, startRuntime } from "../../languages/grammars";
import type { Grammar, Language } from "../../languages/language";
import { grammars, languageById, languageOfFile } from "../../languages/languages";
import type { Chunk, Chunker } from "./chunker";
import { LineChunker } from "./line-chunker";
import { type Definition, scopesOf, signatureIn } from "./scope";
import { type Boundary, segment } from "./segment";

/** Costs of beginning a chunk; see {@link Boundary}. */
const insideStatement: Boundary = { cut: 5, join: 0 };
/** Between a comment and the code that it is about. */
const glued: Boundary = { cut: 9, join: 0 };
/** Cost of joining two members in one chunk when one of them is long enough for its own. */
const memberJoin = 1.6;
const standsAlone = 3;
/** Added for each level of nesting: little between members, more between statements. */
const perMemberLevel = 0.15;
const perStatementLevel = 0.45;
const statementCut = 1;
/** A node of fewer lines is not cut. */
const minCutLines = 6;
/** Nobody writes code with deeper nesting; without a limit the stack would overflow. */
const maxDepth = 300;
/** Milliseconds of parsing before other work gets its turn. */
const parseSliceMs = 8;
/** Slices after which a file is cut by lines: with some inputs, the parser's error recovery takes very long. */
const maxParseSlices = 250;

/** Where the syntax of a file allows cuts. */
interface CutPlaces {
  /** By 0-based line, for the lines at which a member or a statement begins. */
  readonly boundaries: Map<number, Boundary>;
  /** Outer ones before inner ones. */
  readonly definitions: Definition[];
}

/** Chunks by tree-sitter for the languages it has a grammar for; by lines for other files and where parsing fails. */
export class TreeSitterChunker implements Chunker {
  private readonly lines = new LineChunker();

  readonly version: string;

  private constructor(
    private readonly parsers: ReadonlyMap<string, GrammarParser>,
    private readonly failed: (message: string) => void,
  ) {
    this.version = `tree-sitter 2 (${[...parsers.keys()].join(" ")})`;
  }

  /**
   * Loads the runtime and every grammar from `grammarFolder`.
   * @param failed called for each grammar that does not load and each file on which one fails: these are cut by lines
   * @throws Error when the runtime does not load
   */
  static async load(grammarFolder: string, failed: (message: string) => void): Promise<TreeSitterChunker> {
    await startRuntime(grammarFolder);
    const parsers = new Map<string, GrammarParser>();
    for (const grammar of grammars()) {
      const { file } = grammar;
      try {
        const parser = new Parser().setLanguage(await loadGrammar(grammarFolder, file));
        parsers.set(file, new GrammarParser(grammar, parser));
      } catch (error) {
        failed(
          `Grammar ${file} in ${grammarFolder} did not load (${errorMessage(error)}): files of its languages are cut by lines.`,
        );
      }
    }
    return new TreeSitterChunker(parsers, failed);
  }

  async chunk(path: string, text: string, languageId?: string): Promise<Chunk[]> {
    const language = languageId === undefined ? languageOfFile(path) : languageById(languageId);
    const places = await this.read(path, text, language);
    if (places === undefined) return this.lines.chunk(path, text);
    const lines = text.split("\n");
    const chunks = await segment(lines, (index) => places.boundaries.get(index) ?? insideStatement);
    const scopes = scopesOf(chunks, places.definitions);
    return chunks.map((chunk, index) => {
      const scopeLines = scopes[index] ?? [];
      if (scopeLines.length === 0) return chunk;
      return { ...chunk, scopeLines, scope: scopeLines.map((line) => signatureIn(lines[line - 1] ?? "")) };
    });
  }

  private async read(path: string, text: string, language: Language | undefined): Promise<CutPlaces | undefined> {
    const file = language?.grammar?.file;
    const parser = file === undefined ? undefined : this.parsers.get(file);
    try {
      return await parser?.read(text);
    } catch (error) {
      this.failed(`${path}: the grammar ${file} failed on it (${errorMessage(error)}): it is cut by lines.`);
      return undefined;
    }
  }
}

class GrammarParser {
  private readonly members: ReadonlySet<string>;
  private readonly statements: ReadonlySet<string>;
  private readonly leading: ReadonlySet<string>;
  private readonly scopes: ReadonlySet<string>;
  /** A parser that was stopped between two slices must continue with the same text: one file at a time. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly grammar: Grammar,
    private readonly parser: Parser,
  ) {
    this.members = new Set(grammar.members);
    this.statements = new Set(grammar.statements);
    this.leading = new Set(grammar.leading);
    this.scopes = new Set(grammar.scopes);
  }

  /** Undefined when the parser took too long. */
  read(text: string): Promise<CutPlaces | undefined> {
    const result = this.turn.then(() => this.readNow(text));
    this.turn = result.catch(() => {});
    return result;
  }

  private async readNow(text: string): Promise<CutPlaces | undefined> {
    const tree = await this.parse(text);
    if (tree === undefined) return undefined;
    try {
      const places: CutPlaces = { boundaries: new Map(), definitions: [] };
      await this.visit(tree.rootNode, undefined, 0, 0, places, new Yielder());
      return places;
    } finally {
      tree.delete();
    }
  }

  private async parse(text: string): Promise<Tree | undefined> {
    for (let slice = 0; slice < maxParseSlices; slice++) {
      const deadline = performance.now() + parseSliceMs;
      // The next call continues a parse that was stopped.
      const tree = this.parser.parse(text, null, { progressCallback: () => performance.now() > deadline });
      if (tree !== null) return tree;
      await setImmediate();
    }
    this.parser.reset();
    return undefined;
  }

  private async visit(
    node: Node,
    parent: string | undefined,
    level: number,
    depth: number,
    places: CutPlaces,
    yielder: Yielder,
  ): Promise<void> {
    if (level > maxDepth) return;
    const { type } = node;
    const children = node.namedChildren;
    const below = this.grammar.membersBelow?.[type];
    const members =
      type === "ERROR" || this.members.has(type) || (parent !== undefined && below?.includes(parent) === true);
    const holds = members || this.statements.has(type);
    if (holds) this.mark(children, members, depth, node, places.boundaries);
    for (const child of children) {
      const height = child.endPosition.row - child.startPosition.row + 1;
      if (height > 1 && this.scopes.has(child.type))
        places.definitions.push({ start: signatureRow(child), end: lastRow(child) });
      if (height >= minCutLines) await this.visit(child, type, level + 1, holds ? depth + 1 : depth, places, yielder);
      await yielder.yieldIfDue();
    }
  }

  /** Records where the children of a node begin. */
  private mark(
    children: readonly Node[],
    members: boolean,
    depth: number,
    holder: Node,
    found: Map<number, Boundary>,
  ): void {
    const cut = members ? depth * perMemberLevel : statementCut + depth * perStatementLevel;
    let previousEnd = depth === 0 ? -1 : holder.startPosition.row;
    let previousLong = false;
    /** Set while the nodes before belong to the next one. */
    let leadingEnd: number | undefined;
    for (const child of children) {
      const start = child.startPosition.row;
      const end = lastRow(child);
      const long = end - start + 1 >= standsAlone;
      const begins = start > previousEnd;
      const isLeading = this.leading.has(child.type);
      if (begins) {
        if (leadingEnd !== undefined && start === leadingEnd + 1) found.set(start, glued);
        else found.set(start, { cut, join: members && (long || previousLong || isLeading) ? memberJoin : 0 });
        leadingEnd = isLeading ? end : undefined;
      } else if (!isLeading) leadingEnd = undefined;
      if (!isLeading) previousLong = long;
      previousEnd = Math.max(previousEnd, end);
    }
  }
}

/** The last line with text of a node: some grammars end a node at the start of the next line. */
function lastRow(node: Node): number {
  const { row, column } = node.endPosition;
  return column === 0 && row > node.startPosition.row ? row - 1 : row;
}

/** The line with the name of a definition: decorators and modifiers may be above it. */
function signatureRow(node: Node): number {
  const named =
    node.childForFieldName("name") ?? node.childForFieldName("declarator") ?? node.childForFieldName("type") ?? node;
  return named.startPosition.row;
}
