// A VS Code window in terms of what a user does and sees.

import { execFileSync } from "node:child_process";
import type { Frame, Locator, Page } from "playwright-core";
import { expect, vi } from "vitest";

const modifier = process.platform === "darwin" ? "Meta" : "Control";

/** A timeout that only a hang exceeds, even on a busy machine. */
export const patience = { timeout: 60_000, interval: 100 };

/** Maximum wait for a suggestion that may not come: long enough for a busy machine. */
export const suggestionMs = 30_000;

/** A window. All waits are for something visible; there are no fixed pauses except where a user would pause. */
export class Workbench {
  constructor(readonly page: Page) {}

  /** The labels of the status-bar item so far, in order. */
  statusHistory(): Promise<string[]> {
    return this.page.evaluate(() => (globalThis as unknown as { selfracgStatus: string[] }).selfracgStatus);
  }

  /** Waits for the workbench, and trusts the folder's authors if VS Code asks. */
  async ready(trusted = true): Promise<void> {
    const answers = ["Yes, I trust the authors", "No, I don't trust the authors"].map((text) =>
      this.page.getByText(text),
    );
    for (const answer of answers) await this.page.removeLocatorHandler(answer);
    const answer = answers[trusted ? 0 : 1] ?? answers[0];
    await this.page.locator(".monaco-workbench .statusbar").waitFor();
    await Promise.race([answer?.waitFor(), this.status.waitFor()]);
    // On a busy machine, the question may appear long after the status bar.
    if (answer !== undefined) await this.page.addLocatorHandler(answer, () => clickUntilGone(answer));
    await answer?.waitFor({ timeout: 3000 }).catch(() => undefined);
    await this.status.click({ trial: true });
  }

  get status(): Locator {
    return this.page.locator('[id="selfracg.selfracg-code.selfracg.status"]');
  }

  async statusLabel(): Promise<string> {
    return (await this.status.getAttribute("aria-label")) ?? "";
  }

  async waitForStatus(pattern: RegExp): Promise<void> {
    await expect.poll(() => this.statusLabel(), patience).toMatch(pattern);
  }

  /** The tooltip of the status-bar item, which is shown until {@link leaveTooltip}. */
  async tooltip(): Promise<string> {
    await this.status.hover();
    const shown = this.statusTooltip;
    await shown.waitFor();
    return ((await shown.textContent()) ?? "").replaceAll("\u00a0", " ");
  }

  /** The model's name in the tooltip; empty while there is none. */
  async modelInUse(): Promise<string> {
    const text = await this.tooltip();
    await this.leaveTooltip();
    return /Model: (\S+)/.exec(text)?.[1] ?? "";
  }

  async leaveTooltip(): Promise<void> {
    await this.page.mouse.move(640, 300);
    await this.statusTooltip.waitFor({ state: "hidden" });
  }

  private get statusTooltip(): Locator {
    return this.page.locator(".monaco-hover .hover-contents").filter({ hasText: "Click for the menu" });
  }

  runCommand(title: string): Promise<void> {
    return this.choose(`>${title}`, title);
  }

  /** Fills in the quick input and selects the first entry with these words. */
  private async choose(text: string, entry: string): Promise<void> {
    // The list closes again when a part of the window takes the focus late, and it does not know an editor that is
    // opened late.
    await vi.waitFor(async () => {
      await this.ask(text, "F1");
      await this.page
        .locator(".quick-input-list .monaco-list-row")
        .filter({ hasText: entry })
        .first()
        .click({ timeout: 10_000 });
    }, patience);
    await this.quickInput.waitFor({ state: "hidden" });
  }

  private get quickInput(): Locator {
    return this.page.locator(".quick-input-widget input.input");
  }

  /** Opens the quick input by a key and fills it in. Retries, because a change of focus closes it again. */
  private async ask(text: string, key: string): Promise<void> {
    await vi.waitFor(async () => {
      await this.page.keyboard.press(key);
      await this.quickInput.fill(text, { timeout: 10_000 });
    }, patience);
  }

  /** Opens a file of the workspace by its path and puts the cursor on a line's end. */
  async openFile(path: string, line: number): Promise<void> {
    // By the explorer, because Quick Open needs a native program that a served VS Code may lack.
    const row = (name: string): Locator =>
      this.page.locator(".explorer-folders-view").getByRole("treeitem", { name, exact: true });
    const names = path.split("/");
    for (const folder of names.slice(0, -1)) {
      if ((await row(folder).getAttribute("aria-expanded", patience)) === "false") {
        await row(folder).click();
      }
    }
    await row(names.at(-1) ?? path).dblclick(patience);
    await expect.poll(() => this.activeTab(), patience).toBe(names.at(-1));
    await this.choose(`:${line}`, `Go to line ${line}`);
    await this.page.keyboard.press("End");
    await expect.poll(() => this.cursor(), patience).toMatch(new RegExp(`^Ln ${line}, `));
  }

  /** Waits until the explorer shows files or folders; returns whether it does. */
  showsFiles(): Promise<boolean> {
    const row = this.page.locator(".explorer-folders-view .monaco-list-row").first();
    return row.waitFor({ timeout: 15_000 }).then(
      () => true,
      () => false,
    );
  }

  /** The name on the active editor's tab. */
  async activeTab(): Promise<string> {
    const name = this.page.locator(".editor-group-container.active .tab.active .label-name").first();
    return (await name.textContent({ timeout: 5000 })) ?? "";
  }

  /** For example "Ln 3, Col 9". */
  async cursor(): Promise<string> {
    return (await this.page.locator('[id="status.editor.selection"]').textContent({ timeout: 5000 })) ?? "";
  }

  /** Types one key after another. */
  type(text: string): Promise<void> {
    return this.page.keyboard.type(text, { delay: 30 });
  }

  /** The shown ghost text with its lines joined; empty when there is none. */
  async ghostText(): Promise<string> {
    const parts = await this.page.locator('.editor-instance [class*="ghost-text"]').evaluateAll((elements) =>
      elements
        // A line contains nested spans; only the outermost is used.
        .filter((element) => element.parentElement?.closest('[class*="ghost-text"]') === null)
        // Further lines precede the first one in the page.
        .map((element) => ({ element, box: element.getBoundingClientRect() }))
        .sort((a, b) => a.box.top - b.box.top || a.box.left - b.box.left)
        .map(({ element }) => element.textContent ?? ""),
    );
    return parts.join("\n").replaceAll("\u00a0", " ");
  }

  async waitForGhostText(timeout = patience.timeout): Promise<string> {
    await expect.poll(async () => (await this.ghostText()).trim(), { ...patience, timeout }).not.toBe("");
    return this.ghostText();
  }

  /** The visible text of the active editor, in order, including ghost text. */
  async editorText(): Promise<string> {
    const lines = await this.page
      .locator(".editor-group-container.active .view-lines > .view-line")
      .evaluateAll((elements) =>
        elements
          .map((element) => ({ top: element.getBoundingClientRect().top, text: element.textContent ?? "" }))
          .sort((a, b) => a.top - b.top)
          .map(({ text }) => text),
      );
    return lines.join("\n").replaceAll("\u00a0", " ");
  }

  /** Contrast of the ghost text to the editor's background by WCAG 2, 1..21. */
  ghostContrast(): Promise<number> {
    return this.page
      .locator('.editor-group-container.active [class*="ghost-text"]')
      .first()
      .evaluate((element) => {
        const page = globalThis as unknown as {
          getComputedStyle(target: unknown): { color: string; backgroundColor: string };
        };
        const channels = (colour: string): number[] => (colour.match(/[\d.]+/g) ?? []).map(Number);
        const back = channels(
          page.getComputedStyle(
            element.closest(".monaco-editor")?.querySelector(".monaco-editor-background") ?? element,
          ).backgroundColor,
        );
        const [red = 0, green = 0, blue = 0, alpha = 1] = channels(page.getComputedStyle(element).color);
        // Translucent text is blended with the background.
        const front = [red, green, blue].map((value, at) => alpha * value + (1 - alpha) * (back[at] ?? 0));
        const luminance = (colour: readonly number[]): number => {
          const [r = 0, g = 0, b = 0] = colour.map((value) =>
            value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
          );
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const [dark = 0, light = 0] = [luminance(front), luminance(back)].sort((a, b) => a - b);
        return (light + 0.05) / (dark + 0.05);
      });
  }

  /** Toggles the side bar by the key, which keeps the cursor and its ghost text. */
  async toggleSideBar(): Promise<void> {
    await this.page.keyboard.press(`${modifier}+B`);
  }

  async save(): Promise<void> {
    await this.page.keyboard.press(`${modifier}+S`);
    await expect
      .poll(() => this.page.locator(".editor-group-container.active .tab.active.dirty").count(), patience)
      .toBe(0);
  }

  /** Focuses the editor and reverts its file to the saved text. */
  async revertFile(): Promise<void> {
    const dirty = this.page.locator(".editor-group-container .tab.dirty");
    await this.runCommand("File: Revert File");
    // The command applies to the editor with the focus, which may have been another one.
    await vi.waitFor(async () => {
      if ((await dirty.count()) === 0) return;
      await dirty.first().click({ timeout: 4000 });
      await this.runCommand("File: Revert File");
      expect(await dirty.count()).toBe(0);
    }, patience);
  }

  /** The document inside the inspector's webview, once it has content. */
  async inspector(): Promise<Frame> {
    const find = async (): Promise<Frame | undefined> => {
      for (const frame of this.page.frames()) {
        try {
          if ((await frame.locator("main#inspector section").count()) > 0) {
            return frame;
          }
        } catch {
          // The frame was removed meanwhile.
        }
      }
      return undefined;
    };
    await expect.poll(async () => (await find()) !== undefined, patience).toBe(true);
    const frame = await find();
    if (frame === undefined) {
      throw new Error("The inspector went away while it was looked at.");
    }
    return frame;
  }

  /** The text of all visible notifications. */
  async notifications(): Promise<string[]> {
    const texts = await this.page.locator(".notifications-toasts .notification-list-item-message").allTextContents();
    return texts.map((text) => text.replace(/\s+/g, " "));
  }

  async waitForNotification(pattern: RegExp): Promise<void> {
    await expect.poll(async () => (await this.notifications()).join("\n"), patience).toMatch(pattern);
  }

  async clearNotifications(): Promise<void> {
    await this.runCommand("Notifications: Clear All Notifications");
    await expect.poll(() => this.notifications(), patience).toEqual([]);
  }
}

/** Runs in the page and records the labels of the status-bar item. Polls, because VS Code may replace the element. */
export function recordStatus(): void {
  const page = globalThis as unknown as {
    selfracgStatus?: string[];
    document: { getElementById(id: string): { getAttribute(name: string): string | null } | null };
  };
  if (page.selfracgStatus !== undefined) {
    return;
  }
  const seen: string[] = [];
  page.selfracgStatus = seen;
  setInterval(() => {
    const label = page.document.getElementById("selfracg.selfracg-code.selfracg.status")?.getAttribute("aria-label");
    if (label && seen.at(-1) !== label) {
      seen.push(label);
    }
  }, 15);
}

/** Process ids of the sidecars started from a profile's folder. */
export function sidecarProcesses(profile: string): number[] {
  const list = execFileSync("ps", ["-A", "-ww", "-o", "pid=,args="], { encoding: "utf8" });
  return list
    .split("\n")
    .filter((line) => line.includes(profile) && /dist[\\/]sidecar\.js/.test(line))
    .map((line) => Number.parseInt(line, 10));
}

/** Clicks a button that may vanish before the click, because another click has answered the question already. */
async function clickUntilGone(button: Locator): Promise<void> {
  try {
    await button.click({ timeout: 5000 });
  } catch (error) {
    if (await button.isVisible().catch(() => false)) throw error;
  }
}
