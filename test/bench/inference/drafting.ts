// Speculative decoding of tasks with the right fragments in the prompt: tokens per run, and equality with plain decoding.

import { type Generation, generate } from "../../../sidecar/completion/decoding/generate";
import { NgramLookup } from "../../../sidecar/completion/decoding/ngram-lookup";
import { healPrefix } from "../../../sidecar/completion/decoding/token-healing";
import { assemblePrompt } from "../../../sidecar/completion/prompt";
import { readCursor } from "../../../sidecar/completion/syntax/cursor";
import { plainLineBreaks } from "../../../sidecar/host/plain-text";
import type { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { defaultSettings } from "../../../sidecar/protocol";
import type { SelectedFragment } from "../../../sidecar/retrieval/types";
import type { Chunker } from "../../../sidecar/workspace/chunking/chunker";
import type { Fragment } from "../../../sidecar/workspace/fragment";
import { type Files, placeOf, type Task } from "../../eval/input";
import { placeKey, relevantTo } from "../../eval/relevance";
import { percentile } from "../statistics";
import {
  contextIn,
  disposeTaskModel,
  fragmentsIn,
  openTaskModel,
  type TaskPair,
  tasksByRepository,
} from "../task-input";

export interface DraftingOptions extends TaskPair {
  readonly modelPath: string;
  readonly grammarPath: string;
  readonly threads: number;
  /** Number of decoded tasks. */
  readonly maxTasks: number;
}

export interface DraftingResult {
  readonly tasks: number;
  readonly tokens: number;
  readonly tokensPerStep: number;
  /** Tasks whose text, tokens or stop reason differ between drafting and plain decoding; must be 0. */
  readonly differing: number;
  /** Time of plain decoding divided by the time with drafts; median of the tasks. */
  readonly speedUp: number;
  /** Tokens per second after the first one with drafts, including their choice and check. */
  readonly tokensPerSecond: number;
}

/** Characters before the cursor that the first match must end with, as in the product. */
const lookupCharacters = 200;
const { maxTokens, maxFragments, fragmentBudget } = defaultSettings;

/** Measures in this process. */
export async function draftingPhase(options: DraftingOptions): Promise<DraftingResult> {
  const model = await openTaskModel(options.modelPath, options.grammarPath, options.threads);
  const { backbone, tokenizer, promptFormat: format, chunker } = model;
  // About one task in four needs no definition of another file.
  const groups = await tasksByRepository(options, 2 * options.maxTasks);
  const all = groups.flatMap(({ tasks, files }) => tasks.map((task) => ({ task, files })));
  const { stopTokens } = format;
  const drafted: Generation[] = [];
  const speedUps: number[] = [];
  let differing = 0;
  let milliseconds = 0;
  for (const { task, files } of all) {
    if (drafted.length >= options.maxTasks) break;
    const selected = await rightFragments(task, files, chunker, format);
    if (selected.length === 0) continue;
    const { prefix: before, suffix } = placeOf(task, files);
    const context = contextIn(task.file, { prefix: plainLineBreaks(before), suffix: plainLineBreaks(suffix) });
    const { prefix, required } = healPrefix(tokenizer, context.prefix);
    const prompt = assemblePrompt(format, { ...context, prefix }, selected, backbone.model.contextLength - maxTokens);
    const cursor = readCursor(context);
    const decode = async (drafting: boolean): Promise<{ generation: Generation; ms: number }> => {
      const read = await backbone.prefill(prompt.tokens);
      const promptLookup = new NgramLookup(
        format.withoutPaths(prompt.tokens),
        tokenizer.encode(prefix.slice(-lookupCharacters)),
        stopTokens,
        backbone.model.ngramWeights,
      );
      const start = performance.now();
      const generation = await generate({
        backbone,
        tokenizer,
        stopTokens,
        prompt: read,
        maxTokens,
        required,
        promptLookup,
        drafting,
        cursor,
      });
      return { generation, ms: performance.now() - start };
    };
    const plain = await decode(false);
    const quick = await decode(true);
    drafted.push(quick.generation);
    milliseconds += quick.ms;
    if (quick.generation.decodeSteps > 0) speedUps.push(plain.ms / quick.ms);
    const same = (["text", "stopReason", "generatedTokens"] as const).every(
      (part) => plain.generation[part] === quick.generation[part],
    );
    if (!same) differing += 1;
  }
  await disposeTaskModel(model);
  const tokens = drafted.reduce((sum, { generatedTokens }) => sum + generatedTokens, 0);
  return {
    tasks: drafted.length,
    tokens,
    tokensPerStep: tokensPerStep(drafted),
    differing,
    speedUp: percentile(speedUps, 0.5),
    tokensPerSecond: (1000 * (tokens - drafted.length)) / milliseconds,
  };
}

/** Tokens per run of the model after the prompt: 1 without drafts. */
export function tokensPerStep(
  generations: readonly { readonly generatedTokens: number; readonly decodeSteps: number }[],
): number {
  const tokens = generations.reduce((sum, { generatedTokens }) => sum + Math.max(0, generatedTokens - 1), 0);
  return tokens / generations.reduce((sum, { decodeSteps }) => sum + decodeSteps, 0);
}

/** The fragments of other files with the definitions that the task needs, within the product's limits. */
async function rightFragments(
  task: Task,
  files: Files,
  chunker: Chunker,
  format: PromptFormat,
): Promise<SelectedFragment[]> {
  const names = (task.groundtruth.match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? []).filter((name) => name.length > 2);
  const others: Fragment[] = [];
  for (const [path, text] of files) {
    // Cutting is slow, so files without any of the names are skipped.
    if (path === task.file || !names.some((name) => text.includes(name))) continue;
    others.push(...(await fragmentsIn(path, text, chunker)));
  }
  const right = relevantTo(task, others);
  const selected: SelectedFragment[] = [];
  let used = 0;
  for (const fragment of others) {
    if (selected.length >= maxFragments || !right.has(placeKey(fragment))) continue;
    const tokens = format.fragment(fragment.path, fragment.text);
    if (tokens.length === 0 || used + tokens.length > fragmentBudget) continue;
    used += tokens.length;
    const { uri, path, startLine, endLine } = fragment;
    selected.push({ fragment, reference: { uri, path, startLine, endLine, score: 1, tokens: tokens.length }, tokens });
  }
  return selected;
}
