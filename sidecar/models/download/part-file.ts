// A file that is being received: bytes are appended, hashed on the way, and the file gets its name when it is complete.
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";

/** What a file must be. */
export interface ExpectedFile {
  readonly bytes: number;
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** The file has its name with `.part` at the end until {@link finish}. */
export class PartFile {
  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    private hash: Hash,
    private length: number,
  ) {}

  /** Continues the file where an earlier process stopped; its bytes are read for the hash. */
  static async open(path: string, signal: AbortSignal | undefined): Promise<PartFile> {
    const part = `${path}.part`;
    // It was complete, but not used: it is checked again.
    if ((await stat(path).catch(() => undefined))?.isFile() === true) await rename(path, part);
    const handle = await open(part, "a+");
    try {
      const hash = createHash("sha256");
      let length = 0;
      for await (const block of createReadStream(part, { highWaterMark: 1 << 20, signal })) {
        hash.update(block);
        length += block.length;
      }
      return new PartFile(path, handle, hash, length);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.length;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.handle.appendFile(bytes);
    this.hash.update(bytes);
    this.length += bytes.length;
  }

  /** Deletes the content. */
  async clear(): Promise<void> {
    await this.handle.truncate(0);
    this.hash = createHash("sha256");
    this.length = 0;
  }

  /** The first bytes, as Latin-1 text. */
  async beginning(length: number): Promise<string> {
    const { buffer, bytesRead } = await this.handle.read(Buffer.alloc(length), 0, length, 0);
    return buffer.toString("latin1", 0, bytesRead);
  }

  /** Of the bytes so far. */
  sha256(): string {
    return this.hash.copy().digest("hex");
  }

  /** Writes everything to disk and gives the file its name. To be called once its hash is right. */
  async finish(): Promise<string> {
    await this.handle.sync();
    await this.handle.close();
    await rename(`${this.path}.part`, this.path);
    return this.path;
  }

  /** The bytes stay on disk for the next attempt. */
  close(): Promise<void> {
    return this.handle.close();
  }

  async delete(): Promise<void> {
    await this.handle.close();
    await rm(`${this.path}.part`, { force: true });
  }
}
