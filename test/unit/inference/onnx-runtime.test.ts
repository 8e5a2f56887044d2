// ONNX Runtime is never loaded with its telemetry on.
import { resolve } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadOnnxRuntime } from "../../../sidecar/inference/onnx-runtime";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { halfModelPath } from "../../model";

afterEach(() => vi.unstubAllEnvs());

describe("loadOnnxRuntime", () => {
  it("switches telemetry off in the main thread, even if the user's environment enables it", async () => {
    vi.stubEnv("ORT_DISABLE_TELEMETRY", "0");
    await loadOnnxRuntime();
    expect(process.env.ORT_DISABLE_TELEMETRY).toBe("1");
  });

  it("throws in a thread that was started without telemetry switched off", async () => {
    const worker = new Worker(resolve(import.meta.dirname, "../../../dist/inference-worker.js"), {
      env: {},
      workerData: { model: await loadModelPackage(halfModelPath) },
    });
    const reply = await new Promise((done, failed) => worker.once("message", done).once("error", failed));
    expect(reply).toMatchObject({
      event: "refused",
      message: expect.stringContaining("expected ORT_DISABLE_TELEMETRY=1 in the environment of this thread"),
    });
    await worker.terminate();
  });
});
