// The part of WebAssembly that is used here: Node has it, its types and the language's do not name it.
declare namespace WebAssembly {
  class Memory {
    /** In pages of 64 kB. */
    constructor(descriptor: { initial: number; maximum: number });
    /** Another one after growing. */
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
