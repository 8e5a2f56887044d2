// The rates of a model in rounds, each followed by llama.cpp on the same GGUF file.

import { join } from "node:path";
import { errorMessage } from "../../../sidecar/host/errors";
import { inProcess } from "../child";
import { tell } from "../command";
import { ggufOf } from "../model-files";
import type { LlamaRates } from "./llama";
import { installLlama, llamaMegabytes, llamaVersion } from "./llama-package";
import type { Pace } from "./pace";
import type { Rates } from "./rates";

export interface ComparedRates {
  readonly rounds: readonly Rates[];
  /** llama.cpp on the same weights, once per round; empty for the reason in `withoutLlama`. */
  readonly llama: readonly LlamaRates[];
  readonly withoutLlama: string | undefined;
}

export interface RoundsOptions {
  readonly modelPath: string;
  /** File with the weights of the model; undefined: searched for. */
  readonly gguf: string | undefined;
  readonly cores: number;
  readonly rounds: number;
  /** The project's folder, with .cache. */
  readonly root: string;
}

/** Milliseconds after which a process starts no further repetition of a figure. */
const budgetMs = 10_000;

export async function ratesInRounds(options: RoundsOptions): Promise<ComparedRates> {
  const { modelPath, cores, rounds } = options;
  const found: { own: Rates[]; llama: LlamaRates[] } = { own: [], llama: [] };
  const beside = await llamaFor(options);
  for (let round = 1; round <= rounds; round++) {
    tell(`rates of ${modelPath}, round ${round} of ${rounds}`);
    const own = await inProcess<Rates>("rates", { modelPath, threads: cores, budgetMs }, { cores });
    found.own.push(own);
    if ("missing" in beside) continue;
    const { vocabulary } = own;
    found.llama.push(
      await inProcess<LlamaRates>("llama", { ...beside, threads: cores, vocabulary, budgetMs }, { cores }),
    );
  }
  return { rounds: found.own, llama: found.llama, withoutLlama: "missing" in beside ? beside.missing : undefined };
}

/** The file and package for llama.cpp, or why the comparison is not possible. */
async function llamaFor({
  modelPath,
  gguf: given,
  root,
}: RoundsOptions): Promise<{ readonly entry: string; readonly gguf: string } | { readonly missing: string }> {
  const gguf = await ggufOf(modelPath, given);
  if ("missing" in gguf) return gguf;
  const folder = join(root, ".cache", "node-llama-cpp");
  try {
    const entry = await installLlama(folder, () =>
      tell(
        `against llama.cpp: installing node-llama-cpp ${llamaVersion} from the npm registry in ${folder} (about ${llamaMegabytes} MB, once)`,
      ),
    );
    return { entry, gguf: gguf.path };
  } catch (error) {
    return { missing: errorMessage(error) };
  }
}

/** Speed relative to llama.cpp for each round; NaN when not measured. */
export function speedUps(
  { rounds, llama }: Pick<ComparedRates, "rounds" | "llama">,
  milliseconds: (pace: Pace) => number | undefined,
): number[] {
  return rounds.map((own, at) => {
    const theirs = llama[at];
    return ((theirs && milliseconds(theirs)) ?? Number.NaN) / (milliseconds(own) ?? Number.NaN);
  });
}
