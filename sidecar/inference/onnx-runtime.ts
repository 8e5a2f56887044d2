// Loads ONNX Runtime with its telemetry switched off. No other file loads it.

import { isMainThread } from "node:worker_threads";
import { errorMessage } from "../host/errors";

export type OnnxRuntime = typeof import("onnxruntime-node");

/**
 * Switches off ONNX Runtime's telemetry (docs/Privacy.md of ONNX Runtime, "Disabling Telemetry"), which the official builds
 * enable: an uploader, an event database in the cache folder and an identifier of the machine.
 */
const noTelemetry = "ORT_DISABLE_TELEMETRY";
/**
 * Disables ONNX Runtime's flash attention on CPUs, which takes up to twice the time of plain matrix products for the lengths of
 * prompts: 1.5 and 1.7 times for a prompt of 512 and 1,024 tokens of the default model.
 */
const plainAttention = "ORT_GQA_DISABLE_FLASH_ATTENTION";

/**
 * Sets the environment variables that ONNX Runtime reads, before it is loaded in any thread. A worker thread only has a
 * copy of the environment, which the native library does not read, so this must run in the main thread.
 * @throws Error in a worker thread.
 */
export function prepareEnvironment(): void {
  if (!isMainThread)
    throw new Error(
      `expected the main thread to set ${noTelemetry}, found another thread, whose environment is a copy: load ONNX Runtime or start the inference thread from the main thread`,
    );
  process.env[noTelemetry] = "1";
  process.env[plainAttention] ??= "1";
}

/**
 * Loads the native library, in the main thread or in a thread whose starter called {@link prepareEnvironment}.
 * @throws Error when telemetry is not switched off, or the library for this platform is missing or cannot be loaded.
 */
export async function loadOnnxRuntime(): Promise<OnnxRuntime> {
  if (isMainThread) prepareEnvironment();
  else if (process.env[noTelemetry] !== "1")
    throw new Error(
      `expected ${noTelemetry}=1 in the environment of this thread, found it missing: call prepareEnvironment in the main thread before starting this one`,
    );
  try {
    return await import("onnxruntime-node");
  } catch (error) {
    const message = errorMessage(error);
    throw new Error(
      `onnxruntime-node: expected its native library for ${process.platform} ${process.arch}, found it not loadable (${message.split("\n", 1)[0] ?? ""}): install the package for this platform`,
      { cause: error },
    );
  }
}
