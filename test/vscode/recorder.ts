// Records in the page when keys are pressed, when their text appears, and the ghost text.
import type { Page } from "playwright-core";

/** The cursor's line at one moment. */
export interface Look {
  /** Milliseconds of the same clock as {@link Recording.keys}. */
  readonly at: number;
  /** The text of the line without the ghost text. */
  readonly line: string;
  /** The ghost text of the cursor's line. Its other lines appear and disappear together with it. */
  readonly ghost: string;
}

export interface Recording {
  /** When each key of a character was pressed. */
  readonly keys: readonly number[];
  /** The states of the line; each differs from the one before, and the first is that at the start. */
  readonly looks: readonly Look[];
}

interface PageElement {
  readonly style: { readonly top: string };
  readonly textContent: string | null;
  readonly className: string;
  readonly children: Iterable<PageElement>;
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
}

interface PageGlobals {
  selfracgTyping?: { keys: number[]; looks: Look[]; stop(): void };
  document: PageElement;
  addEventListener(type: "keydown", listener: (event: { key: string }) => void, capture: true): void;
  removeEventListener(type: "keydown", listener: (event: { key: string }) => void, capture: true): void;
  requestAnimationFrame(callback: () => void): void;
  MutationObserver: new (
    callback: () => void,
  ) => { observe(target: PageElement, options: object): void; disconnect(): void };
}

/** Starts recording at every change of the page and every frame. */
export async function startRecording(page: Page): Promise<void> {
  await page.evaluate(() => {
    const window = globalThis as unknown as PageGlobals;
    const keys: number[] = [];
    const looks: Look[] = [];
    let on = true;
    const look = (): void => {
      const editor = window.document.querySelector(".editor-group-container.active .monaco-editor");
      const top = editor?.querySelector(".cursors-layer > .cursor")?.style.top;
      const row =
        top === undefined
          ? undefined
          : [...(editor?.querySelectorAll(".view-lines > .view-line") ?? [])].find((each) => each.style.top === top);
      if (row === undefined) return;
      let line = "";
      let ghost = "";
      for (const span of row.querySelectorAll(":scope > span > span")) {
        const text = (span.textContent ?? "").replaceAll("\u00a0", " ");
        if (/ghost-text/.test(span.className)) ghost += text;
        else line += text;
      }
      const last = looks.at(-1);
      if (last?.line !== line || last.ghost !== ghost) looks.push({ at: performance.now(), line, ghost });
    };
    const frame = (): void => {
      look();
      if (on) window.requestAnimationFrame(frame);
    };
    const keydown = ({ key }: { key: string }): void => {
      if (key.length === 1) keys.push(performance.now());
    };
    const observer = new window.MutationObserver(look);
    window.selfracgTyping?.stop();
    window.selfracgTyping = {
      keys,
      looks,
      stop: () => {
        on = false;
        observer.disconnect();
        window.removeEventListener("keydown", keydown, true);
      },
    };
    window.addEventListener("keydown", keydown, true);
    observer.observe(window.document, {
      childList: true,
      subtree: true,
      characterData: true,
      attributes: true,
      attributeFilter: ["style", "class"],
    });
    frame();
  });
}

/** The last state since {@link startRecording}. */
export function lastLook(page: Page): Promise<Look | undefined> {
  return page.evaluate(() => (globalThis as unknown as PageGlobals).selfracgTyping?.looks.at(-1));
}

/** Ends the recording since {@link startRecording} and returns it. */
export function stopRecording(page: Page): Promise<Recording> {
  return page.evaluate(() => {
    const recording = (globalThis as unknown as PageGlobals).selfracgTyping;
    if (recording === undefined) throw new Error("Nothing is being recorded.");
    recording.stop();
    return { keys: recording.keys, looks: recording.looks };
  });
}

/** Milliseconds from each key until its character was shown. @throws Error when a character was never shown */
export function inputDelays({ keys, looks }: Recording): number[] {
  const start = looks[0]?.line.length ?? 0;
  return keys.map((key, at) => {
    const shown = looks.find(({ line }) => line.length - start > at);
    if (shown === undefined)
      throw new Error(
        `Expected the character of key ${at + 1} of ${keys.length} to show, found ${JSON.stringify(looks.at(-1)?.line)}.`,
      );
    return shown.at - key;
  });
}

/** Minimum milliseconds from a key to VS Code's request. */
const soonestMs = 50;

/**
 * Ghost text that contradicts a typed character. Right after a key, there can be no new answer yet, so
 * the ghost text must be the rest of the one before, or empty.
 * @returns the contradictions, and the number of states that were early enough after their key to be checked
 */
export function staleGhosts({ keys, looks }: Recording): { stale: { before: Look; after: Look }[]; judged: number } {
  const start = looks[0]?.line.length ?? 0;
  const stale: { before: Look; after: Look }[] = [];
  let judged = 0;
  for (const [at, after] of looks.entries()) {
    const before = looks[at - 1];
    if (before === undefined || before.line === after.line) continue;
    // The earliest key that this state shows for the first time.
    const key = keys[before.line.length - start];
    if (key === undefined || after.at - key >= soonestMs || !after.line.startsWith(before.line)) continue;
    judged += 1;
    const typed = after.line.slice(before.line.length);
    const left = before.ghost.startsWith(typed) ? before.ghost.slice(typed.length) : "";
    if (after.ghost !== "" && after.ghost !== left) stale.push({ before, after });
  }
  return { stale, judged };
}

/** Ghost text that changed or disappeared although it was being typed. */
export function flickers({ looks }: Recording): { before: Look; after: Look }[] {
  return looks.flatMap((after, at) => {
    const before = looks[at - 1];
    if (before === undefined || before.ghost === "" || !after.line.startsWith(before.line)) return [];
    const typed = after.line.slice(before.line.length);
    if (!before.ghost.startsWith(typed) || before.ghost === typed) return [];
    return after.ghost.startsWith(before.ghost.slice(typed.length)) ? [] : [{ before, after }];
  });
}
