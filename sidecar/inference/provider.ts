// Decides whether CUDA or the CPU runs the model, and says why; a CUDA that does not work never stops the start.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { firstLine } from "../host/errors";
import type { ExecutionProviderSetting } from "../protocol";
import type { Provider } from "./backbone";

/** What decides about CUDA on this machine. */
export interface ProviderHost {
  readonly platform: string;
  readonly architecture: string;
  /** Folder of ONNX Runtime's native libraries for this platform. */
  readonly libraryFolder: string;
  /** Why the system's loader cannot load a native library, naming what it lacks; undefined where it can. */
  readonly loadFailure: (path: string) => string | undefined;
}

export interface Opened<T> {
  readonly provider: Provider;
  readonly value: T;
  /** Set when CUDA was asked for by name and the CPU answers: worth a warning. */
  readonly warning?: string;
}

/** The running machine, with the libraries of the installed onnxruntime-node. @throws Error when that package is not installed. */
export function providerHost(): ProviderHost {
  const { platform, arch } = process;
  const installed = dirname(createRequire(__filename).resolve("onnxruntime-node/package.json"));
  return {
    platform,
    architecture: arch,
    libraryFolder: join(installed, "bin", "napi-v6", platform, arch),
    loadFailure,
  };
}

/**
 * ONNX Runtime itself only says that some library failed to load, and prints which one to standard error. Node's loader
 * for addons passes the system's own words on; a library that is no addon, but can be loaded, it then calls unregistered.
 */
export function loadFailure(path: string): string | undefined {
  try {
    process.dlopen({ exports: {} }, path);
  } catch (error) {
    const reason = firstLine(error);
    return reason.includes("did not self-register") ? undefined : reason;
  }
  return undefined;
}

/** Names of ONNX Runtime's libraries for CUDA, in the order they load; undefined where ONNX Runtime has no CUDA. */
export function cudaLibraryNames({
  platform,
  architecture,
}: Pick<ProviderHost, "platform" | "architecture">): readonly string[] | undefined {
  if (platform === "linux" && architecture === "x64")
    return ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];
  if (platform === "win32" && architecture === "x64")
    return ["onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll"];
  return undefined;
}

/**
 * Opens what `open` makes (a session that has proven to run) on the provider that `setting` asks for, else on the CPU.
 * `auto` takes CUDA exactly when its library is there and `open("cuda")` succeeds.
 * @throws what `open("cpu")` throws: then nothing can run the model.
 */
export async function openWithProvider<T>(
  setting: ExecutionProviderSetting,
  host: ProviderHost,
  open: (name: Provider["name"]) => Promise<T>,
): Promise<Opened<T>> {
  if (setting === "cpu")
    return { provider: { name: "cpu", reason: "cpu: chosen in the settings" }, value: await open("cpu") };
  const cuda = await tryCuda(host, open);
  if ("value" in cuda)
    return { provider: { name: "cuda", reason: `${setting}: CUDA library found and working` }, value: cuda.value };
  const provider: Provider = { name: "cpu", reason: `${setting}: ${cuda.obstacle}` };
  const value = await open("cpu");
  if (setting === "auto") return { provider, value };
  return {
    provider,
    value,
    warning: `CUDA was asked for and cannot be used: ${cuda.obstacle}. The CPU runs the model.`,
  };
}

async function tryCuda<T>(
  host: ProviderHost,
  open: (name: Provider["name"]) => Promise<T>,
): Promise<{ value: T } | { obstacle: string }> {
  const names = cudaLibraryNames(host);
  if (names === undefined) return { obstacle: `ONNX Runtime has no CUDA for ${host.platform} ${host.architecture}` };
  const missing = names.filter((name) => !existsSync(join(host.libraryFolder, name)));
  if (missing.length > 0) return { obstacle: `no CUDA library found (${missing.join(", ")})` };
  try {
    return { value: await open("cuda") };
  } catch (error) {
    for (const name of names) {
      const path = join(host.libraryFolder, name);
      const failure = host.loadFailure(path);
      if (failure !== undefined) return { obstacle: `${name} cannot be loaded (${failure.replace(`${path}: `, "")})` };
    }
    return { obstacle: `CUDA does not work (${firstLine(error)})` };
  }
}
