// Where other programs keep model files on this machine.
import { homedir } from "node:os";
import { join } from "node:path";

/** A folder of another program's model files. */
export interface ModelFilePlace {
  readonly program: "llama.cpp" | "Ollama" | "LM Studio" | "Hugging Face";
  readonly folder: string;
}

/**
 * The standard folders, and those that the programs' own variables name. They may not exist.
 * @param environment of this process
 */
export function modelFilePlaces(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): ModelFilePlace[] {
  const { LLAMA_CACHE, OLLAMA_MODELS, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, LOCALAPPDATA } = environment;
  const cache = XDG_CACHE_HOME || join(home, ".cache");
  const localData = LOCALAPPDATA || join(home, "AppData", "Local");
  const llama =
    platform === "win32"
      ? join(localData, "llama.cpp")
      : platform === "darwin"
        ? join(home, "Library", "Caches", "llama.cpp")
        : join(cache, "llama.cpp");
  return [
    { program: "llama.cpp", folder: LLAMA_CACHE || llama },
    { program: "Ollama", folder: OLLAMA_MODELS || join(home, ".ollama", "models") },
    // Where the service that its installer for Linux sets up has them.
    ...(platform === "linux" ? [{ program: "Ollama" as const, folder: "/usr/share/ollama/.ollama/models" }] : []),
    { program: "LM Studio", folder: join(home, ".lmstudio", "models") },
    { program: "LM Studio", folder: join(home, ".cache", "lm-studio", "models") },
    // llama.cpp downloads into it too.
    { program: "Hugging Face", folder: HF_HUB_CACHE || join(HF_HOME || join(cache, "huggingface"), "hub") },
  ];
}
