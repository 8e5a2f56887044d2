// Encodes and decodes text by the model's tokenizer.json. Text never becomes a special token.
import { readFile } from "node:fs/promises";
import { Tokenizer as LibraryTokenizer, SplitPreTokenizer } from "@huggingface/tokenizers";
import * as v from "valibot";
import type { ModelPackage } from "./package/model-package";
import { vocabulary } from "./vocabulary";

const fileSchema = v.looseObject({
  added_tokens: v.array(v.looseObject({ id: v.number(), content: v.string() })),
  model: v.looseObject({ type: v.literal("BPE"), vocab: vocabulary }),
  normalizer: v.nullish(v.looseObject({ type: v.string() })),
  pre_tokenizer: v.unknown(),
  decoder: v.looseObject({ type: v.literal("ByteLevel") }),
});

const behaviours = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"] as const;

/** A pre-tokenizer that splits text into words and converts each word to bytes independently. */
const wordwiseSchema = v.looseObject({
  type: v.literal("Sequence"),
  pretokenizers: v.strictTuple([
    v.object({
      type: v.literal("Split"),
      pattern: v.union([v.strictObject({ Regex: v.string() }), v.strictObject({ String: v.string() })]),
      behavior: v.picklist(behaviours),
      invert: v.boolean(),
    }),
    v.looseObject({ type: v.literal("ByteLevel"), add_prefix_space: v.literal(false), use_regex: v.literal(false) }),
  ]),
});

/** Maximum number of words whose ids are cached, a few megabytes; the cache is cleared when it is full. */
const maxCachedWords = 20_000;
/** Longer words are not cached: they are rare and would take much memory. */
const maxCachedLength = 64;

/** Byte-level BPE tokenizer of one model package. */
export class Tokenizer {
  readonly vocabularySize: number;
  private readonly library: LibraryTokenizer;
  /** Splits text into the words that the library encodes one by one; undefined when text cannot be split. */
  private readonly splitter: SplitPreTokenizer | undefined;
  /** Whether text is normalised to NFC first, as Qwen's tokenizers do. */
  private readonly composes: boolean;
  private readonly cached = new Map<string, readonly number[]>();
  private readonly special: ReadonlyMap<string, number>;
  private readonly bytes: readonly (Uint8Array | undefined)[];

  /** Reads the tokenizer of a checked package. */
  static async load(model: Pick<ModelPackage, "tokenizerPath">): Promise<Tokenizer> {
    return new Tokenizer(JSON.parse(await readFile(model.tokenizerPath, "utf8")));
  }

  /**
   * @param json content of a Hugging Face tokenizer.json with a byte-level BPE model.
   * @throws Error for another kind of tokenizer.
   */
  constructor(json: unknown) {
    const parsed = v.safeParse(fileSchema, json);
    if (!parsed.success) {
      const [issue] = parsed.issues;
      throw new Error(
        `tokenizer.json: ${v.getDotPath(issue) ?? "(whole file)"}: expected ${issue.expected ?? "something else"}, found ${issue.received}. Use a byte-level BPE tokenizer.`,
      );
    }
    const file = parsed.output;
    this.special = new Map(file.added_tokens.map((token) => [token.content, token.id]));
    // The library would look for added tokens and special tokens of the vocabulary in any text. It is given
    // neither, so that "<|endoftext|>" in a source file is encoded as ordinary characters.
    const vocab = Object.fromEntries(Object.entries(file.model.vocab).filter(([token]) => !this.special.has(token)));
    // Words of code repeat often, and byte-pair merging takes most of the time, so each word is encoded once.
    const wordwise = v.safeParse(wordwiseSchema, file.pre_tokenizer);
    this.composes = file.normalizer?.type === "NFC";
    const words = wordwise.success && (!file.normalizer || this.composes) ? wordwise.output.pretokenizers : undefined;
    this.splitter = words && new SplitPreTokenizer(words[0]);
    this.library = new LibraryTokenizer(
      {
        ...file,
        normalizer: words ? null : (file.normalizer ?? null),
        pre_tokenizer: words?.[1] ?? file.pre_tokenizer,
        added_tokens: [],
        model: { ...file.model, vocab },
        post_processor: null,
      },
      {},
    );
    this.bytes = byteTable(vocab, this.special);
    this.vocabularySize = this.bytes.length;
  }

  /** Ids of `text`, without special tokens. Unpaired surrogates become U+FFFD; any other text decodes to the same text. */
  encode(text: string): number[] {
    if (this.splitter === undefined) return this.encodeWord(text);
    const ids: number[] = [];
    for (const word of this.splitter.pre_tokenize_text(this.composes ? text.normalize("NFC") : text)) {
      let known = this.cached.get(word);
      if (known === undefined) {
        known = this.encodeWord(word);
        if (word.length <= maxCachedLength) {
          if (this.cached.size >= maxCachedWords) this.cached.clear();
          // A copy, because the word refers to the whole text and would keep it in memory.
          this.cached.set(Buffer.from(word, "utf16le").toString("utf16le"), known);
        }
      }
      for (const id of known) ids.push(id);
    }
    return ids;
  }

  private encodeWord(word: string): number[] {
    return word === "" ? [] : this.library.encode(word, { add_special_tokens: false }).ids;
  }

  /** Text of `ids`; special tokens appear by name, invalid UTF-8 as U+FFFD. @throws RangeError for an unknown id. */
  decode(ids: readonly number[]): string {
    const stream = this.stream();
    return ids.map((id) => stream.push(id)).join("") + stream.end();
  }

  /** A decoder for one id at a time, which buffers bytes until a character is complete. */
  stream(): TokenStream {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return {
      push: (id) => decoder.decode(this.bytesOf(id), { stream: true }),
      end: () => decoder.decode(),
    };
  }

  /** The bytes of an id. @throws RangeError for an unknown id. */
  bytesOf(id: number): Uint8Array {
    const bytes = this.bytes[id];
    if (bytes === undefined)
      throw new RangeError(`expected a token id of the vocabulary (0..${this.vocabularySize - 1}), found ${id}`);
    return bytes;
  }

  /** Id of the special token with this name. @throws Error when there is none. */
  tokenOf(special: string): number {
    const id = this.special.get(special);
    if (id === undefined)
      throw new Error(
        `expected one of the special tokens ${[...this.special.keys()].join(" ")}, found ${special}: the model package's tokenizer lacks it`,
      );
    return id;
  }

  /** Whether `name` is a special token's name. */
  isSpecial(name: string): boolean {
    return this.special.has(name);
  }
}

/** See {@link Tokenizer.stream}. */
export interface TokenStream {
  /** Text completed by this id; empty while a character is incomplete. */
  push(id: number): string;
  /** The remaining bytes as text, with U+FFFD for an incomplete character. */
  end(): string;
}

/** Bytes of every id. Byte-level vocabularies represent each byte by one printable character (GPT-2's table). */
function byteTable(
  vocab: Readonly<Record<string, number>>,
  special: ReadonlyMap<string, number>,
): (Uint8Array | undefined)[] {
  const byteOf = new Map<string, number>();
  let shifted = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    byteOf.set(String.fromCharCode(printable ? byte : shifted++), byte);
  }
  const table: (Uint8Array | undefined)[] = [];
  for (const [token, id] of Object.entries(vocab)) {
    table[id] = Uint8Array.from(token, (character) => {
      const byte = byteOf.get(character);
      if (byte === undefined)
        throw new Error(
          `tokenizer.json: expected byte-level tokens, found ${JSON.stringify(token)}. Use a byte-level BPE tokenizer.`,
        );
      return byte;
    });
  }
  const encoder = new TextEncoder();
  for (const [name, id] of special) table[id] = encoder.encode(name);
  return table;
}
