// Loads ONNX Runtime with its telemetry switched off: the only place that loads it.

import { isMainThread } from "node:worker_threads";
import { errorMessage } from "../host/errors";

export type OnnxRuntime = typeof import("onnxruntime-node");

/**
 * Switches off ONNX Runtime's telemetry (docs/Privacy.md of ONNX Runtime, "Disabling Telemetry"), which the official builds
 * have switched on: an uploader, an event database in the cache folder and an identifier of the machine.
 */
const noTelemetry = "ORT_DISABLE_TELEMETRY";
/**
 * Leaves out ONNX Runtime's flash attention on CPUs, which takes up to twice the time of plain products at the lengths of
 * prompts: 1.5 and 1.7 times for a prompt of 512 and 1,024 tokens of the default model.
 */
const plainAttention = "ORT_GQA_DISABLE_FLASH_ATTENTION";

/**
 * Sets what ONNX Runtime reads from the environment of the process, before it is loaded in any thread. A thread only has a
 * copy of the environment, which the library does not see, so this is for the main thread.
 * @throws Error in another thread.
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
 * @throws Error where telemetry is not switched off, or the library for this platform is missing or cannot be loaded.
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
