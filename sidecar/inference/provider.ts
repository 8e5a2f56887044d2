// Chooses CUDA or the CPU for the model and states why. When CUDA does not work, the CPU is used.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { firstLine } from "../host/errors";
import type { ExecutionProviderSetting } from "../protocol";
import type { Provider } from "./backbone";

/** The properties of this machine that decide whether CUDA can be used. */
export interface ProviderHost {
  readonly platform: string;
  readonly architecture: string;
  /** Folder of ONNX Runtime's native libraries for this platform. */
  readonly libraryFolder: string;
  /** Why the system cannot load a native library, with the name of a missing dependency; undefined when it can. */
  readonly loadFailure: (path: string) => string | undefined;
}

export interface Opened<T> {
  readonly provider: Provider;
  readonly value: T;
  /** Set when CUDA was requested by name but cannot be used. */
  readonly warning?: string;
}

/** This machine, with the libraries of the installed onnxruntime-node. @throws Error when that package is not installed. */
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
 * ONNX Runtime's error does not name the library that failed to load; it only prints the name to standard error. Node's loader
 * for addons throws the system's message, or reports a missing registration for a loadable library that is not an addon.
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

/** ONNX Runtime's libraries for CUDA in the order of loading; undefined on platforms without CUDA. */
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
 * Calls `open`, which makes a session and runs it once, for the provider that `setting` requests, else for the CPU.
 * `auto` uses CUDA if and only if its library is installed and `open("cuda")` succeeds.
 * @throws the error of `open("cpu")`
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
    warning: `CUDA was requested and cannot be used: ${cuda.obstacle}. The CPU runs the model.`,
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
