// Types one edit at a person's speed, and requests, shows and accepts suggestions.
import type { CompletionTrace } from "../../../sidecar/protocol";
import type { Document, Editor } from "../editor";
import type { Edit } from "../history";
import { Display } from "./display";
import { choose, noticeMs } from "./person";
import { keysOf } from "./rhythm";

/**
 * Milliseconds that VS Code waits for another key before a request, except after an acceptance.
 * (microsoft/vscode pull requests 152747 and 240239.)
 */
export const editorDelayMs = 50;

/** An answer that showed a text. */
export interface ShownAnswer {
  /** From the key to the text, including the editor's delay. */
  readonly fromKeyMs: number;
  /** From the request to the text. */
  readonly fromRequestMs: number;
  /** Whether it was answered without a run of the model. */
  readonly cached: boolean;
  /** Whether it was requested after an acceptance, not after a key. */
  readonly followUp: boolean;
}

/** What is counted while an edit is typed. */
export const countNames = [
  /** Keys that the text takes without suggestions, and keys that were pressed. */
  "keys",
  "pressed",
  /** Characters written, and those of them accepted from suggestions. */
  "characters",
  "taken",
  /** Requests, those cancelled by the next key, and the others. */
  "requests",
  "cancelled",
  "answered",
  "cached",
  /** Answers that the server delayed to wait for another key. */
  "waited",
  "withText",
  /** Answers without a suggestion because the model was unsure. */
  "unsure",
  /** Texts that an answer changed or removed although they were being typed. */
  "changed",
  /** Texts that were typed against before they could be noticed. */
  "flashed",
  "typedToEnd",
  /** Shown texts of which a part was right. */
  "right",
  /** Acceptances of whole suggestions, of first lines, and of words. */
  "whole",
  "line",
  "words",
] as const;

export type Counts = Record<(typeof countNames)[number], number>;

export function noCounts(): Counts {
  const answers = { requests: 0, cancelled: 0, answered: 0, cached: 0, waited: 0, withText: 0, unsure: 0 };
  const texts = { changed: 0, flashed: 0, typedToEnd: 0, right: 0, whole: 0, line: 0, words: 0 };
  return { keys: 0, pressed: 0, characters: 0, taken: 0, ...answers, ...texts };
}

export interface Replayed {
  readonly counts: Readonly<Counts>;
  /** Answers without a suggestion for other reasons than an unsure model, by reason. */
  readonly withheld: Readonly<Record<string, number>>;
  readonly shown: readonly ShownAnswer[];
}

export interface ReplayOptions {
  /** Maximum keys typed of the edit. */
  readonly maxKeys: number;
  readonly languageId: string;
  /** Absolute path of the file. */
  readonly path: string;
  readonly interval: (before: string, key: string) => number;
  /** Factor of the speed for the editor's delay and the time to notice, as for the rhythm; 1: real time. */
  readonly speed: number;
}

export async function replay(editor: Editor, edit: Edit, options: ReplayOptions): Promise<Replayed> {
  const length = keysOf(edit.text).slice(0, options.maxKeys).join("").length;
  const document = editor.open(options.path, options.languageId, edit.prefix, edit.suffix);
  const typist = new Typist(editor, document, edit.text, options);
  try {
    await typist.type(length);
  } finally {
    document.close();
  }
  return typist.result;
}

class Typist {
  readonly #editor: Editor;
  readonly #document: Document;
  readonly #truth: string;
  readonly #options: ReplayOptions;
  readonly #display: Display;
  readonly #shown: ShownAnswer[] = [];
  readonly #withheld: Record<string, number> = {};
  readonly #running = new Set<Promise<void>>();
  #at = 0;
  readonly #counts = noCounts();
  /** Of the last answer. */
  #trace: CompletionTrace | undefined;
  #cancel: () => void = () => {};
  #wake: () => void = () => {};
  #failed: unknown;

  constructor(editor: Editor, document: Document, truth: string, options: ReplayOptions) {
    this.#editor = editor;
    this.#document = document;
    this.#truth = truth;
    this.#options = options;
    this.#display = new Display(noticeMs / options.speed);
  }

  get result(): Replayed {
    const { changedCount, flashedCount, typedCount } = this.#display;
    const texts = { changed: changedCount, flashed: flashedCount, typedToEnd: typedCount };
    const counts = { ...this.#counts, characters: this.#at, ...texts };
    return { counts, withheld: this.#withheld, shown: this.#shown };
  }

  /** Types until at least the first `length` characters of the edit are written. */
  async type(length: number): Promise<void> {
    let before = "";
    let lastKeyAt = performance.now();
    while (this.#at < length) {
      const key = keysOf(this.#truth.slice(this.#at, this.#at + 200))[0] ?? "";
      const due = lastKeyAt + this.#options.interval(before, key);
      const taken = await this.#waitUntil(due);
      if (this.#failed !== undefined) throw this.#failed;
      lastKeyAt = performance.now();
      if (taken !== undefined) {
        before = taken;
        continue;
      }
      this.#document.insert(key);
      this.#display.key(key, lastKeyAt);
      this.#at += key.length;
      this.#counts.keys += 1;
      this.#counts.pressed += 1;
      before = key;
      this.#ask(lastKeyAt, editorDelayMs / this.#options.speed);
    }
    this.#cancel();
    await Promise.all(this.#running);
    if (this.#failed !== undefined) throw this.#failed;
  }

  /** Accepts the right part of the shown text before the next key is due. @returns what was accepted */
  async #waitUntil(due: number): Promise<string | undefined> {
    for (;;) {
      const now = performance.now();
      const { shown } = this.#display;
      const noticedAt = shown === undefined ? Number.POSITIVE_INFINITY : shown.since + noticeMs / this.#options.speed;
      if (shown !== undefined && noticedAt <= now) {
        const taken = choose(shown.text, this.#truth.slice(this.#at));
        if (taken !== undefined) {
          this.#counts[taken.how] += 1;
          this.#counts.taken += taken.text.length;
          this.#counts.keys += keysOf(taken.text).length;
          this.#counts.pressed += taken.presses;
          this.#at += taken.text.length;
          this.#document.insert(taken.text);
          this.#display.take(taken.text);
          if (taken.how === "whole" && this.#trace !== undefined) this.#editor.accepted(this.#trace);
          this.#ask(now, 0);
          return taken.text;
        }
      }
      if (now >= due || this.#failed !== undefined) return undefined;
      const next = Math.min(due, noticedAt > now ? noticedAt : due);
      await new Promise<void>((wake) => {
        const timer = setTimeout(wake, next - now);
        this.#wake = () => {
          clearTimeout(timer);
          wake();
        };
      });
    }
  }

  /** Requests a suggestion after the delay, unless another key comes first, and cancels the request before. */
  #ask(keyAt: number, delayMs: number): void {
    this.#cancel();
    const ask = (): void => {
      const requestAt = performance.now();
      const { answer, cancel } = this.#document.request();
      this.#counts.requests += 1;
      let overtaken = false;
      this.#cancel = () => {
        overtaken = true;
        cancel();
      };
      const done = answer.then(
        (result) => {
          if (result.kind === "cancelled" || overtaken) this.#counts.cancelled += 1;
          else this.#take(result.text, result.trace, { keyAt, requestAt, followUp: delayMs === 0 });
        },
        (error: unknown) => {
          this.#failed ??= error;
        },
      );
      this.#running.add(done);
      void done.then(() => {
        this.#running.delete(done);
        this.#wake();
      });
    };
    if (delayMs === 0) {
      ask();
      return;
    }
    const timer = setTimeout(ask, delayMs);
    this.#cancel = () => clearTimeout(timer);
  }

  #take(
    text: string,
    trace: CompletionTrace | undefined,
    { keyAt, requestAt, followUp }: { keyAt: number; requestAt: number; followUp: boolean },
  ): void {
    const now = performance.now();
    this.#counts.answered += 1;
    const cached = trace?.cached === true;
    if (cached) this.#counts.cached += 1;
    if (!cached && trace !== undefined && trace.timings.waitMs > 0) this.#counts.waited += 1;
    if (text !== "") this.#counts.withText += 1;
    else if (trace?.confidence !== undefined && (trace.confidence.probability ?? 1) < (trace.confidence.threshold ?? 0))
      this.#counts.unsure += 1;
    else {
      const reason =
        trace === undefined ? "not tried (inside of a word, or off)" : (trace.suppressed ?? "nothing written");
      this.#withheld[reason] = (this.#withheld[reason] ?? 0) + 1;
    }
    if (this.#display.answer(text, now)) {
      this.#shown.push({ fromKeyMs: now - keyAt, fromRequestMs: now - requestAt, cached, followUp });
      if (choose(text, this.#truth.slice(this.#at)) !== undefined) this.#counts.right += 1;
    }
    this.#trace = trace;
  }
}
