// The choice of the provider: whenever CUDA is absent or broken, the CPU is used and the reason stated.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepareEnvironment } from "../../../sidecar/inference/onnx-runtime";
import {
  cudaLibraryNames,
  loadFailure,
  openWithProvider,
  type ProviderHost,
  providerHost,
} from "../../../sidecar/inference/provider";

let empty: ProviderHost;
let withLibrary: ProviderHost;
const folders: string[] = [];

beforeAll(async () => {
  const folder = async (): Promise<string> => {
    const path = await mkdtemp(join(tmpdir(), "selfracg-provider-"));
    folders.push(path);
    return path;
  };
  empty = { platform: "linux", architecture: "x64", libraryFolder: await folder(), loadFailure: () => undefined };
  withLibrary = { ...empty, libraryFolder: await folder() };
  for (const name of cudaLibraryNames(empty) ?? [])
    await writeFile(join(withLibrary.libraryFolder, name), "no library");
});
afterAll(() => Promise.all(folders.map((path) => rm(path, { recursive: true }))));

const works = async (name: string): Promise<string> => `session on ${name}`;
const cudaFails = async (name: string): Promise<string> => {
  if (name === "cuda") throw new Error("CUDA failure 35: the driver is too old\nat somewhere");
  return works(name);
};

describe("openWithProvider", () => {
  it("uses CUDA when its library is installed and a session opens", async () => {
    const opened = await openWithProvider("auto", withLibrary, works);
    expect(opened).toEqual({
      provider: { name: "cuda", reason: "auto: CUDA library found and working" },
      value: "session on cuda",
    });
  });

  it("uses the CPU and names the library when the CUDA library is missing", async () => {
    const tried: string[] = [];
    const opened = await openWithProvider("auto", empty, async (name) => tried.push(name));
    expect(tried).toEqual(["cpu"]);
    expect(opened.provider).toEqual({
      name: "cpu",
      reason: "auto: no CUDA library found (libonnxruntime_providers_shared.so, libonnxruntime_providers_cuda.so)",
    });
    expect(opened.warning).toBeUndefined();
  });

  it("uses the CPU when no CUDA session opens, with the first line of the error", async () => {
    const opened = await openWithProvider("auto", withLibrary, cudaFails);
    expect(opened.value).toBe("session on cpu");
    expect(opened.provider.reason).toBe("auto: CUDA does not work (CUDA failure 35: the driver is too old)");
  });

  it("names the library that the loader cannot find", async () => {
    const lacking = {
      ...withLibrary,
      loadFailure: (path: string) =>
        path.endsWith("_cuda.so") ? "libcublasLt.so.13: cannot open shared object file" : undefined,
    };
    const opened = await openWithProvider("auto", lacking, cudaFails);
    expect(opened.provider.reason).toBe(
      "auto: libonnxruntime_providers_cuda.so cannot be loaded (libcublasLt.so.13: cannot open shared object file)",
    );
  });

  it.each([
    ["a missing library", () => empty, "libonnxruntime_providers_cuda.so"],
    ["a driver that fails", () => withLibrary, "CUDA failure 35"],
    [
      "a library that is none",
      () => ({ ...withLibrary, loadFailure }),
      "libonnxruntime_providers_shared.so cannot be loaded",
    ],
    [
      "a platform without CUDA",
      (): ProviderHost => ({ ...empty, platform: "darwin", architecture: "arm64" }),
      "darwin arm64",
    ],
  ])("warns when CUDA was requested and cannot be used because of %s", async (_, host, named) => {
    const opened = await openWithProvider("cuda", host(), cudaFails);
    expect(opened.provider.name).toBe("cpu");
    expect(opened.provider.reason).toMatch(/^cuda: /);
    expect(opened.warning).toContain(named);
  });

  it("does not try CUDA when the CPU was requested", async () => {
    const opened = await openWithProvider("cpu", withLibrary, works);
    expect(opened).toEqual({
      provider: { name: "cpu", reason: "cpu: chosen in the settings" },
      value: "session on cpu",
    });
  });

  it("throws the error of the CPU session", async () => {
    await expect(openWithProvider("auto", empty, () => Promise.reject(new Error("no memory")))).rejects.toThrow(
      "no memory",
    );
  });
});

describe("providerHost", () => {
  it("finds the folder of ONNX Runtime's binding for this platform", async () => {
    const { access } = await import("node:fs/promises");
    await expect(access(join(providerHost().libraryFolder, "onnxruntime_binding.node"))).resolves.toBeUndefined();
  });

  it("knows the platforms on which ONNX Runtime has CUDA", () => {
    expect(cudaLibraryNames({ platform: "win32", architecture: "x64" })).toContain("onnxruntime_providers_cuda.dll");
    expect(cudaLibraryNames({ platform: "linux", architecture: "arm64" })).toBeUndefined();
  });
});

describe("loadFailure", () => {
  it("returns the system's error for a file that is not a library, and undefined for one that loads", () => {
    expect(loadFailure(join(withLibrary.libraryFolder, "libonnxruntime_providers_cuda.so"))).toMatch(
      /libonnxruntime_providers_cuda\.so/,
    );
    prepareEnvironment();
    expect(loadFailure(join(providerHost().libraryFolder, "onnxruntime_binding.node"))).toBeUndefined();
  });
});
