// Times of keystrokes with the real completer and index: warm, with new fragments, and during indexing.

import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Engine } from "../../../sidecar/engine";
import { documentPath } from "../../../sidecar/host/paths";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { languageIdOf } from "../../../sidecar/languages/languages";
import { type CompletionTrace, defaultSettings, type Settings } from "../../../sidecar/protocol";
import { readSources, spread } from "../cursors";
import { percentile, percentiles, type Spread } from "../statistics";
import { openWorkspace } from "../workspace";
import { randomRows } from "./tokens";

export interface KeystrokeOptions {
  readonly workspace: string;
  readonly storagePath: string;
  readonly modelPath: string;
  readonly grammarPath: string;
  readonly threads: number;
  /** Number of documents. */
  readonly documents: number;
}

/** Milliseconds, or shares from 0 to 1. */
export interface Fresh {
  readonly completions: number;
  readonly promptTokens: number;
  readonly totalMs: Spread;
  /** Median share of expression and search in a completion. */
  readonly retrievalShare: number;
  readonly expressMs: number;
  readonly searchMs: number;
}

export interface KeystrokeResult {
  readonly model: string;
  readonly fragments: number;
  /** One token was typed, and the fragments are reused. */
  readonly warm: {
    readonly completions: number;
    /** Share of the keystrokes of one token. */
    readonly reusedShare: number;
    readonly totalMs: Spread;
    readonly prefillMs: Spread;
    readonly decodeMs: Spread;
    readonly promptTokens: number;
    readonly generatedTokens: number;
    readonly tokensPerStep: number;
  };
  /** New fragments in a document that was never read before. */
  readonly cold: Fresh;
  /**
   * New fragments after some typed tokens, with the beginning of the query in the KV cache. The share is that of a
   * completion that has to read its whole prompt, as the cold ones do; here the same fragments may be found again.
   */
  readonly typing: Fresh;
  /** Warm keystrokes one after another, with and without the index embedding at the same time. */
  readonly background: { readonly pairs: number; readonly idleMs: Spread; readonly busyMs: Spread };
}

const maxTokens = 24;
const promptTokens = 1024;
const codeTokens = 512;
const fragmentLimit = 16;
/** Tokens typed at one place, places per document, and lines between two places. */
const typed = 8;
const places = 3;
const linesBetween = 4;
/** Minimum characters before the cursor, so that the prompt is full. */
const minPrefix = 5000;

/** Indexes the workspace with the model, then types in some of its documents. */
export async function keystrokesPhase(options: KeystrokeOptions): Promise<KeystrokeResult> {
  const { engine } = await openWorkspace(options, options.threads);
  const { model } = engine.backbone;
  await engine.index.reindex();
  const tokenizer = await Tokenizer.load(model);
  const room = Math.min(promptTokens, model.contextLength - maxTokens);
  const settings: Settings = {
    ...defaultSettings,
    maxTokens,
    maxFragments: fragmentLimit,
    fragmentBudget: Math.max(1, room - codeTokens),
  };
  const documents = spread(
    [...(await readSources(options.workspace))]
      .filter(([, text]) => text.length > minPrefix + 2000)
      .map(([path, text]) => new TypedDocument(options.workspace, path, text, tokenizer)),
    options.documents + 1,
  );
  // The first one warms up the JavaScript engine.
  const warmUp = documents.shift();
  if (warmUp === undefined || documents.length === 0)
    throw new Error(
      `expected source files of more than ${minPrefix + 2000} characters in ${options.workspace}, found ${documents.length}: give a larger folder`,
    );
  for (let i = 0; i < typed; i++) await warmUp.complete(engine, settings);

  const cold: CompletionTrace[] = [];
  const keystrokes: CompletionTrace[] = [];
  const refetched: CompletionTrace[] = [];
  for (const document of documents) {
    let limits = settings;
    cold.push(await document.complete(engine, limits));
    for (let place = 0; place < places; place++) {
      if (place > 0) {
        document.moveDown(linesBetween);
        await document.complete(engine, limits);
      }
      for (let i = 0; i < typed; i++) {
        document.type();
        keystrokes.push(await document.complete(engine, limits));
      }
      // The need seldom changes within a few tokens. Another limit of fragments forces a new search.
      limits = { ...limits, maxFragments: limits.maxFragments === fragmentLimit ? fragmentLimit - 1 : fragmentLimit };
      document.type();
      refetched.push(await document.complete(engine, limits));
    }
  }
  const reused = keystrokes.filter((trace) => trace.reused !== undefined);
  const typing = [...keystrokes, ...refetched].filter((trace) => trace.fetched !== undefined);
  const background = await besideEmbedding(engine, documents, settings);
  const result: KeystrokeResult = {
    model: `${model.name} ${model.version}`,
    fragments: engine.index.fragmentCount,
    warm: {
      completions: reused.length,
      reusedShare: reused.length / keystrokes.length,
      totalMs: percentiles(reused.map(({ timings }) => timings.totalMs)),
      prefillMs: percentiles(reused.map(({ timings }) => timings.prefillMs)),
      decodeMs: percentiles(reused.map(({ timings }) => timings.decodeMs)),
      promptTokens: median(reused, (trace) => trace.promptTokens),
      generatedTokens: median(reused, (trace) => trace.generatedTokens),
      tokensPerStep: tokensPerStep(reused),
    },
    cold: fresh(cold),
    typing: { ...fresh(typing), retrievalShare: typingShare(cold, typing) },
    background,
  };
  await engine.dispose();
  return result;
}

/** Tokens per run of the model after the prompt: 1 without drafts. */
export function tokensPerStep(
  generations: readonly { readonly generatedTokens: number; readonly decodeSteps: number }[],
): number {
  const [tokens, steps] = generations.reduce(
    ([t, s], { generatedTokens, decodeSteps }) => [t + Math.max(0, generatedTokens - 1), s + decodeSteps],
    [0, 0],
  );
  return tokens / steps;
}

function fresh(traces: readonly CompletionTrace[]): Fresh {
  return {
    completions: traces.length,
    promptTokens: median(traces, (trace) => trace.promptTokens),
    totalMs: percentiles(traces.map(({ timings }) => timings.totalMs)),
    retrievalShare: median(traces, ({ timings }) => (timings.expressMs + timings.searchMs) / timings.totalMs),
    expressMs: median(traces, ({ timings }) => timings.expressMs),
    searchMs: median(traces, ({ timings }) => timings.searchMs),
  };
}

/** The share of expression and search if they take as long as in `typing`, and the rest as long as in `cold`. */
function typingShare(cold: readonly CompletionTrace[], typing: readonly CompletionTrace[]): number {
  const retrieval = median(typing, ({ timings }) => timings.expressMs + timings.searchMs);
  return (
    retrieval / (retrieval + median(cold, ({ timings }) => timings.totalMs - timings.expressMs - timings.searchMs))
  );
}

function median(traces: readonly CompletionTrace[], value: (trace: CompletionTrace) => number): number {
  return percentile(traces.map(value), 0.5);
}

/** Types in the documents, with fragments being embedded during every other keystroke. */
async function besideEmbedding(
  engine: Engine,
  documents: readonly TypedDocument[],
  settings: Settings,
): Promise<KeystrokeResult["background"]> {
  const row = randomRows(engine.backbone.model.architecture.vocabularySize);
  const { fragmentTokens } = engine.backbone.model.retrieval;
  const idle: number[] = [];
  const busy: number[] = [];
  for (const document of documents) {
    await document.complete(engine, settings);
    for (let pair = 0; pair < typed / 2; pair++) {
      document.type();
      idle.push((await document.complete(engine, settings)).timings.totalMs);
      const stop = new AbortController();
      const embedding = (async () => {
        while (!stop.signal.aborted)
          await engine.backbone.embed(
            Array.from({ length: 64 }, (_, i) => row(fragmentTokens - (i % 64))),
            stop.signal,
          );
      })().catch(() => {});
      // Not at the start of a batch.
      await new Promise((resolve) => setTimeout(resolve, 10 + 3 * pair));
      document.type();
      busy.push((await document.complete(engine, settings)).timings.totalMs);
      stop.abort();
      await embedding;
    }
  }
  return { pairs: idle.length, idleMs: percentiles(idle), busyMs: percentiles(busy) };
}

/** A file being written: the text before the cursor and the lines after it, without the rest of the cursor's line. */
class TypedDocument {
  private cursor: number;

  constructor(
    private readonly workspace: string,
    private readonly path: string,
    private readonly text: string,
    private readonly tokenizer: Tokenizer,
  ) {
    // Within a line that is not blank.
    const line = /\n[ \t]*\w+ ?/g;
    line.lastIndex = Math.max(minPrefix, Math.floor(text.length / 2));
    const found = line.exec(text);
    this.cursor = found === null ? minPrefix : found.index + found[0].length;
  }

  /** Types the next token of the real file. */
  type(): void {
    const [token] = this.tokenizer.encode(this.text.slice(this.cursor, this.cursor + 200));
    const written = token === undefined ? "" : this.tokenizer.decode([token]);
    this.cursor += written.includes("\uFFFD") ? 1 : Math.max(1, written.length);
  }

  /** Moves some lines down, with all text in between typed. */
  moveDown(lines: number): void {
    let at = this.cursor;
    for (let i = 0; i < lines; i++) at = this.text.indexOf("\n", at) + 1 || this.text.length;
    const indentation = /^[ \t]*/.exec(this.text.slice(at))?.[0].length ?? 0;
    this.cursor = Math.min(this.text.length, at + indentation + 1);
  }

  complete(engine: Engine, settings: Settings): Promise<CompletionTrace> {
    const arrivedAt = performance.now();
    const uri = pathToFileURL(join(this.workspace, this.path)).href;
    const prefix = this.text.slice(0, this.cursor);
    const lineEnd = this.text.indexOf("\n", this.cursor);
    const path = documentPath(uri, [{ uri: pathToFileURL(this.workspace).href, name: basename(this.workspace) }]);
    const position = { line: prefix.split("\n").length - 1, character: this.cursor - (prefix.lastIndexOf("\n") + 1) };
    const context = {
      uri,
      path,
      languageId: languageIdOf(this.path),
      prefix,
      suffix: lineEnd < 0 ? "" : this.text.slice(lineEnd),
    };
    return engine.completer.complete(context, settings, position, undefined, arrivedAt);
  }
}
