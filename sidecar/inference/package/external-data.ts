// Lists the files of an ONNX graph's external data.
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

type Message =
  | "model"
  | "training"
  | "function"
  | "graph"
  | "node"
  | "attribute"
  | "sparseTensor"
  | "tensor"
  | "externalData";

/** The messages of onnx.proto that can contain a tensor, by field number. */
const fields: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: "graph", 20: "training", 25: "function" },
  training: { 1: "graph", 2: "graph" },
  function: { 7: "node", 11: "attribute" },
  graph: { 1: "node", 5: "tensor", 15: "sparseTensor" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparseTensor", 23: "sparseTensor" },
  sparseTensor: { 1: "tensor", 2: "tensor" },
  tensor: { 13: "externalData" },
  externalData: {},
};

/**
 * The locations of external data in an ONNX model, each once and unchanged. Every tensor counts: those of nested graphs,
 * of attributes and of functions, and those that state a location without using it.
 * Source: onnx/onnx.proto of ONNX 1.23 and its page "External Data".
 * @param model content of a .onnx file.
 * @throws Error when the bytes are not a protocol buffer message.
 */
export function externalDataLocations(model: Uint8Array): ReadonlySet<string> {
  const locations = new Set<string>();
  // A list instead of recursion, because a file can nest graphs deeply.
  const pending: { kind: Message; bytes: Uint8Array }[] = [{ kind: "model", bytes: model }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.kind === "externalData") {
      const { key, value } = readEntry(next.bytes);
      if (key === "location") locations.add(value);
      continue;
    }
    const inside = fields[next.kind];
    const reader = new BinaryReader(next.bytes);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      const kind = inside[field];
      if (kind !== undefined && type === WireType.LengthDelimited) pending.push({ kind, bytes: reader.bytes() });
      else reader.skip(type, field);
    }
  }
  return locations;
}

/** A StringStringEntryProto. */
function readEntry(bytes: Uint8Array): { key: string; value: string } {
  const entry = { key: "", value: "" };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1 && type === WireType.LengthDelimited) entry.key = reader.string();
    else if (field === 2 && type === WireType.LengthDelimited) entry.value = reader.string();
    else reader.skip(type, field);
  }
  return entry;
}
