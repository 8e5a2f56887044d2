// Writes small GGUF files for tests: any metadata, any tensors, any alignment.

type Value =
  | string
  | { u32: number }
  | { u64: bigint }
  | { f32: number }
  | { bool: boolean }
  | { texts: readonly string[] }
  | { raw: Buffer };

export interface BuiltTensor {
  readonly name: string;
  /** As GGUF orders them: numbers in a row first. */
  readonly shape: readonly number[];
  /** ggml's number. */
  readonly type: number;
  readonly data: Uint8Array;
}

export interface GgufParts {
  readonly metadata: Readonly<Record<string, Value>>;
  readonly tensors: readonly BuiltTensor[];
  readonly alignment?: number;
}

/** Where a file's parts begin, for tests that change them. */
export interface BuiltGguf {
  readonly bytes: Buffer;
  /** End of metadata and of the list of tensors. */
  readonly headerEnd: number;
  /** End of the last tensor's data. */
  readonly dataEnd: number;
  /** In the list of tensors, of the field with each tensor's own offset. */
  readonly offsetFields: ReadonlyMap<string, number>;
}

export function buildGguf({ metadata, tensors, alignment = 32 }: GgufParts): BuiltGguf {
  const header: Buffer[] = [Buffer.from("GGUF"), u32(3), u64(BigInt(tensors.length))];
  const entries = Object.entries(metadata);
  if (alignment !== 32) entries.push(["general.alignment", { u32: alignment }]);
  header.push(u64(BigInt(entries.length)));
  for (const [key, value] of entries) header.push(text(key), encoded(value));
  const offsetFields = new Map<string, number>();
  let offset = 0;
  for (const { name, shape, type, data } of tensors) {
    header.push(text(name), u32(shape.length), ...shape.map((each) => u64(BigInt(each))), u32(type));
    offsetFields.set(name, Buffer.concat(header).length);
    header.push(u64(BigInt(offset)));
    offset = padded(offset + data.length, alignment);
  }
  const head = Buffer.concat(header);
  const start = padded(head.length, alignment);
  const bytes = Buffer.alloc(start + offset);
  head.copy(bytes);
  let at = start;
  let dataEnd = start;
  for (const { data } of tensors) {
    bytes.set(data, at);
    dataEnd = at + data.length;
    at = padded(dataEnd, alignment);
  }
  return { bytes, headerEnd: head.length, dataEnd, offsetFields };
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(BigInt(bytes.length)), bytes]);
}

function encoded(value: Value): Buffer {
  if (typeof value === "string") return Buffer.concat([u32(8), text(value)]);
  if ("u32" in value) return Buffer.concat([u32(4), u32(value.u32)]);
  if ("u64" in value) return Buffer.concat([u32(10), u64(value.u64)]);
  if ("bool" in value) return Buffer.concat([u32(7), Buffer.from([value.bool ? 1 : 0])]);
  if ("raw" in value) return value.raw;
  if ("texts" in value)
    return Buffer.concat([u32(9), u32(8), u64(BigInt(value.texts.length)), ...value.texts.map(text)]);
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value.f32);
  return Buffer.concat([u32(6), bytes]);
}

function padded(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}
