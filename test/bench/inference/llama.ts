// llama.cpp beside this project on the same weights: runs a `llama-bench` binary and reads what it measured.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as v from "valibot";

/** Tokens a second of one run. Keys are numbers of tokens: of the prompt, and of the past. */
export interface LlamaRates {
  readonly type: string;
  readonly prefill: Readonly<Record<number, number>>;
  readonly decode: Readonly<Record<number, number>>;
}

export interface LlamaOptions {
  /** Path of llama.cpp's `llama-bench`. */
  readonly binary: string;
  /** The default model as GGUF. */
  readonly gguf: string;
  readonly threads: number;
  /** Cores as `taskset -c` takes them; undefined where there is none. */
  readonly confined: string | undefined;
  readonly prompts: readonly number[];
  readonly pasts: readonly number[];
}

const decoded = 16;
const repetitions = 3;

const outputSchema = v.array(
  v.object({
    model_type: v.string(),
    n_prompt: v.number(),
    n_gen: v.number(),
    n_depth: v.number(),
    avg_ts: v.number(),
    samples_ts: v.array(v.number()),
  }),
);

/** @throws Error with what the program said, when it fails or prints something else than its JSON */
export async function llamaRates({
  binary,
  gguf,
  threads,
  confined,
  prompts,
  pasts,
}: LlamaOptions): Promise<LlamaRates> {
  const prefill: Record<number, number> = {};
  const decode: Record<number, number> = {};
  let type = "";
  const common = ["-m", gguf, "-t", `${threads}`, "-ngl", "0", "-r", `${repetitions}`, "-o", "json"];
  for (const args of [
    [...common, "-p", prompts.join(), "-n", "0"],
    [...common, "-p", "0", "-n", `${decoded}`, "-d", pasts.join()],
  ]) {
    for (const test of await run(
      confined === undefined ? [binary, ...args] : ["taskset", "-c", confined, binary, ...args],
    )) {
      type = test.model_type;
      const samples = [...test.samples_ts].sort((a, b) => a - b);
      const median = samples[samples.length >> 1] ?? test.avg_ts;
      if (test.n_gen === 0) prefill[test.n_prompt] = median;
      else decode[test.n_depth] = median;
    }
  }
  return { type, prefill, decode };
}

async function run([program = "", ...args]: readonly string[]): Promise<v.InferOutput<typeof outputSchema>> {
  let printed: string;
  try {
    ({ stdout: printed } = await promisify(execFile)(program, args, { maxBuffer: 1 << 24 }));
  } catch (error) {
    throw new Error(
      `Expected llama-bench to run as ${program} ${args.join(" ")}, found: ${error instanceof Error ? error.message : String(error)}. Check --llama-bench and --gguf.`,
    );
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), outputSchema), printed);
  if (parsed.success) return parsed.output;
  throw new Error(
    `Expected JSON of ${program} ${args.join(" ")}, found ${JSON.stringify(printed.slice(0, 200))}: use a llama-bench that knows -o json and -d.`,
  );
}
