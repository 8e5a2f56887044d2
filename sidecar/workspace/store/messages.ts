// The messages between the store and its thread.
import type { FileChange, FoundVectors, PackedVectors, StoredFile } from "./database";

/** Options of the thread. */
export interface StoreOptions {
  readonly storagePath: string;
  /** Hexadecimal digits. */
  readonly modelHash: string;
  readonly vectorBytes: number;
}

/** To the thread. Requests are answered in the order in which they are made. */
export type Request =
  | { readonly kind: "openFolder"; readonly key: string; readonly version: string }
  | { readonly kind: "vectors"; readonly keys: readonly string[] }
  | { readonly kind: "claim"; readonly keys: readonly string[] }
  | { readonly kind: "write"; readonly vectors: PackedVectors; readonly changes: readonly FileChange[] }
  | { readonly kind: "tidy"; readonly maxBytes: number }
  | { readonly kind: "clear" }
  | { readonly kind: "measure" }
  | { readonly kind: "close" };

export type Answer =
  | { readonly kind: "files"; readonly files: readonly StoredFile[] }
  | ({ readonly kind: "vectors" } & FoundVectors)
  | { readonly kind: "claimed"; readonly keys: readonly string[] }
  /** Bytes of all stores in the storage folder. */
  | { readonly kind: "measure"; readonly bytes: number }
  | { readonly kind: "done" };

/** From the thread: whether the store could be opened, warnings for the user, and one reply to each request. */
export type Reply =
  | { readonly event: "opened" }
  | { readonly event: "refused"; readonly message: string }
  | { readonly event: "warning"; readonly message: string }
  | { readonly event: "answered"; readonly answer: Answer }
  | { readonly event: "failed"; readonly message: string };
