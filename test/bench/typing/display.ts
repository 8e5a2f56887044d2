// What stands as ghost text while somebody types, and how steady it is.
export interface Shown {
  /** What is left of the suggestion behind what was typed of it. */
  readonly text: string;
  /** Since when it has been there without a change but for what was typed of it. */
  readonly since: number;
}

/**
 * One cursor's ghost text, in an editor that believes the newest answer: text that is typed along stays and gets shorter,
 * text that is typed against goes, and an answer takes the place of what is there. (VS Code keeps what is typed along even
 * where the answer is another; then the changes counted here are not seen.) Times in milliseconds, of any origin.
 */
export class Display {
  readonly #noticeMs: number;
  #shown: Shown | undefined;
  /** Texts that came up, each once however long it was typed along. */
  shownCount = 0;
  /** Answers that took a text away or changed it although all that was typed went along with it. An answer that only adds to it is none. */
  changedCount = 0;
  /** Texts that were typed against before they could be noticed. */
  flashedCount = 0;
  /** Texts that were typed to their end. */
  typedCount = 0;

  constructor(noticeMs: number) {
    this.#noticeMs = noticeMs;
  }

  get shown(): Shown | undefined {
    return this.#shown;
  }

  /** A key, or any other text that was inserted and not taken from the suggestion. */
  key(text: string, now: number): void {
    const shown = this.#shown;
    if (shown === undefined) return;
    if (shown.text === text) this.typedCount += 1;
    else if (shown.text.startsWith(text)) {
      this.#shown = { ...shown, text: shown.text.slice(text.length) };
      return;
    } else if (now - shown.since < this.#noticeMs) this.flashedCount += 1;
    this.#shown = undefined;
  }

  /**
   * The answer for the text as it is now; empty: no suggestion.
   * @returns whether a text came up that was not there
   */
  answer(text: string, now: number): boolean {
    const shown = this.#shown;
    if (shown !== undefined && shown.text === text) return false;
    if (shown !== undefined && text.startsWith(shown.text)) {
      this.#shown = { ...shown, text };
      return false;
    }
    if (shown !== undefined) this.changedCount += 1;
    this.#shown = text === "" ? undefined : { text, since: now };
    if (text === "") return false;
    this.shownCount += 1;
    return true;
  }

  /** The beginning of the shown text was taken. */
  take(text: string): void {
    const shown = this.#shown;
    if (shown === undefined) return;
    const rest = shown.text.slice(text.length);
    this.#shown = rest === "" ? undefined : { ...shown, text: rest };
  }
}
