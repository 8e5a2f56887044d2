// Reads tensors of a GGUF file, joined by rows, as float32, a few rows at a time.
import { GgufError, type GgufFile, type GgufTensor } from "./gguf-file";

/** A matrix of `rows` x `columns`; a vector counts as that many rows of one number. */
export class JoinedTensors {
  readonly columns: number;
  readonly rows: number;
  private bytes = new Uint8Array(0);

  private constructor(
    private readonly file: GgufFile,
    private readonly tensors: readonly GgufTensor[],
  ) {
    this.columns = tensors[0]?.columns ?? 0;
    this.rows = tensors.reduce((sum, { rows }) => sum + rows, 0);
  }

  /**
   * @param names for each tensor its name, or several names of one matrix, of which the first in the file is taken
   * @throws GgufError when a tensor is missing, or rows differ in length
   */
  static find(file: GgufFile, names: readonly (string | readonly string[])[]): JoinedTensors {
    const tensors = names.map((each) => {
      const choices = typeof each === "string" ? [each] : each;
      const found = choices.map((name) => file.tensors.get(name)).find((tensor) => tensor !== undefined);
      if (found === undefined)
        throw new GgufError(
          `${file.path}: expected the tensor ${choices.join(" or ")}, found none. Choose a file with the whole model.`,
        );
      return found;
    });
    const [first] = tensors;
    for (const { name, columns } of tensors) {
      if (columns !== first?.columns)
        throw new GgufError(
          `${file.path}: expected rows of ${first?.columns} numbers in ${name} as in ${first?.name}, found ${columns}. Choose a file of this model.`,
        );
    }
    return new JoinedTensors(file, tensors);
  }

  /**
   * Writes rows `from` to `to` (exclusive) to the beginning of `target`.
   * @throws GgufError when the file ends before, or a number is not finite
   */
  async read(from: number, to: number, target: Float32Array): Promise<void> {
    let first = 0;
    let done = 0;
    for (const tensor of this.tensors) {
      const begin = Math.max(from, first) - first;
      const end = Math.min(to, first + tensor.rows) - first;
      if (begin < end) {
        const numbers = (end - begin) * this.columns;
        await this.readRows(tensor, begin, target.subarray(done, done + numbers));
        done += numbers;
      }
      first += tensor.rows;
    }
  }

  /** Reads rows from `begin`, as many as fit into `target`. In a vector, `begin` must be a multiple of the block size. */
  private async readRows(tensor: GgufTensor, begin: number, target: Float32Array): Promise<void> {
    const { blockSize, blockBytes, dequantize } = tensor.type;
    const blocks = target.length / blockSize;
    const size = blocks * blockBytes;
    if (this.bytes.length < size) this.bytes = new Uint8Array(size);
    const bytes = this.bytes.subarray(0, size);
    await this.file.read(bytes, tensor.offset + ((begin * this.columns) / blockSize) * blockBytes);
    dequantize(new DataView(bytes.buffer, 0, size), blocks, target);
    if (allFinite(target)) return;
    const at = target.findIndex((number) => !Number.isFinite(number));
    throw new GgufError(
      `${this.file.path}: expected finite numbers in ${tensor.name}, found ${target[at]} in row ${begin + Math.floor(at / this.columns)}. The file is damaged: download it again.`,
    );
  }
}

function allFinite(numbers: Float32Array): boolean {
  // A number that is not finite times zero is NaN, and so is the sum.
  let sum = 0;
  for (let at = 0; at < numbers.length; at++) {
    const number = numbers[at] ?? 0;
    sum += number - number;
  }
  return sum === 0;
}
