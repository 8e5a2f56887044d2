// Times llama.cpp on the same GGUF file by node-llama-cpp, in its own process.
import { pathToFileURL } from "node:url";
import { measurePace, neededContext, type Pace, type Runtime } from "./pace";

export interface LlamaOptions {
  /** Entry of node-llama-cpp, as returned by `installLlama`. */
  readonly entry: string;
  readonly gguf: string;
  readonly threads: number;
  /** Upper bound of token ids, as of the compared model. */
  readonly vocabulary: number;
  readonly budgetMs: number;
}

export interface LlamaRates extends Pace {
  /** The name with llama.cpp's build number. */
  readonly name: string;
  readonly loadMs: number;
  /** Peak memory of the process after the longest prompt. */
  readonly peakMegabytes: number;
}

/** The used part of node-llama-cpp's types, because the package is not installed during the type check. */
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

/** Measures in this process on the CPU, without building or downloading. @throws Error when the file cannot be run */
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
  /** Reads tokens and returns the most likely next one, which needs all logits as in this project. */
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
