// Moves the large tensors of an ONNX graph to a separate file, as exporters of large models do.
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

const field = { graph: 7, initializer: 5, rawData: 9, externalData: 13, dataLocation: 14 };
const external = 1;

/**
 * @param model content of a .onnx file.
 * @param location the file's name in the graph.
 * @param minBytes smaller tensors stay in the graph, such as shapes.
 * @returns the graph without those tensors, and the file.
 */
export function moveWeights(model: Uint8Array, location: string, minBytes = 256): { graph: Uint8Array; data: Buffer } {
  const blocks: Uint8Array[] = [];
  let offset = 0;
  const graph = rewrite(model, (number, bytes) => {
    if (number !== field.graph) return bytes;
    return rewrite(bytes, (inner, tensor) => {
      if (inner !== field.initializer) return tensor;
      let raw: Uint8Array | undefined;
      const without = rewrite(tensor, (part, content) => {
        if (part !== field.rawData || content.length < minBytes) return content;
        raw = content;
        return undefined;
      });
      if (raw === undefined) return tensor;
      const writer = new BinaryWriter().raw(without);
      for (const [key, value] of Object.entries({ location, offset, length: raw.length }))
        writer.tag(field.externalData, WireType.LengthDelimited).bytes(entry(key, String(value)));
      blocks.push(raw);
      offset += raw.length;
      return writer.tag(field.dataLocation, WireType.Varint).int32(external).finish();
    });
  });
  return { graph, data: Buffer.concat(blocks) };
}

/** A StringStringEntryProto. */
export function entry(key: string, value: string): Uint8Array {
  return new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string(key)
    .tag(2, WireType.LengthDelimited)
    .string(value)
    .finish();
}

/** A copy of a message with each bytes field replaced by the result of `change`; undefined: removed. */
function rewrite(
  message: Uint8Array,
  change: (field: number, content: Uint8Array) => Uint8Array | undefined,
): Uint8Array {
  const reader = new BinaryReader(message);
  const writer = new BinaryWriter();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type !== WireType.LengthDelimited) {
      writer.tag(number, type).raw(reader.skip(type, number));
      continue;
    }
    const changed = change(number, reader.bytes());
    if (changed !== undefined) writer.tag(number, type).bytes(changed);
  }
  return writer.finish();
}
