// The tokens of a retrieval query, each with its text and, where it is code of the document, its position there.
import type { Tokenizer } from "../inference/tokenizer";
import type { NeedToken } from "../protocol";

/**
 * Texts and positions of `tokens`, a query that ends with the end of `prefix`. Positions are found backwards from the cursor,
 * as long as the text of the tokens is the text of the document. A character of several tokens is the text of the last one,
 * so that the texts joined are the text of all tokens.
 */
export function needTokens(tokenizer: Tokenizer, tokens: readonly number[], prefix: string): NeedToken[] {
  const stream = tokenizer.stream();
  const texts = tokens.map((id) => stream.push(id));
  const starts = startsOf(tokenizer, tokens, prefix);
  const lines = new LineStarts(prefix);
  return texts.map((text, at) => {
    const start = starts[at];
    return start === undefined ? { text } : { text, position: lines.at(start) };
  });
}

/** Where in `prefix` each token begins, in UTF-16 units; undefined for those that are no part of it. */
function startsOf(tokenizer: Tokenizer, tokens: readonly number[], prefix: string): (number | undefined)[] {
  // No character takes fewer bytes than UTF-16 units.
  const maxUnits = tokens.reduce((sum, id) => sum + tokenizer.bytesOf(id).length, 0);
  const from = Math.max(0, prefix.length - maxUnits);
  const bytes = Buffer.from(prefix.slice(from), "utf8");
  const starts: (number | undefined)[] = tokens.map(() => undefined);
  let end = bytes.length;
  const offsets: { readonly token: number; readonly byte: number }[] = [];
  for (let token = tokens.length - 1; token >= 0; token--) {
    const text = tokenizer.bytesOf(tokens[token] ?? -1);
    const start = end - text.length;
    if (start < 0 || Buffer.compare(bytes.subarray(start, end), text) !== 0) break;
    offsets.push({ token, byte: start });
    end = start;
  }
  // From the beginning on, so that each byte is counted once.
  let byte = 0;
  let unit = from;
  for (const each of offsets.reverse()) {
    unit += utf16Length(bytes.subarray(byte, each.byte));
    starts[each.token] = unit;
    byte = each.byte;
  }
  return starts;
}

/** UTF-16 units of the characters that begin in `bytes`. */
function utf16Length(bytes: Buffer): number {
  let units = 0;
  for (const byte of bytes) units += byte >= 0xf0 ? 2 : (byte & 0xc0) === 0x80 ? 0 : 1;
  return units;
}

/** Converts offsets of a text to lines and characters. */
class LineStarts {
  /** Offset of each line. */
  private readonly lines: number[] = [0];

  constructor(text: string) {
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.lines.push(at + 1);
  }

  at(offset: number): { line: number; character: number } {
    let low = 0;
    let high = this.lines.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.lines[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low, character: offset - (this.lines[low] ?? 0) };
  }
}
