// Files that go through a step of indexing together.

export class Batch<File> {
  private files: File[] = [];
  private fragmentCount = 0;

  get size(): number {
    return this.files.length;
  }

  /** Fragments of all its files. */
  get fragments(): number {
    return this.fragmentCount;
  }

  add(file: File, fragments: number): void {
    this.files.push(file);
    this.fragmentCount += fragments;
  }

  /** Empties the batch, and returns what it held. */
  take(): File[] {
    const { files } = this;
    this.files = [];
    this.fragmentCount = 0;
    return files;
  }
}
