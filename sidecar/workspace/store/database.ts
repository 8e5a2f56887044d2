// One model's vectors and file entries in an SQLite file. Synchronous: it runs in its own thread.
import { randomUUID } from "node:crypto";
import { rmSync, statSync } from "node:fs";
import type { DatabaseSyncInstance, StatementSyncInstance } from "@photostructure/sqlite";
import { errorMessage } from "../../host/errors";
import { seal, unseal } from "./keys";
import { isDamage, isDeleted, openFile } from "./sqlite-file";
import { format } from "./storage-folder";

/** A file of a folder: the key of its path, and its entry as text. */
export interface StoredFile {
  readonly path: string;
  readonly entry: string;
}

/** Consecutive vectors, each of `rows.length / keys.length` bytes. */
export interface PackedVectors {
  readonly keys: readonly string[];
  readonly rows: Uint8Array<ArrayBuffer>;
}

/** The requested vectors, in the order of their keys. */
export interface FoundVectors {
  readonly rows: Uint8Array<ArrayBuffer>;
  /** For each key: 1 when its vector is stored, else 0, and its row is undefined. */
  readonly found: Uint8Array<ArrayBuffer>;
}

/** A new entry of a file, or its removal. */
export interface FileChange {
  readonly folder: string;
  readonly path: string;
  /** Undefined to remove the file. */
  readonly entry: string | undefined;
  /** Keys of the vectors that the file uses. */
  readonly keys: readonly string[];
  /** Whether vectors that no file uses any more are deleted at once, instead of a day later. */
  readonly erase: boolean;
}

/** Deleted text often comes back, for example when a branch is switched or a change undone. */
const unusedVectorSeconds = 24 * 3600;
const unusedFolderSeconds = 60 * 24 * 3600;
/** A process stores what it claims within seconds. After this time it may have been killed. */
const claimSeconds = 120;
/** Share of the limit to which the file is shrunk, so that it does not happen at every start. */
const targetShare = 0.8;

const schema = `
  CREATE TABLE folders(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, version TEXT NOT NULL, used INTEGER NOT NULL);
  CREATE TABLE files(
    id INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL REFERENCES folders ON DELETE CASCADE,
    path TEXT NOT NULL,
    entry BLOB NOT NULL,
    UNIQUE(folder, path)
  );
  CREATE TABLE vectors(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, used INTEGER NOT NULL, data BLOB NOT NULL);
  CREATE TABLE uses(
    vector INTEGER NOT NULL REFERENCES vectors ON DELETE CASCADE,
    file INTEGER NOT NULL REFERENCES files ON DELETE CASCADE,
    PRIMARY KEY(vector, file)
  ) WITHOUT ROWID;
  CREATE INDEX uses_by_file ON uses(file);
  CREATE TABLE claims(key TEXT PRIMARY KEY, owner TEXT NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;
`;

const sql = {
  findFolder: "SELECT id FROM folders WHERE key = ? AND version = ?",
  folder: `INSERT INTO folders(key, version, used) VALUES(?1, ?2, ?3)
    ON CONFLICT(key) DO UPDATE SET used = excluded.used RETURNING id, version`,
  setVersion: "UPDATE folders SET version = ?2 WHERE id = ?1",
  files: "SELECT path, entry FROM files WHERE folder = ? ORDER BY id",
  fileId: "SELECT id FROM files WHERE folder = ? AND path = ?",
  putFile: `INSERT INTO files(folder, path, entry) VALUES(?, ?, ?)
    ON CONFLICT(folder, path) DO UPDATE SET entry = excluded.entry RETURNING id`,
  removeFile: "DELETE FROM files WHERE id = ?",
  use: "INSERT OR IGNORE INTO uses SELECT id, ?1 FROM vectors WHERE key IN (SELECT value FROM json_each(?2))",
  touch: "UPDATE vectors SET used = ?2 WHERE id IN (SELECT vector FROM uses WHERE file = ?1)",
  unuse: "DELETE FROM uses WHERE file = ?",
  erase: `DELETE FROM vectors WHERE id IN (SELECT vector FROM uses WHERE file = ?1)
    AND NOT EXISTS (SELECT 1 FROM uses WHERE vector = vectors.id AND file <> ?1)`,
  vectors: "SELECT wanted.key, data FROM json_each(?) AS wanted JOIN vectors ON vectors.key = wanted.value",
  putVector: "INSERT OR IGNORE INTO vectors(key, used, data) VALUES(?, ?, ?)",
  claim: "INSERT OR IGNORE INTO claims SELECT value, ?2, ?3 FROM json_each(?1)",
  claimed: "SELECT key FROM claims WHERE key IN (SELECT value FROM json_each(?)) AND owner <> ?",
  unclaim: "DELETE FROM claims WHERE key IN (SELECT value FROM json_each(?))",
  sweepClaims: "DELETE FROM claims WHERE since < ?",
  removeVector: "DELETE FROM vectors WHERE key = ?",
  sweepVectors: "DELETE FROM vectors WHERE used < ? AND NOT EXISTS (SELECT 1 FROM uses WHERE vector = vectors.id)",
  countFiles: "SELECT count(*) AS count FROM files",
  removeOldest: `DELETE FROM files WHERE id IN (
    SELECT files.id FROM files JOIN folders ON folder = folders.id ORDER BY used, files.id DESC LIMIT ?)`,
  sweepFolders: "DELETE FROM folders WHERE used < ?",
} as const;

interface DatabaseOptions {
  /** Made when it is missing, readable for this user only. */
  readonly path: string;
  /** Bytes of a vector. */
  readonly vectorBytes: number;
  readonly warn: (message: string) => void;
}

/** A method that fails throws SQLite's error and changes nothing. A damaged file is replaced by an empty one. */
export class Database {
  private database: DatabaseSyncInstance;
  private readonly statements = new Map<string, StatementSyncInstance>();
  /** Versions of the folders opened here, by key. */
  private readonly versions = new Map<string, string>();
  /** Identifies this process in claims. */
  private readonly owner = randomUUID();

  /** @throws Error when the file can neither be opened nor made */
  constructor(private readonly options: DatabaseOptions) {
    this.database = this.open();
  }

  /**
   * The entries of a folder that were recorded under this version; others are deleted at the next write. They are in the
   * order in which the files were first stored, so that vectors of consecutive files are near each other in the file.
   */
  openFolder(key: string, version: string): StoredFile[] {
    this.versions.set(key, version);
    return this.guarded(() => {
      const folder: [id: number] | undefined = this.prepared("findFolder").get(key, version);
      const rows: [path: string, entry: Uint8Array][] =
        folder === undefined ? [] : this.prepared("files").all(...folder);
      const files: StoredFile[] = [];
      const damaged: FileChange[] = [];
      for (const [path, entry] of rows) {
        const text = unseal(entry);
        if (text === undefined) damaged.push({ folder: key, path, entry: undefined, keys: [], erase: false });
        else files.push({ path, entry: Buffer.from(text).toString() });
      }
      if (damaged.length > 0) {
        this.warnOfDamage(damaged.length, "file entries");
        this.write({ keys: [], rows: new Uint8Array() }, damaged);
      }
      return files;
    });
  }

  /** The vectors with these keys that are stored. */
  vectors(keys: readonly string[]): FoundVectors {
    return this.guarded(() => {
      const { vectorBytes } = this.options;
      const rows = new Uint8Array(keys.length * vectorBytes);
      const found = new Uint8Array(keys.length);
      const damaged: string[] = [];
      const stored: Iterable<[at: number, data: Uint8Array]> = this.prepared("vectors").iterate(JSON.stringify(keys));
      for (const [at, data] of stored) {
        const vector = unseal(data);
        if (vector?.length === vectorBytes) {
          rows.set(vector, at * vectorBytes);
          found[at] = 1;
        } else damaged.push(keys[at] ?? "");
      }
      if (damaged.length > 0) {
        this.warnOfDamage(damaged.length, "vectors");
        this.transaction(() => {
          for (const key of damaged) this.prepared("removeVector").run(key);
        });
      }
      return { rows, found };
    });
  }

  /**
   * Claims these keys: this process is going to embed the fragments, so that others need not.
   * @returns the keys that another process has claimed
   */
  claim(keys: readonly string[]): string[] {
    return this.transaction(() => {
      const now = seconds();
      const list = JSON.stringify(keys);
      this.prepared("sweepClaims").run(now - claimSeconds);
      this.prepared("claim").run(list, this.owner, now);
      const claimed: [key: string][] = this.prepared("claimed").all(list, this.owner);
      return claimed.map(([key]) => key);
    });
  }

  /** Stores vectors, then the changes of files. */
  write(vectors: PackedVectors, changes: readonly FileChange[]): void {
    this.transaction(() => {
      const { vectorBytes } = this.options;
      const now = seconds();
      this.prepared("unclaim").run(JSON.stringify(vectors.keys));
      vectors.keys.forEach((key, at) => {
        this.prepared("putVector").run(key, now, seal(vectors.rows.subarray(at * vectorBytes, (at + 1) * vectorBytes)));
      });
      const folders = new Map<string, number>();
      for (const change of changes) {
        const folder = folders.get(change.folder) ?? this.folder(change.folder);
        folders.set(change.folder, folder);
        this.change(change, folder);
      }
    });
  }

  /**
   * Marks the open folders as used, deletes what has not been used for long, and then the oldest until the file has at most
   * `maxBytes`.
   */
  tidy(maxBytes: number): void {
    const now = seconds();
    this.transaction(() => {
      for (const key of this.versions.keys()) this.folder(key);
      this.prepared("sweepVectors").run(now - unusedVectorSeconds);
      this.prepared("sweepFolders").run(now - unusedFolderSeconds);
    });
    if (this.bytes > maxBytes) this.shrink(Math.floor(maxBytes * targetShare));
  }

  /** Deletes everything in it. */
  clear(): void {
    this.transaction(() => this.database.exec("DELETE FROM folders; DELETE FROM vectors; DELETE FROM claims;"));
  }

  close(): void {
    this.database.close();
  }

  private get bytes(): number {
    return statSync(this.options.path).size;
  }

  /** Deletes vectors without a file, then files of the folders that were opened longest ago. */
  private shrink(maxBytes: number): void {
    const sweepAll = (): unknown => this.prepared("sweepVectors").run(seconds() + 1);
    this.transaction(sweepAll);
    for (let bytes = this.bytes; bytes > maxBytes; bytes = this.bytes) {
      const [count]: [number] = this.prepared("countFiles").get();
      if (count === 0) return;
      this.transaction(() => {
        this.prepared("removeOldest").run(Math.ceil(count * (1 - maxBytes / bytes)));
        sweepAll();
      });
    }
  }

  private change({ path, entry, keys, erase }: FileChange, folder: number): void {
    const [before]: [id?: number] = this.prepared("fileId").get(folder, path) ?? [];
    if (before !== undefined) {
      if (erase) this.prepared("erase").run(before);
      else this.prepared("touch").run(before, seconds());
    }
    if (entry === undefined) {
      if (before !== undefined) this.prepared("removeFile").run(before);
      return;
    }
    if (before !== undefined) this.prepared("unuse").run(before);
    const [after]: [id: number] = this.prepared("putFile").get(folder, path, seal(Buffer.from(entry)));
    this.prepared("use").run(after, JSON.stringify(keys));
  }

  /** The number of a folder's row. */
  private folder(key: string): number {
    const version = this.versions.get(key) ?? "";
    const [id, found]: [id: number, version: string] = this.prepared("folder").get(key, version, seconds());
    if (found === version) return id;
    const files: [path: string][] = this.prepared("files").all(id);
    for (const [path] of files) this.change({ folder: key, path, entry: undefined, keys: [], erase: false }, id);
    this.prepared("setVersion").run(id, version);
    return id;
  }

  private transaction<Result>(work: () => Result): Result {
    return this.guarded(() => {
      this.database.exec("BEGIN IMMEDIATE");
      try {
        const result = work();
        this.database.exec("COMMIT");
        return result;
      } catch (error) {
        if (this.database.isTransaction) this.database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  /** Does the work; when the file is damaged or deleted, does it again with a new file. */
  private guarded<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      if (!isDamage(error) && !isDeleted(error)) throw error;
      try {
        this.database.close();
      } catch {
        // A damaged file may fail to close.
      }
      if (isDamage(error)) this.deleteDamaged(error);
      this.statements.clear();
      this.database = this.open();
      return work();
    }
  }

  private open(): DatabaseSyncInstance {
    const { path } = this.options;
    try {
      return openFile(path, format, schema);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.deleteDamaged(error);
      return openFile(path, format, schema);
    }
  }

  private prepared(name: keyof typeof sql): StatementSyncInstance {
    const statement = this.statements.get(name) ?? this.database.prepare(sql[name]);
    this.statements.set(name, statement);
    return statement;
  }

  private deleteDamaged(error: unknown): void {
    const { path, warn } = this.options;
    warn(
      `${path}: expected a store of embeddings, found it damaged (${errorMessage(error)}): it is replaced, and the workspace is embedded again.`,
    );
    for (const each of [path, `${path}-journal`]) rmSync(each, { force: true });
  }

  private warnOfDamage(count: number, what: string): void {
    this.options.warn(
      `${this.options.path}: expected intact ${what}, found ${count} damaged: they are deleted and embedded again.`,
    );
  }
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
