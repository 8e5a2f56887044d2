// Digests: keys, so that the store holds neither paths nor text, and checksums of its data.
import { createHash } from "node:crypto";

/** 132 bits of SHA-256 in base64url: as text it is a key in memory, in JSON and in SQL alike. */
const digits = 22;
/** SQLite notices damage to its structure, but not to the data. */
const checksumBytes = 8;

/** Key of a fragment's vector: the digest of the token ids that the model reads. Equal tokens give equal vectors. */
export function vectorKey(tokens: readonly number[]): string {
  return digest(new Uint8Array(Uint32Array.from(tokens).buffer));
}

/** Key of a path or URI. */
export function nameKey(name: string): string {
  return digest(name);
}

/** Identifies the content of a file on disk. */
export function contentHash(bytes: Uint8Array): string {
  return digest(bytes);
}

function digest(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("base64url").slice(0, digits);
}

/** The bytes, with their checksum before them. */
export function seal(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([checksum(bytes), bytes]);
}

/** @returns a view of the bytes that {@link seal} was given; undefined when they or the checksum are damaged */
export function unseal(sealed: Uint8Array): Uint8Array | undefined {
  const bytes = sealed.subarray(checksumBytes);
  return checksum(bytes).equals(sealed.subarray(0, checksumBytes)) ? bytes : undefined;
}

function checksum(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest().subarray(0, checksumBytes);
}
