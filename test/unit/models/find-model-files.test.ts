// Model files of other programs are found by their headers in the standard folders, and offered once each.
import { copyFile, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findModelFiles, modelFilePlaces } from "../../../sidecar/models/find-model-files";
import { type TinyCatalogue, tinyCatalogue, tinyGguf } from "./tiny-model";

let tiny: TinyCatalogue;
let home = "";
beforeEach(async () => {
  tiny = await tinyCatalogue();
  home = join(tiny.root, "home");
});
afterEach(() => tiny.remove());

async function put(path: string, content?: string | Buffer): Promise<string> {
  const target = join(home, path);
  await mkdir(dirname(target), { recursive: true });
  if (content === undefined) await copyFile(tinyGguf, target);
  else await writeFile(target, content);
  return target;
}

const find = () => findModelFiles(tiny.folders, undefined, modelFilePlaces({}, "darwin", home));

describe("the search for model files", () => {
  it("finds them in the folders of llama.cpp, Ollama, LM Studio and the hub's cache, with the model that they fit", async () => {
    const blob = `.ollama/models/blobs/sha256-${"a".repeat(64)}`;
    const paths = [
      await put("Library/Caches/llama.cpp/tiny.gguf"),
      await put(blob, Buffer.concat([await readFile(tinyGguf), Buffer.of(0)])),
      await put(".lmstudio/models/somebody/tiny-GGUF/Tiny.GGUF"),
    ];
    const stored = await put(".cache/huggingface/hub/models--x/blobs/0123");
    const linked = join(home, ".cache/huggingface/hub/models--x/snapshots/1/tiny.gguf");
    await mkdir(dirname(linked), { recursive: true });
    await symlink(stored, linked);
    const { files, others } = await find();
    expect(files).toMatchObject([
      { path: paths[0], program: "llama.cpp", model: "tiny", catalogued: true },
      { path: paths[1], program: "Ollama", model: "tiny", catalogued: false },
      { path: paths[2], program: "LM Studio", model: "tiny", catalogued: true },
      { path: linked, program: "Hugging Face", model: "tiny", catalogued: true },
    ]);
    expect(others).toBe(0);
  });

  it("counts other GGUF files, and ignores what is none, cannot be read or is a copy by link", async () => {
    const file = await put("Library/Caches/llama.cpp/tiny.gguf");
    await put("Library/Caches/llama.cpp/broken.gguf", Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(20_000, 255)]));
    await put("Library/Caches/llama.cpp/text.gguf", Buffer.alloc(20_000));
    await put(`.ollama/models/blobs/sha256-${"b".repeat(64)}`, "{}");
    await put(".ollama/models/blobs/manifest.json", "{}");
    await symlink(file, join(home, "Library/Caches/llama.cpp/again.gguf"));
    await symlink(join(home, "nowhere"), join(home, "Library/Caches/llama.cpp/gone.gguf"));
    const { files, others, folders } = await find();
    expect(files).toHaveLength(1);
    expect(others).toBe(1);
    expect(folders).toEqual([join(home, "Library/Caches/llama.cpp"), join(home, ".ollama/models")]);
  });

  it("finds nothing on a machine without such programs", async () => {
    expect(await find()).toEqual({ files: [], others: 0, folders: [] });
  });

  it("stops when it is aborted", async () => {
    await put("Library/Caches/llama.cpp/tiny.gguf");
    const places = modelFilePlaces({}, "darwin", home);
    await expect(findModelFiles(tiny.folders, AbortSignal.abort(), places)).rejects.toMatchObject({
      name: "AbortError",
    });
  });
});

describe("the standard folders", () => {
  const folders = (environment: NodeJS.ProcessEnv, platform: NodeJS.Platform) =>
    modelFilePlaces(environment, platform, "/home/ann").map(({ program, folder }) => `${program} ${folder}`);

  it("are those of the system", () => {
    expect(folders({}, "linux")).toEqual([
      "llama.cpp /home/ann/.cache/llama.cpp",
      "Ollama /home/ann/.ollama/models",
      "Ollama /usr/share/ollama/.ollama/models",
      "LM Studio /home/ann/.lmstudio/models",
      "LM Studio /home/ann/.cache/lm-studio/models",
      "Hugging Face /home/ann/.cache/huggingface/hub",
    ]);
    expect(folders({}, "darwin")[0]).toBe("llama.cpp /home/ann/Library/Caches/llama.cpp");
    expect(folders({ LOCALAPPDATA: "/local" }, "win32")[0]).toBe("llama.cpp /local/llama.cpp");
  });

  it("are those that the programs' variables name", () => {
    const named = folders({ LLAMA_CACHE: "/l", OLLAMA_MODELS: "/o", HF_HUB_CACHE: "/h" }, "linux");
    expect(named).toEqual(expect.arrayContaining(["llama.cpp /l", "Ollama /o", "Hugging Face /h"]));
    expect(folders({ HF_HOME: "/hf" }, "linux").at(-1)).toBe("Hugging Face /hf/hub");
    expect(folders({ XDG_CACHE_HOME: "/c" }, "linux")[0]).toBe("llama.cpp /c/llama.cpp");
  });
});
