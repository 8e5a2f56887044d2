// The ghost text while somebody types, and how stable it is.
export interface Shown {
  /** The part of the suggestion that is not typed yet. */
  readonly text: string;
  /** Since when the text is shown, unchanged except for its typed part. */
  readonly since: number;
}

/**
 * The ghost text of one cursor in an editor that shows the newest answer: the text gets shorter when it is typed,
 * disappears when something else is typed, and is replaced by an answer. (VS Code keeps a text that is being typed even
 * if the answer differs, so that a user does not see the changes counted here.) Times in milliseconds from any origin.
 */
export class Display {
  readonly #noticeMs: number;
  #shown: Shown | undefined;
  /** Number of texts that were shown; a text counts once while it is typed. */
  shownCount = 0;
  /** Number of answers that removed or changed a text although it was being typed. An answer that only extends the text does not count. */
  changedCount = 0;
  /** Number of texts that disappeared, because something else was typed, before they could be noticed. */
  flashedCount = 0;
  /** Number of texts that were typed to their end. */
  typedCount = 0;

  constructor(noticeMs: number) {
    this.#noticeMs = noticeMs;
  }

  get shown(): Shown | undefined {
    return this.#shown;
  }

  /** A key was pressed, or other text was inserted that does not come from the suggestion. */
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
   * An answer for the current text; empty: no suggestion.
   * @returns whether a new text is shown
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

  /** The beginning of the shown text was accepted. */
  take(text: string): void {
    const shown = this.#shown;
    if (shown === undefined) return;
    const rest = shown.text.slice(text.length);
    this.#shown = rest === "" ? undefined : { ...shown, text: rest };
  }
}
