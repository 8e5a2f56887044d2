// The status bar in VS Code: its states, its menu, the walkthrough, settings, diagnostics.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Bookshop, type Clip, lastLine, pictures } from "./bookshop";
import { patience, type Workbench } from "./workbench";

/** Text for which the default model has a suggestion: the start of a function at the end of a file. */
const file = "shop/customers.py";
const typed = "\n\ndef fill(catalog: Catalog, book: Book) -> None:\ncatalog.";

/** The window's corner with the status bar, with room for the tooltip or a notification. */
const corner: Clip = { x: 640, y: 500, width: 640, height: 300 };

describe("the status bar in VS Code", () => {
  // Shows all buttons without a hover, for the pictures.
  const shop = new Bookshop({ name: "status", settings: { "workbench.hover.delay": 100 }, others: ["memory-files"] });
  let window: Workbench;
  let workspace: string;

  beforeAll(() => {
    ({ window, workspace } = shop);
  });

  const picture = (name: string, clip?: Clip): Promise<void> =>
    shop.picture(name, { pointer: "stays", ...(clip === undefined ? {} : { clip }) });

  async function beginFunction(): Promise<void> {
    await window.openFile(file, lastLine(file));
    await window.type(typed);
  }

  /** As long as a person would wait for a suggestion. */
  async function expectNoGhostText(): Promise<void> {
    await window.page.waitForTimeout(2000);
    expect(await window.ghostText()).toBe("");
  }

  const rows = () => window.page.locator(".quick-input-list .monaco-list-row");

  async function openMenu(): Promise<void> {
    await window.status.click();
    await rows()
      .filter({ hasText: "Show Retrieval Inspector" })
      .or(rows().filter({ hasText: "Turn Suggestions" }))
      .first()
      .waitFor();
  }

  async function choose(title: string): Promise<void> {
    await openMenu();
    await rows().filter({ hasText: title }).first().click();
  }

  it("shows the last suggestion's time and fragments, and more in its tooltip", async () => {
    await window.waitForStatus(/ready/);
    await beginFunction();
    await window.waitForGhostText();
    await window.waitForStatus(/ready, last suggestion in \d+(\.\d)? m?s with \d+ fragments?/);
    expect(await window.status.textContent()).toMatch(/SelfRACG \d+(\.\d)? m?s · \d/);
    const text = await window.tooltip();
    expect(text).toMatch(/Last suggestion: \d+(\.\d)? m?s, (with \d+ fragments? of shop\/|from the open file alone)/);
    expect(text).toMatch(/Index: [\d,]+ fragments/);
    if (pictures !== undefined) {
      // The update after a suggestion closes the tooltip.
      await window.leaveTooltip();
      await window.page.waitForTimeout(3000);
      await window.tooltip();
      await picture("walkthrough-status", corner);
    }
    await window.leaveTooltip();
    await window.revertFile();
  });

  it("has a menu of all commands, each with a description", async () => {
    await window.openFile(file, 1);
    await openMenu();
    await picture("walkthrough-menu", { x: 320, y: 0, width: 640, height: 480 });
    // The list renders only visible entries, so each one is searched for by its name.
    const input = window.page.locator(".quick-input-widget input.input");
    for (const title of [
      "Turn Suggestions Off",
      "Snooze for 5 Minutes",
      "Snooze for 15 Minutes",
      "Snooze for an Hour",
      "Snooze Until Tomorrow",
      "Turn Off for python",
      "Re-index Workspace",
      "Pause Indexing",
      "Show Retrieval Inspector",
      "Show Log",
      "Collect Diagnostics",
      "Choose Model",
      "Restart Sidecar",
      "Open Settings",
      "Get Started",
    ]) {
      await input.fill(title);
      await rows().filter({ hasText: title }).first().waitFor();
    }
    await window.page.keyboard.press("Escape");
  });

  it("opens the inspector from the menu by keyboard", async () => {
    await window.page.keyboard.press("F1");
    await window.page.locator(".quick-input-widget input.input").fill(">SelfRACG: Show Menu");
    await rows().filter({ hasText: "SelfRACG: Show Menu" }).first().waitFor();
    await window.page.keyboard.press("Enter");
    await rows().filter({ hasText: "Turn Suggestions Off" }).waitFor();
    await window.page.keyboard.type("inspector");
    await window.page.keyboard.press("Enter");
    await window.inspector();
    await window.runCommand("View: Close All Editors");
  });

  it("snoozes until the time it shows, also over a restart of the sidecar, and ends the snooze", async () => {
    await window.openFile(file, lastLine(file));
    await choose("Snooze for 15 Minutes");
    await window.waitForStatus(/snoozed until (tomorrow, )?\d\d:\d\d/);
    await picture("state-snoozed", corner);
    // After a click, the status bar keeps the focus.
    await beginFunction();
    await expectNoGhostText();
    const before = await window.statusLabel();
    const seen = (await window.statusHistory()).length;
    await window.runCommand("SelfRACG: Restart Sidecar");
    await expect.poll(async () => (await window.statusHistory()).slice(seen), patience).toContain(before);
    expect((await window.statusHistory()).slice(seen)).toContain("SelfRACG is starting");
    await window.runCommand("SelfRACG: End Snooze");
    await window.waitForStatus(/ready/);
    await window.revertFile();
    await beginFunction();
    await window.waitForGhostText();
    await window.revertFile();
  });

  it("disables the active file's language, shows the reason, and enables it again", async () => {
    await window.openFile(file, lastLine(file));
    await window.runCommand("SelfRACG: Turn On or Off for This Language");
    await window.waitForStatus(/off in python: .*disabledLanguages/);
    await window.type(typed);
    await expectNoGhostText();
    expect(await window.tooltip()).toContain("Here: ");
    await picture("state-off-here", corner);
    await window.leaveTooltip();
    await window.revertFile();
    await window.openFile("README.md", 1);
    await window.waitForStatus(/ready/);
    await window.openFile(file, lastLine(file));
    await window.waitForStatus(/off in python/);
    await choose("Turn On for python");
    await window.waitForStatus(/ready/);
  });

  it("pauses and resumes indexing", async () => {
    await choose("Pause Indexing");
    await window.waitForStatus(/indexing is paused/);
    await picture("state-paused", corner);
    await choose("Resume Indexing");
    await window.waitForStatus(/ready(?!, indexing is paused)/);
    await window.clearNotifications();
  });

  it("shows why there is no suggestion with several cursors", async () => {
    await window.openFile(file, lastLine(file));
    await window.type(typed.slice(0, -1));
    await window.page.keyboard.press("Escape");
    await window.runCommand("Add Cursor Above");
    await window.type(".");
    await expectNoGhostText();
    await window.page.keyboard.press("Escape");
    await window.revertFile();
  });

  it("shows the progress of indexing", async () => {
    const generated = join(workspace, "generated");
    mkdirSync(generated);
    for (let each = 0; each < 240; each += 1) {
      writeFileSync(
        join(generated, `pricing_${each}.py`),
        Array.from(
          { length: 3 },
          (_, k) => `def price_${each}_${k}(quantity):\n    return quantity * ${each} + ${k}\n\n`,
        ).join("\n"),
      );
    }
    await window.runCommand("SelfRACG: Re-index Workspace");
    await window.waitForStatus(/indexing, [1-9][\d,]* of [\d,]+ files/);
    await picture("walkthrough-indexing", { ...corner, y: 640, height: 160 });
    await window.waitForNotification(/SelfRACG: indexed [\d,]+ fragments/);
    await window.waitForStatus(/ready/);
    await window.clearNotifications();
    rmSync(generated, { recursive: true });
  });

  it("offers remedies for a missing model", async () => {
    mkdirSync(join(workspace, ".vscode"), { recursive: true });
    writeFileSync(
      join(workspace, ".vscode", "settings.json"),
      JSON.stringify({ "selfracg.modelPath": join(shop.scratch, "no-model-here") }),
    );
    await window.waitForStatus(/SelfRACG error: .*no-model-here/);
    expect(await window.tooltip()).toMatch(
      /no-model-here.*Choose Model.*Open Setting model.*Restart Sidecar.*Show Log/,
    );
    await picture("state-error", corner);
    await window.leaveTooltip();
    await openMenu();
    expect(await rows().first().textContent()).toContain("Choose Model");
    await picture("state-error-menu");
    await rows().first().click();
    // By keyboard: the pointer is over this list, and a row's description may cover the row.
    await rows().filter({ hasText: "SelfRACG's own small model" }).waitFor();
    await window.page.keyboard.type("own small model");
    await window.page.keyboard.press("Enter");
    await window.waitForStatus(/ready/);
    expect(JSON.parse(readFileSync(join(workspace, ".vscode", "settings.json"), "utf8"))).toEqual({});
  });

  it("opens a diagnostics report that asks the user to review it", async () => {
    await window.openFile(file, 1);
    await choose("Collect Diagnostics");
    await expect.poll(() => window.activeTab(), patience).toMatch(/^Untitled-|SelfRACG diagnostics/);
    await window.waitForNotification(/look at the diagnostics before you share them/);
    const lines = window.page.locator(".editor-group-container.active .view-lines");
    await expect
      .poll(async () => (await lines.textContent())?.replaceAll("\u00a0", " "), patience)
      .toMatch(/# SelfRACG diagnostics.*nothing was sent.*SelfRACG Code: \d/s);
    await picture("page-diagnostics");
    await window.page.keyboard.press("Control+End");
    // The log's last messages end the page.
    await expect
      .poll(async () => (await lines.textContent())?.replaceAll("\u00a0", " "), patience)
      .toMatch(/\[(info|warning|error|debug)\]/);
    await window.clearNotifications();
    await window.runCommand("View: Revert and Close Editor");
  });

  it("opens the settings in groups", async () => {
    await choose("Open Settings");
    const groups = window.page.locator(".settings-group-title-label, .settings-toc-entry");
    await expect.poll(async () => (await groups.allTextContents()).join(" "), patience).toMatch(/Suggestions/);
    await picture("page-settings");
    await window.runCommand("View: Close All Editors");
  });

  it("opens a walkthrough whose pictures and steps are shown", async () => {
    // At full width, the picture is beside its step.
    await window.toggleSideBar();
    await window.runCommand("SelfRACG: Get Started");
    const page = window.page.locator(".gettingStartedContainer");
    await page.getByText("Get Started with SelfRACG").first().waitFor();
    const steps = page.locator(".gettingStartedDetailsContent .step-title");
    expect(await steps.allTextContents()).toEqual([
      "Completion that stays on this machine",
      "Index the workspace",
      "Get a larger model",
      "Type, and accept what you like",
      "See what was retrieved, and why",
      "Turn it off when you want",
    ]);
    const loaded = () =>
      page
        .locator(".getting-started-media img")
        .evaluateAll((images) => images.some((image) => "naturalWidth" in image && Number(image.naturalWidth) > 0));
    for (const [place, title] of (await steps.allTextContents()).entries()) {
      await steps.filter({ hasText: title }).click();
      await expect.poll(loaded, patience).toBe(true);
      await picture(`page-walkthrough-${place + 1}`);
    }
    await window.toggleSideBar();
    await window.runCommand("View: Close All Editors");
  });

  it("shows what does not work in an untrusted workspace", async () => {
    const strange = join(shop.scratch, "strange");
    mkdirSync(strange);
    window = await shop.reopen(strange, false);
    await window.waitForStatus(/ready/);
    expect(await window.tooltip()).toContain("Restricted mode: this workspace is not trusted");
    await picture("state-restricted", corner);
  });

  it("shows what does not work in a virtual workspace; an untitled file has suggestions", async () => {
    const file = join(shop.scratch, "elsewhere.code-workspace");
    writeFileSync(file, JSON.stringify({ folders: [{ uri: "memory:/bookshop", name: "elsewhere" }] }));
    window = await shop.reopen(file);
    await window.waitForStatus(/ready/);
    const sentence =
      'Virtual workspace: files of "memory" are on no disk, so they are not indexed and get no suggestions. Files on disk and untitled ones do.';
    expect(await window.tooltip()).toContain(sentence);
    await picture("state-virtual", corner);
    await window.leaveTooltip();
    await window.openFile("catalog.py", 12);
    await window.waitForStatus(/off here: It is on no disk \(its scheme is "memory"\)/);
    await window.type("\n\ndef remove_book(self, book: Book) -> None:\nself.");
    await expectNoGhostText();
    await window.runCommand("SelfRACG: Re-index Workspace");
    await window.waitForNotification(/no folder on a disk is open, so there is nothing to index/);
    await window.clearNotifications();
    await window.runCommand("File: New Untitled Text File");
    await window.waitForStatus(/ready/);
    await window.type(
      `class Catalog:\n    def add_book(self, book):\nself.books[book.isbn] = book\n\ndef find_book(self, isbn):\nreturn self.`,
    );
    await window.waitForGhostText();
    await window.runCommand("View: Revert and Close Editor");
    await window.revertFile();
  });
});
