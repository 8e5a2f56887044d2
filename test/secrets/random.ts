// Random values for the corpus of secrets, the same in every run. They are made at run time, so that scanners do not report the sources.

export const base62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
export const base64 = `${base62}+/`;
export const base64url = `${base62}-_`;
export const hex = "0123456789abcdef";
export const upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
export const lower = "abcdefghijklmnopqrstuvwxyz0123456789";
export const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
export const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
export const digits = "0123456789";

/** Mulberry32. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws random values. */
export class Values {
  private readonly next: () => number;

  constructor(seed: number) {
    this.next = numbers(seed);
  }

  /** `count` characters of an alphabet. */
  of(alphabet: string, count: number): string {
    return Array.from({ length: count }, () => alphabet[Math.floor(this.next() * alphabet.length)] ?? "").join("");
  }

  /** A password as of a generator: digits, upper and lower case letters, each at least once. */
  password(count = 20): string {
    return `${this.of(letters, 1)}${this.of(digits, 1)}${this.of("ABCDEFGHJKLMNPQRSTUVWXYZ", 1)}${this.of("abcdefghijkmnopqrstuvwxyz", 1)}${this.of(base62, count - 4)}`;
  }

  uuid(): string {
    return [8, 4, 4, 4, 12].map((count) => this.of(hex, count)).join("-");
  }

  /** Lines of base64 as in a PEM file. */
  pemBody(lines = 6): string {
    return Array.from({ length: lines }, () => this.of(base64, 64)).join("\n");
  }

  pem(kind: string, lines = 6): string {
    return `-----BEGIN ${kind}-----\n${this.pemBody(lines)}\n-----END ${kind}-----\n`;
  }

  jwt(): string {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    return `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: this.of(digits, 6), role: "service" })}.${this.of(base64url, 43)}`;
  }
}

/** A file of the corpus. */
export interface CorpusFile {
  /** The kind of the example. */
  readonly kind: string;
  /** Path from the workspace folder, with `/`. */
  readonly path: string;
  readonly text: string;
}
