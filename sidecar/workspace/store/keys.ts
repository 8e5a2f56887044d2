// Digests: the keys under which the store holds things, so that it holds no path and no text, and checksums of what it holds.
import { createHash } from "node:crypto";

/** 132 bits of SHA-256 in base64url: as text it is a key in memory, in JSON and in SQL alike. */
const digits = 22;
/** SQLite notices damage to its structure, and none to the data in it. */
const checksumBytes = 8;

/** Key of a fragment's vector: the digest of the token ids that the model reads of it. Vectors are equal exactly when these are. */
export function vectorKey(tokens: readonly number[]): string {
  return digest(new Uint8Array(Uint32Array.from(tokens).buffer));
}

/** Key of a path or URI. */
export function nameKey(name: string): string {
  return digest(name);
}

/** Identifies the content of a file, as it lies on the disk. */
export function contentHash(bytes: Uint8Array): string {
  return digest(bytes);
}

function digest(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("base64url").slice(0, digits);
}

/** The bytes behind a checksum over them. */
export function seal(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([checksum(bytes), bytes]);
}

/** @returns the bytes that {@link seal} was given, as a view; undefined where they or the checksum are damaged */
export function unseal(sealed: Uint8Array): Uint8Array | undefined {
  const bytes = sealed.subarray(checksumBytes);
  return checksum(bytes).equals(sealed.subarray(0, checksumBytes)) ? bytes : undefined;
}

function checksum(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest().subarray(0, checksumBytes);
}
