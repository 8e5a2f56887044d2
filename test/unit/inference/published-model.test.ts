// A converted published model computes the same as the original, and its adapters do not change the generated text.
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Graph, type GraphOutputs, openGraph } from "../../../sidecar/inference/graph";
import { loadOnnxRuntime } from "../../../sidecar/inference/onnx-runtime";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/package/model-package";
import { type PublishedPackage, publishedPackage } from "../../published-package";

const name = "qwen2.5-coder-0.5b";
const published = await publishedPackage(name);
const unreachable = "unreachable" in published ? published.unreachable : undefined;

/** The output of `test/fixtures/published-model/generate.py`. */
interface Reference {
  readonly tokens: readonly number[];
  readonly nextLogProbabilities: readonly number[];
  readonly likeliest: readonly number[];
  readonly expression: readonly number[];
}

describe.skipIf(unreachable !== undefined)(
  `${name}${unreachable === undefined ? "" : ` (left out: ${unreachable})`}`,
  () => {
    let model: ModelPackage;
    let reference: Reference;
    let tokens: Int32Array;
    let graph: Graph;

    beforeAll(async () => {
      model = await loadModelPackage(folderOf(published));
      const file = resolve(import.meta.dirname, `../../fixtures/published-model/${name}.json`);
      reference = JSON.parse(await readFile(file, "utf8")) as Reference;
      tokens = Int32Array.from(reference.tokens);
      graph = await open(model);
    });
    afterAll(() => graph.release());

    it("matches PyTorch in float32 within the error of 8-bit rounding", async () => {
      const { logits, expression } = await graph.run({ rows: [tokens], logits: tokens.length, adapter: "query" });
      const rows = Array.from(tokens, (_, i) => logProbabilities(logits, i, model.architecture.vocabularySize));
      const agreeing = rows.filter(
        (row, i) => row[reference.likeliest[i] ?? -1] === row.reduce((a, b) => Math.max(a, b)),
      );
      expect(agreeing.length / rows.length).toBeGreaterThan(0.9);
      const differences = reference.nextLogProbabilities.map(
        (expected, i) => (rows[i]?.[tokens[i + 1] ?? -1] ?? Number.NaN) - expected,
      );
      expect(Math.abs(mean(differences))).toBeLessThan(0.02);
      expect(mean(differences.map(Math.abs))).toBeLessThan(0.15);
      expect(distance(expression, reference.expression)).toBeLessThan(0.1);
    });

    it("generates bit-identical text with and without an expression, for any adapters", async () => {
      const folder = await withOtherAdapters(folderOf(published));
      const other = await open(await loadModelPackage(folder, { verifyHashes: false }));
      try {
        const bare = await graph.run({ rows: [tokens], logits: 40, adapter: "none", cacheRows: true });
        const passes: GraphOutputs[] = [];
        for (const each of [graph, other])
          for (const adapter of ["none", "query", "fragment"] as const)
            passes.push(await each.run({ rows: [tokens], logits: 40, adapter, cacheRows: true }));
        for (const pass of passes) {
          expect(sameBits(pass.logits, bare.logits)).toBe(true);
          for (const part of ["key", "value"] as const)
            expect(sameBits(pass.rows?.[part], bare.rows?.[part])).toBe(true);
        }
        // The adapters differ, so their expressions differ.
        const [, ours, , , theirs] = passes;
        expect(distance(ours?.expression ?? [], Array.from(theirs?.expression ?? []))).toBeGreaterThan(0.05);
      } finally {
        await other.release();
        await rm(folder, { recursive: true, force: true });
      }
    });
  },
);

function folderOf(found: PublishedPackage): string {
  if ("unreachable" in found) throw new Error("Expected the package, found none.");
  return found.folder;
}

async function open(model: ModelPackage): Promise<Graph> {
  return openGraph(await loadOnnxRuntime(), model, "cpu", 2, (run) => run());
}

/** A package with random adapters. */
async function withOtherAdapters(source: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "selfracg-adapters-"));
  for (const file of await readdir(source)) await symlink(join(source, file), join(folder, file));
  await rm(join(folder, "adapters.bin"));
  const { size } = await stat(join(source, "adapters.bin"));
  // In float16: magnitudes from 1/8 to 1/4 with either sign.
  const numbers = Uint16Array.from(
    { length: size / 2 },
    (_, i) => 0x3000 + ((i * 7919) % 1009) + 0x8000 * ((i * 31) % 2),
  );
  await writeFile(join(folder, "adapters.bin"), numbers);
  return folder;
}

function logProbabilities(logits: Float32Array, row: number, vocabularySize: number): Float64Array {
  const values = Float64Array.from(logits.subarray(row * vocabularySize, (row + 1) * vocabularySize));
  const highest = values.reduce((a, b) => Math.max(a, b));
  const sum = values.reduce((total, value) => total + Math.exp(value - highest), 0);
  return values.map((value) => value - highest - Math.log(sum));
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** The Euclidean distance of two vectors. */
function distance(a: ArrayLike<number>, b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return Math.hypot(...b.map((value, i) => value - (a[i] ?? Number.NaN)));
}

function sameBits(a: ArrayBufferView | undefined, b: ArrayBufferView | undefined): boolean {
  if (a === undefined || b === undefined) throw new Error("Expected numbers, found none.");
  const bytes = (values: ArrayBufferView): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return a.byteLength > 0 && bytes(a).equals(bytes(b));
}
