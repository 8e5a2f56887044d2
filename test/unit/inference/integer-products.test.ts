// The sums of this processor compared with what its instructions guarantee.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { addsProductsExactly, checkIntegerProducts } from "../../../sidecar/inference/integer-products";
import { loadOnnxRuntime } from "../../../sidecar/inference/onnx-runtime";
import { ModelPackageError } from "../../../sidecar/inference/package/model-package-error";
import { bundledProgram } from "../../bundled-program";

const flags =
  process.platform === "linux" && process.arch === "x64" ? readFileSync("/proc/cpuinfo", "utf8") : undefined;
const emulator = "qemu-x86_64";
const emulated = flags !== undefined && spawnSync(emulator, ["--version"]).status === 0;

describe("sums of products of 8-bit numbers", () => {
  it.skipIf(flags === undefined)("are exact on an x86 processor if and only if it has VNNI", async () => {
    const promised = /\bavx(512)?_vnni\b/.test(flags ?? "");
    expect(await addsProductsExactly(await loadOnnxRuntime())).toBe(promised);
  });

  it.skipIf(!emulated)(
    "are inexact on an emulated processor without VNNI (qemu-x86_64)",
    { timeout: 300_000 },
    async () => {
      const program = await bundledProgram(join(import.meta.dirname, "integer-products-process.ts"));
      const { stdout, stderr } = spawnSync(emulator, ["-cpu", "Haswell", process.execPath, program], {
        encoding: "utf8",
      });
      expect(stdout, stderr).toBe("false\n");
    },
  );

  it("are reported as inexact when the runtime's sums are wrong, in one row or in several", async () => {
    const exact = 64 * 255 * 127;
    for (const [one, several] of [
      [exact - 1, exact],
      [exact, 64 * 32767],
    ] as const) {
      const { runtime, released } = await runtimeWith(one, several);
      expect(await addsProductsExactly(runtime)).toBe(false);
      expect(released()).toBe(true);
    }
  });

  it("lead to the refusal of a package with 8-bit weights when inexact, and of no other", async () => {
    const source = { file: "a.gguf", bytes: 1, sha256: "0".repeat(64), model: "a", catalogued: true };
    const { runtime } = await runtimeWith(1, 1);
    await expect(checkIntegerProducts({ name: "a", source: { ...source, variant: "int8" } }, runtime)).rejects.toThrow(
      ModelPackageError,
    );
    await checkIntegerProducts({ name: "a", source: { ...source, variant: "int7" } }, runtime);
    await checkIntegerProducts({ name: "a", source: undefined }, runtime);
  });
});

/** A runtime that returns given sums for one row and for several rows. */
async function runtimeWith(one: number, several: number) {
  const { Tensor } = await loadOnnxRuntime();
  let released = false;
  const session = {
    run: async ({ a }: { a: { dims: readonly number[] } }) => {
      const [rows = 0] = a.dims;
      return { y: new Tensor("int32", new Int32Array(rows * 64).fill(rows === 1 ? one : several), [rows, 64]) };
    },
    release: async () => {
      released = true;
    },
  };
  const runtime = { Tensor, InferenceSession: { create: async () => session } } as never;
  return { runtime, released: () => released };
}
