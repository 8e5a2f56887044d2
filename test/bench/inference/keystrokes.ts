// Times of keystrokes with the real completer and index: warm, and with new fragments in documents never read.

import type { Engine } from "../../../sidecar/engine";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { type CompletionTrace, defaultSettings, type Settings } from "../../../sidecar/protocol";
import { cursorAt, readSources, spread } from "../cursors";
import { medianOf, percentiles, type Spread } from "../statistics";
import { completeAt, openWorkspace, type WorkspaceOptions } from "../workspace";

export interface KeystrokeOptions extends WorkspaceOptions {
  readonly threads: number;
  /** Number of documents. */
  readonly documents: number;
}

/** Medians, and milliseconds of whole completions. */
export interface Keystrokes {
  readonly completions: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly totalMs: Spread;
  /** The share of expression and search in a completion, 0 to 1. */
  readonly retrievalShare: number;
  readonly expressMs: number;
  readonly searchMs: number;
}

export interface KeystrokeResult {
  readonly model: string;
  readonly fragments: number;
  /** One token was typed, and the fragments are reused. */
  readonly warm: Keystrokes;
  /** Share of the keystrokes of one token that reuse the fragments. */
  readonly reusedShare: number;
  /** New fragments in a document that was never read before. */
  readonly cold: Keystrokes;
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
  const engine = await openWorkspace(options, options.threads);
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
  for (const document of documents) {
    cold.push(await document.complete(engine, settings));
    for (let place = 0; place < places; place++) {
      if (place > 0) {
        document.moveDown(linesBetween);
        await document.complete(engine, settings);
      }
      for (let i = 0; i < typed; i++) {
        document.type();
        keystrokes.push(await document.complete(engine, settings));
      }
    }
  }
  const reused = keystrokes.filter((trace) => trace.reused !== undefined);
  const result: KeystrokeResult = {
    model: `${model.name} ${model.version}`,
    fragments: engine.index.fragmentCount,
    warm: summaryOf(reused),
    reusedShare: reused.length / keystrokes.length,
    cold: summaryOf(cold),
  };
  await engine.dispose();
  return result;
}

function summaryOf(traces: readonly CompletionTrace[]): Keystrokes {
  return {
    completions: traces.length,
    promptTokens: medianOf(traces, (trace) => trace.promptTokens),
    generatedTokens: medianOf(traces, (trace) => trace.generatedTokens),
    totalMs: percentiles(traces.map(({ timings }) => timings.totalMs)),
    retrievalShare: medianOf(traces, ({ timings }) => (timings.expressMs + timings.searchMs) / timings.totalMs),
    expressMs: medianOf(traces, ({ timings }) => timings.expressMs),
    searchMs: medianOf(traces, ({ timings }) => timings.searchMs),
  };
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
    return completeAt(engine, cursorAt(this.workspace, this.path, this.text, this.cursor), settings);
  }
}
