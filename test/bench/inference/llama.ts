// llama.cpp beside this project on the same GGUF file, through node-llama-cpp, in a process of its own.
import { pathToFileURL } from "node:url";
import { measurePace, neededContext, type Pace, type Runtime } from "./pace";

export interface LlamaOptions {
  /** Entry of node-llama-cpp, as `installLlama` gives it. */
  readonly entry: string;
  readonly gguf: string;
  readonly threads: number;
  /** Ids of tokens are below it: as for the model that is compared. */
  readonly vocabulary: number;
  readonly budgetMs: number;
}

export interface LlamaRates extends Pace {
  /** With llama.cpp's build. */
  readonly name: string;
  readonly loadMs: number;
  /** The process's peak with the longest prompt read. */
  readonly peakMegabytes: number;
}

/** What is used of node-llama-cpp, which is not installed where the types are checked. */
interface NodeLlamaCpp {
  getLlama(options: {
    gpu: false;
    build: "never";
    skipDownload: true;
    progressLogs: false;
    logLevel: "error";
    maxThreads: number;
  }): Promise<{
    readonly llamaCppRelease: { readonly release: string };
    loadModel(options: { modelPath: string; gpuLayers: 0 }): Promise<{
      createContext(options: { contextSize: number; threads: { ideal: number; min: number } }): Promise<{
        getSequence(): KvCacheEntry;
      }>;
    }>;
    dispose(): Promise<void>;
  }>;
}

interface KvCacheEntry {
  clearHistory(): Promise<void>;
  controlledEvaluate(
    input: readonly (number | [token: number, options: { generateNext: { token: true } }])[],
  ): Promise<unknown>;
}

/** Measures in this process, on the CPU; nothing is built or fetched. @throws Error where the file cannot be run */
export async function llamaPhase({ entry, gguf, threads, vocabulary, budgetMs }: LlamaOptions): Promise<LlamaRates> {
  const { getLlama }: NodeLlamaCpp = await import(pathToFileURL(entry).href);
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    progressLogs: false,
    logLevel: "error",
    maxThreads: threads,
  });
  const start = performance.now();
  const model = await llama.loadModel({ modelPath: gguf, gpuLayers: 0 });
  const context = await model.createContext({
    contextSize: neededContext,
    threads: { ideal: threads, min: threads },
  });
  const loadMs = performance.now() - start;
  const pace = await measurePace(runtimeOf(context.getSequence()), vocabulary, budgetMs);
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;
  await llama.dispose();
  return { name: `llama.cpp ${llama.llamaCppRelease.release}`, loadMs, peakMegabytes, ...pace };
}

function runtimeOf(sequence: KvCacheEntry): Runtime {
  /** With the likeliest next token, for which all logits are computed, as they are here. */
  const withLogits = (token: number): [number, { generateNext: { token: true } }] => [
    token,
    { generateNext: { token: true } },
  ];
  return {
    contextLength: neededContext,
    read: async (tokens) => {
      await sequence.clearHistory();
      await sequence.controlledEvaluate(
        tokens.map((token, at) => (at === tokens.length - 1 ? withLogits(token) : token)),
      );
    },
    decode: async (token) => void (await sequence.controlledEvaluate([withLogits(token)])),
  };
}
