// Types of the part of WebAssembly that is used here: neither Node's types nor the language's have them.
declare namespace WebAssembly {
  class Memory {
    /** In pages of 64 kB. */
    constructor(descriptor: { initial: number; maximum: number });
    /** Changes when the memory grows. */
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }

  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
  }

  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, Memory>>);
    readonly exports: Record<string, unknown>;
  }
}
