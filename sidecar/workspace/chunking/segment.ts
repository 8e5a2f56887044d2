// Cuts a file's lines into chunks where cutting costs least: the part that both chunkers share.
import { Yielder } from "../../host/yield";
import type { Chunk } from "./chunker";
import { estimateTokens } from "./estimate-tokens";
import { licenceEnd } from "./licence-header";

/** What cutting the text at one line means. */
export interface Boundary {
  /** Cost of beginning a chunk at this line. 0: a natural beginning. */
  readonly cut: number;
  /** Cost of having this line and the line before in one chunk. 0: they belong together as well as not. */
  readonly join: number;
}

export const maxLines = 20;
/** Lines, blank ones aside, below which a chunk is too small to be of use by itself. */
const minLines = 3;
/** Tokens a chunk aims at: what the model reads of a fragment, less its path and frame. */
const targetTokens = 108;
/** Of a chunk of more than one line, as estimated: text beyond what the model reads is indexed and never found. */
export const maxTokens = 128;
/** For the first token above the target, and for every further `targetTokens`. */
const overCost = 2;
const overSlope = 8;
const chunkCost = 1;
const shortCost = 1;
/** A line that only closes what was opened before. */
const closing = /^(?:[)\]}>;,]+|end\b|fi\b|done\b|esac\b|\*\/|"""|''')[)\]};,.\s]*$/;
const closingCut = 9;
/** A longer line is data, not code that people read: it is in no chunk, and no chunk continues after it. */
const maxLineLength = 2000;
const minLetters = 6;
/** Lines after which other work gets its turn. */
const linesBetweenRests = 256;

/** The lines that chunks are made of. */
interface Content {
  /** Index in the file of each line that is neither blank nor overlong. */
  readonly indices: readonly number[];
  /** Positions in `indices` before which an overlong line was: no chunk spans them. */
  readonly barriers: ReadonlySet<number>;
}

/** Costs and sizes of the content lines, by position in {@link Content.indices}. */
interface Costs {
  readonly cut: Float64Array;
  /** Prefix sums: the cost of joining lines a to b - 1 is `join[b] - join[a + 1]`. */
  readonly join: Float64Array;
  /** Prefix sums: lines a to b - 1 have `tokens[b] - tokens[a]`. */
  readonly tokens: Float64Array;
}

/**
 * Chunks of at most {@link maxLines} lines and {@link maxTokens} tokens, cheapest in total by dynamic programming over the
 * lines that are not blank. Every line is in a chunk, except a licence at the top, overlong lines, and chunks of hardly a letter.
 * @param boundaryAt what beginning a chunk at line `index` (0-based) means; called once a line
 */
export async function segment(lines: readonly string[], boundaryAt: (index: number) => Boundary): Promise<Chunk[]> {
  const content = contentOf(lines);
  const yielder = new Yielder();
  const costs = await costsOf(lines, content, boundaryAt, yielder);
  const starts = await cheapestStarts(content, costs, yielder);
  const chunks: Chunk[] = [];
  for (let end = content.indices.length; end > 0; end = starts[end] ?? 0) {
    const startLine = (content.indices[starts[end] ?? 0] ?? 0) + 1;
    const endLine = (content.indices[end - 1] ?? 0) + 1;
    const text = lines.slice(startLine - 1, endLine).join("\n");
    if (isSubstantial(text)) chunks.push({ startLine, endLine, text });
  }
  return chunks.reverse();
}

function contentOf(lines: readonly string[]): Content {
  const indices: number[] = [];
  const barriers = new Set<number>();
  for (let i = licenceEnd(lines); i < lines.length; i++) {
    const line = lines[i] ?? "";
    if (line.length > maxLineLength) barriers.add(indices.length);
    else if (line.trim() !== "") indices.push(i);
  }
  return { indices, barriers };
}

async function costsOf(
  lines: readonly string[],
  { indices }: Content,
  boundaryAt: (index: number) => Boundary,
  yielder: Yielder,
): Promise<Costs> {
  const cut = new Float64Array(indices.length + 1);
  const join = new Float64Array(indices.length + 1);
  const tokens = new Float64Array(indices.length + 1);
  for (const [k, index] of indices.entries()) {
    const line = lines[index] ?? "";
    const boundary = boundaryAt(index);
    const closes = closing.test(line.trim());
    cut[k] = closes ? Math.max(closingCut, boundary.cut) : boundary.cut;
    join[k + 1] = (join[k] ?? 0) + (closes ? 0 : boundary.join);
    tokens[k + 1] = (tokens[k] ?? 0) + estimateTokens(line);
    if (k % linesBetweenRests === 0) await yielder.yieldIfDue();
  }
  return { cut, join, tokens };
}

/** For each position, where the last chunk before it starts when all lines before it are cut at the least cost. */
async function cheapestStarts(content: Content, costs: Costs, yielder: Yielder): Promise<Int32Array> {
  const n = content.indices.length;
  const total = new Float64Array(n + 1);
  const starts = new Int32Array(n + 1);
  for (let end = 1; end <= n; end++) {
    let least = Infinity;
    for (let start = end - 1; start >= 0 && mayBeOneChunk(start, end, content, costs); start--) {
      const cost = costWith(total[start] ?? 0, start, end, costs);
      if (cost < least) {
        least = cost;
        starts[end] = start;
      }
    }
    total[end] = least;
    if (end % linesBetweenRests === 0) await yielder.yieldIfDue();
  }
  return starts;
}

/** Whether the lines from `start` to before `end` are few and small enough, with no overlong line between them. */
function mayBeOneChunk(start: number, end: number, { indices, barriers }: Content, { tokens }: Costs): boolean {
  if (start === end - 1) return true;
  if (barriers.has(start + 1)) return false;
  if ((indices[end - 1] ?? 0) - (indices[start] ?? 0) >= maxLines) return false;
  return (tokens[end] ?? 0) - (tokens[start] ?? 0) <= maxTokens;
}

/** The cost of all lines before `end` when the last chunk starts at `start`. @param before the cost of the lines before `start` */
function costWith(before: number, start: number, end: number, { cut, join, tokens }: Costs): number {
  const joined = (join[end] ?? 0) - (join[start + 1] ?? 0);
  const over = (tokens[end] ?? 0) - (tokens[start] ?? 0) - targetTokens;
  return (
    before +
    (start === 0 ? 0 : (cut[start] ?? 0)) +
    chunkCost +
    joined +
    Math.max(0, minLines - (end - start)) * shortCost +
    (over > 0 ? overCost + (over / targetTokens) * overSlope : 0)
  );
}

function isSubstantial(text: string): boolean {
  return (text.match(/[\p{L}\p{N}]/gu)?.length ?? 0) >= minLetters;
}
