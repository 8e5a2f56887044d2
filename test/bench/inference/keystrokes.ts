// Times of keystrokes with the real completer and index: warm, and with new fragments in documents never read.

import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Engine } from "../../../sidecar/engine";
import { documentPath } from "../../../sidecar/host/paths";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { languageIdOf } from "../../../sidecar/languages/languages";
import { type CompletionTrace, defaultSettings, type Settings } from "../../../sidecar/protocol";
import { readSources, spread } from "../cursors";
import { medianOf, percentiles, type Spread } from "../statistics";
import { openWorkspace } from "../workspace";

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
    readonly promptTokens: number;
    readonly generatedTokens: number;
  };
  /** New fragments in a document that was never read before. */
  readonly cold: Fresh;
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
    warm: {
      completions: reused.length,
      reusedShare: reused.length / keystrokes.length,
      totalMs: percentiles(reused.map(({ timings }) => timings.totalMs)),
      promptTokens: medianOf(reused, (trace) => trace.promptTokens),
      generatedTokens: medianOf(reused, (trace) => trace.generatedTokens),
    },
    cold: fresh(cold),
  };
  await engine.dispose();
  return result;
}

function fresh(traces: readonly CompletionTrace[]): Fresh {
  return {
    completions: traces.length,
    promptTokens: medianOf(traces, (trace) => trace.promptTokens),
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
