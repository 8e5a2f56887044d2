// What the index knows of one workspace folder: its rules, and which of its files are indexed or excluded.
import { join, sep } from "node:path";
import { fileUri } from "../host/paths";
import type { FileEntry } from "./file-entry";
import type { ExcludeSettings } from "./files/exclude-settings";
import type { ExclusionReason } from "./files/exclusion";
import { IgnoreRules } from "./files/ignore";
import type { KnownFiles } from "./known-files";

/** A file of the index. */
export interface IndexedFile {
  readonly entry: FileEntry;
  /** Ids of its fragments, in order. */
  readonly ids: readonly number[];
}

/** Paths are relative to the folder, with `/`. */
export class FolderState {
  readonly indexed = new Map<string, IndexedFile>();
  readonly excluded = new Map<string, ExclusionReason>();
  /** Whether the folder is still part of the workspace. */
  isOpen = true;
  private rules: IgnoreRules | undefined;
  private time = 0;
  /** By path, the time of the last change: a file read before that must not replace what the index holds now. */
  private readonly changed = new Map<string, number>();

  /** @param root path of the folder on this machine, with no separator at its end */
  constructor(
    readonly uri: string,
    readonly root: string,
    readonly known: KnownFiles,
    public excludes: ExcludeSettings,
  ) {}

  /** The rules as they were read last; read now when they never were. */
  async currentRules(): Promise<IgnoreRules> {
    return this.rules ?? (await this.readRules());
  }

  /** Reads the rules from the disk again, for what follows. */
  async readRules(): Promise<IgnoreRules> {
    const rules = await IgnoreRules.create(this.root, this.excludes);
    this.rules = rules;
    return rules;
  }

  /** Notes that a file or folder was deleted: rules that were read there no longer apply. */
  forgetRules(path: string): void {
    this.rules?.leave(path);
  }

  /** A point in the order of this folder's changes, later than all before it. */
  nextTime(): number {
    return ++this.time;
  }

  hasChangedSince(path: string, time: number): boolean {
    return (this.changed.get(path) ?? 0) > time;
  }

  markChanged(path: string, time: number): void {
    this.changed.set(path, time);
  }

  /** The file's path on this machine. */
  fileOf(path: string): string {
    return join(this.root, path);
  }

  /** The path of a file or folder on this machine, undefined when it does not lie below this folder. */
  pathOf(file: string): string | undefined {
    const prefix = this.root.endsWith(sep) ? this.root : this.root + sep;
    return file.startsWith(prefix) ? file.slice(prefix.length).split(sep).join("/") : undefined;
  }

  /** In the form of {@link normalUri}, whatever form the folder's own URI has. */
  uriOf(path: string): string {
    return fileUri(this.fileOf(path));
  }
}
