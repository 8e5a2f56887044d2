// The retrieval inspector in VS Code: by keyboard, in every kind of theme, and all its functions.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Frame, Locator } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { Bookshop, lastLine } from "./bookshop";
import { checkAccessibility, longPicture, pressUntilFocused, showNeed } from "./inspector-checks";
import { patience, suggestionMs, type Workbench } from "./workbench";

/** Cursors at which code of other files is needed. There are more than used, because some requests are cancelled. */
const places = [
  {
    file: "shop/customers.py",
    typed: "\n\ndef add_books(catalog: Catalog, books: list[Book]) -> None:\nfor book in books:\ncatalog.",
  },
  { file: "shop/reports.py", typed: "\n\ndef order_totals(orders: list[Order]) -> list[Money]:\nreturn [order." },
  { file: "shop/invoices.py", typed: "\n\ndef title_of(invoice: Invoice, isbn: str) -> str:\nbook = invoice.catalog." },
  {
    file: "shop/inventory.py",
    typed: "\n\ndef total_price(prices: list[Money]) -> Money:\ntotal = Money(0)\nfor price in prices:\ntotal = total.",
  },
] as const;

describe("the inspector in VS Code", () => {
  const shop = new Bookshop({ name: "inspector", settings: { "editor.wordWrap": "on" } });
  let window: Workbench;
  let workspace: string;
  let inspector: Frame;
  /** The location of the suggestion that is shown. */
  let shownFile: string;

  beforeAll(() => {
    ({ window, workspace } = shop);
    mkdirSync(join(workspace, ".vscode"));
  });

  function workspaceSettings(): Record<string, unknown> {
    const path = join(workspace, ".vscode", "settings.json");
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>) : {};
  }

  function focusedId(): Promise<string> {
    return inspector.evaluate("document.activeElement?.id ?? ''");
  }

  const tabTo = (wanted: Locator, key?: string) => pressUntilFocused(window, wanted, key);

  async function toInspector(): Promise<void> {
    await window.page.keyboard.press("Control+2");
    await expect.poll(() => inspector.evaluate("document.hasFocus()"), patience).toBe(true);
  }

  async function toEditor(): Promise<void> {
    await window.page.keyboard.press("Control+1");
    await expect.poll(() => inspector.evaluate("document.hasFocus()"), patience).toBe(false);
  }

  /** Returns to the inspector after code was opened and has the focus. */
  async function backToInspector(): Promise<void> {
    await window.page.waitForTimeout(800);
    await toInspector();
  }

  const title = () => inspector.locator("h1").textContent();
  const options = () => inspector.locator("#traces [role=option]");
  const selected = () => inspector.locator('#traces [aria-selected="true"]').getAttribute("id");

  it("opens beside the code without taking the focus, and lists earlier suggestions", async () => {
    await window.waitForStatus(/ready/);
    const [{ file, typed }] = places;
    await window.openFile(file, lastLine(file));
    await window.type(typed);
    await window.waitForGhostText(suggestionMs).catch(() => undefined);
    await window.runCommand("SelfRACG: Show Retrieval Inspector");
    inspector = await window.inspector();
    expect(await window.activeTab()).toBe(basename(file));
    await expect.poll(() => options().first().locator(".meta").textContent(), patience).toMatch(/^customers\.py:\d+ /);
  });

  it("lists the last suggestions, newest first, and shows the newest", async () => {
    for (const { file, typed } of places.slice(1)) {
      await window.openFile(file, lastLine(file));
      await window.type(typed);
      const atCursor = async (): Promise<boolean> => {
        const [, line, character] = /^Ln (\d+), Col (\d+)/.exec(await window.cursor()) ?? [];
        return (await inspector.locator('[data-open="cursor"]').textContent()) === `${file}:${line}:${character}`;
      };
      await expect.poll(atCursor, patience).toBe(true);
      shownFile = file;
      if ((await inspector.locator('[data-open^="fragment:"]').count()) > 0) {
        break;
      }
    }
    expect(await inspector.locator('[data-open^="fragment:"]').count(), "a prompt with fragments").toBeGreaterThan(0);
    await window.toggleSideBar();
    expect(await selected()).toBe(await options().first().getAttribute("id"));
    expect(await title()).toBe(`Suggestion ${(await selected())?.replace("trace-", "")}`);
    // Each score is shown with the null score.
    expect(await inspector.locator("#fragments .fragment .mark").count()).toBe(
      await inspector.locator("#fragments .fragment").count(),
    );
    expect(await inspector.locator("#suggestion .measure").textContent()).toMatch(
      /^\d+(\.\d)? % sure, shown from \d+(\.\d)? %/,
    );
    expect(await options().first().locator(".meta").textContent()).toMatch(
      /^\w+\.py:\d+ · (shown|not shown).* · [\d.]+ ms · \d fragments? · \d/,
    );
    expect(await options().count()).toBeGreaterThan(1);
  });

  it("works by keyboard: a chosen suggestion stays while the user types, until the newest is requested", async () => {
    await toInspector();
    await tabTo(inspector.locator("#traces"));
    const newest = await selected();
    await window.page.keyboard.press("ArrowDown");
    await expect.poll(title, patience).not.toBe(`Suggestion ${newest?.replace("trace-", "")}`);
    const older = await title();
    expect(await focusedId()).toBe("traces");
    expect(await inspector.locator("#traces").getAttribute("aria-activedescendant")).toBe(await selected());
    await window.page.keyboard.press("Home");
    await expect.poll(selected, patience).toBe(newest);
    await window.page.keyboard.press("ArrowDown");
    await expect.poll(title, patience).toBe(older);
    await toEditor();
    const before = await options().first().getAttribute("id");
    await window.type("x");
    await expect.poll(() => options().first().getAttribute("id"), patience).not.toBe(before);
    expect(await title()).toBe(older);
    await window.page.keyboard.press("Backspace");
    await toInspector();
    const follow = inspector.locator('[data-do="follow"]');
    expect(await follow.getAttribute("aria-pressed")).toBe("false");
    await tabTo(follow, "Shift+Tab");
    await window.page.keyboard.press("Enter");
    await expect.poll(() => follow.getAttribute("aria-pressed"), patience).toBe("true");
    expect(await selected()).toBe(await options().first().getAttribute("id"));
  });

  it("opens the code of a fragment by keyboard", async () => {
    const link = inspector.locator('[data-open^="fragment:"]').first();
    const [, path = "", first] = /^(.+):(\d+)(?:-\d+)?$/.exec((await link.textContent()) ?? "") ?? [];
    await tabTo(link);
    await window.page.keyboard.press("Enter");
    await expect.poll(() => window.activeTab(), patience).toBe(basename(path));
    await expect.poll(() => window.cursor(), patience).toMatch(new RegExp(`^Ln ${first}, Col 1\\b`));
    await backToInspector();
  });

  it("shows the completions with and without fragments side by side", async () => {
    await tabTo(inspector.locator('[data-do="compare"]'));
    await window.page.keyboard.press("Enter");
    await expect.poll(() => inspector.locator(".side").count(), patience).toBe(2);
    const headings = await inspector.locator(".side h3").allTextContents();
    expect(headings[0]).toMatch(/^With \d fragments?$/);
    expect(headings[1]).toBe("With no fragments");
    expect(await inspector.locator("#comparison .gained").textContent()).toMatch(/^[+−]?\d+\.\d\d$/);
    const suggestion = inspector.locator("pre.suggestion");
    if ((await suggestion.count()) > 0) {
      // Typed text is no longer part of the suggestion.
      const rest = (await suggestion.textContent()) ?? "?";
      expect((await inspector.locator(".side pre").first().textContent())?.endsWith(rest)).toBe(true);
    }
    // Side by side, even in a narrow window.
    const [left, right] = await inspector
      .locator(".side")
      .evaluateAll((sides) => sides.map((side) => side.getBoundingClientRect().toJSON() as { x: number; y: number }));
    expect(left?.y).toBe(right?.y);
    expect(left?.x).toBeLessThan(right?.x ?? 0);
  });

  it("shows the prompt as the model read it", async () => {
    await tabTo(inspector.locator("#prompt-section > summary"));
    await window.page.keyboard.press("Enter");
    const prompt = inspector.locator("#prompt");
    await expect
      .poll(() => prompt.textContent(), patience)
      .toMatch(/^\d+ tokens of the 1,024 that the model can read\./);
    const [, tokens] = /^(\d+) tokens/.exec((await prompt.textContent()) ?? "") ?? [];
    expect(await inspector.locator("#suggestion").textContent()).toContain(`${tokens} prompt tokens`);
    const fragments = await prompt.locator("details summary").allTextContents();
    expect(fragments.length).toBe(await inspector.locator('[data-open^="fragment:"]').count());
    await prompt.locator("details summary").first().click();
    expect(await prompt.locator("details pre").first().textContent()).toContain(fragments[0]?.split(":")[0]);
    expect(await prompt.locator(".in-code pre").textContent()).toContain(`<|path|>${shownFile}`);
  });

  it("shows the weights of the need on the code", async () => {
    await tabTo(inspector.locator("#need-section > summary"));
    await window.page.keyboard.press("Enter");
    const need = inspector.locator("#need");
    await expect.poll(() => need.locator("pre.need").count(), patience).toBe(1);
    expect(await need.locator("pre.need").textContent()).toContain("catalog");
    expect(await need.locator("table.heaviest tbody tr").count()).toBeGreaterThan(5);
    const before = await need.locator("pre.need").innerHTML();
    await tabTo(need.locator("#layer"));
    await window.page.keyboard.press("ArrowDown");
    await expect.poll(() => need.locator("pre.need").innerHTML(), patience).not.toBe(before);
    expect(await focusedId()).toBe("layer");
  });

  it("finds fragments by a piece of code", async () => {
    await tabTo(inspector.locator("#search-section > summary"));
    await window.page.keyboard.press("Enter");
    await tabTo(inspector.locator("#search-text"));
    await window.page.keyboard.type(
      "from shop.catalog import Catalog\n\ndef find(catalog: Catalog):\n    return catalog.",
    );
    await window.page.keyboard.press("Control+Enter");
    const found = inspector.locator('[data-open^="found:"]');
    await expect.poll(() => found.count(), patience).toBeGreaterThan(5);
    const paths = await found.allTextContents();
    expect(paths.some((path) => path.startsWith("shop/catalog.py:"))).toBe(true);
    expect(await inspector.locator("#found").textContent()).toMatch(/null score -?\d\.\d{3}/);
    // The typed search text is still there.
    expect(await inspector.locator("#search-text").inputValue()).toContain("return catalog.");
    const [, path = "", first] = /^(.+):(\d+)(?:-\d+)?$/.exec(paths[0] ?? "") ?? [];
    await found.first().click();
    await expect.poll(() => window.activeTab(), patience).toBe(basename(path));
    await expect.poll(() => window.cursor(), patience).toMatch(new RegExp(`^Ln ${first}, `));
    await backToInspector();
  });

  it("pins and bans the file of a fragment for this workspace, and undoes both", async () => {
    const path = ((await inspector.locator('[data-open="found:0"]').textContent()) ?? "").replace(/:[\d-]+$/, "");
    const [pin, ban] = [inspector.locator('[data-rule="pin:found:0"]'), inspector.locator('[data-rule="ban:found:0"]')];
    expect(await pin.getAttribute("aria-label")).toBe(`Pin ${path}`);
    await pin.focus();
    await window.page.keyboard.press("Enter");
    await expect.poll(() => workspaceSettings()["selfracg.pinnedFiles"], patience).toEqual([`/${path}`]);
    await expect.poll(() => pin.getAttribute("aria-pressed"), patience).toBe("true");
    expect(await inspector.locator("#notice").textContent()).toBe(
      `${path} is pinned for this workspace (selfracg.pinnedFiles).`,
    );
    expect(await pin.evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true);
    await ban.click();
    await expect.poll(() => workspaceSettings()["selfracg.bannedFiles"], patience).toEqual([`/${path}`]);
    await expect.poll(() => workspaceSettings()["selfracg.pinnedFiles"], patience).toBeUndefined();
    await expect.poll(() => ban.getAttribute("aria-pressed"), patience).toBe("true");
    expect(await pin.getAttribute("aria-pressed")).toBe("false");
    await ban.click();
    await expect.poll(() => workspaceSettings()["selfracg.bannedFiles"], patience).toBeUndefined();
    await expect.poll(() => ban.getAttribute("aria-pressed"), patience).toBe("false");
  });

  it("shows the usage counts, and deletes them after a confirmation", async () => {
    await tabTo(inspector.locator("#counts-section > summary"));
    await window.page.keyboard.press("Enter");
    const shown = inspector.locator("#counts tr").first();
    await expect.poll(() => shown.textContent(), patience).toMatch(/^Shown[1-9]/);
    expect(await inspector.locator("#counts th").allTextContents()).toEqual([
      "Shown",
      "Accepted",
      "Partly accepted",
      "Typed along",
      "Rejected",
      "Characters taken, not typed",
    ]);
    const dialog = window.page.locator(".monaco-dialog-box");
    await tabTo(inspector.locator('[data-do="clear-counts"]'));
    await window.page.keyboard.press("Enter");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await dialog.waitFor({ state: "hidden" });
    expect(await shown.textContent()).toMatch(/^Shown[1-9]/);
    await inspector.locator('[data-do="clear-counts"]').click();
    await dialog.getByRole("button", { name: "Delete" }).click();
    await expect.poll(() => shown.textContent(), patience).toBe("Shown0");
    await expect.poll(() => inspector.locator("#notice").textContent(), patience).toBe("The counts are deleted.");
  });

  it("copies the trace as JSON, without code by default", async () => {
    const clipboard = () => window.page.evaluate("navigator.clipboard.readText()") as Promise<string>;
    await inspector.locator('[data-do="copy"]').click();
    await expect
      .poll(() => inspector.locator("#notice").textContent(), patience)
      .toBe("Copied the trace: paths and numbers, no code.");
    await expect.poll(clipboard, patience).toMatch(/^\{[\s\S]*\}$/);
    const bare = await clipboard();
    expect(bare).not.toContain(workspace);
    expect(bare).not.toMatch(/def |class |catalog\.(?!py)/);
    const { trace } = JSON.parse(bare) as { trace: { id: number; path: string; fragments: { path: string }[] } };
    expect(trace.path).toBe(shownFile);
    expect(`Suggestion ${trace.id}`).toBe(await title());
    expect(trace.fragments.length).toBe(await inspector.locator('[data-open^="fragment:"]').count());
    await inspector.locator('[data-do="copy-with-code"]').click();
    await expect.poll(clipboard, patience).toMatch(/<\|path\|>/);
  });

  it("is unchanged after it was hidden", async () => {
    await toInspector();
    await window.runCommand("File: New Untitled Text File");
    await window.runCommand("View: Close Editor");
    inspector = await window.inspector();
    await expect.poll(() => inspector.locator("details[data-section][open]").count(), patience).toBe(4);
    await expect.poll(() => inspector.locator('[data-open^="found:"]').count(), patience).toBeGreaterThan(5);
    await expect.poll(() => inspector.locator("#prompt").textContent(), patience).toMatch(/^\d+ tokens of/);
    expect(await inspector.locator("#search-text").inputValue()).toContain("return catalog.");
  });

  describe.each([
    ["Default Dark Modern", "vscode-dark", "dark"],
    ["Default Light Modern", "vscode-light", "light"],
    ["Default High Contrast", "vscode-high-contrast", "high-contrast"],
    ["Default High Contrast Light", "vscode-high-contrast-light", "high-contrast-light"],
  ])("in %s", (theme, bodyClass, name) => {
    it("has no accessibility violation by axe-core with all sections open", async () => {
      writeFileSync(join(workspace, ".vscode", "settings.json"), JSON.stringify({ "workbench.colorTheme": theme }));
      await expect
        .poll(() => inspector.locator("body").getAttribute("class"), patience)
        .toMatch(new RegExp(`(^| )${bodyClass}( |$)`));
      await inspector.evaluate("for (const each of document.querySelectorAll('details')) each.open = true");
      await expect.poll(() => inspector.locator("#prompt").textContent(), patience).toMatch(/^\d+ tokens of/);
      await showNeed(inspector, shownFile);
      await expect.poll(() => inspector.locator("#notice").textContent(), patience).toBe("");
      await longPicture(window, inspector, name);
      const { violations, contrast, passes } = await checkAccessibility(inspector);
      expect(violations).toEqual([]);
      // An undetermined contrast is a failure, except for line-break marks and touching lines.
      expect(contrast.filter((each) => !/contains only non-text characters|overlap/.test(each))).toEqual([]);
      expect(passes).toEqual(
        expect.arrayContaining(["color-contrast", "aria-required-children", "button-name", "label"]),
      );
    });
  });

  it("has a message while there is no suggestion", async () => {
    await window.runCommand("SelfRACG: Restart Sidecar");
    await expect.poll(title, patience).toBe("No suggestion yet");
    await window.waitForStatus(/ready/);
    await expect.poll(() => inspector.locator(".empty").textContent(), patience).toContain("Type in a file");
    expect(await inspector.locator("#list").isVisible()).toBe(false);
    await shop.picture("inspector-empty");
    // The index can still be searched.
    await inspector.locator("#search-form button").click();
    await expect.poll(() => inspector.locator('[data-open^="found:"]').count(), patience).toBeGreaterThan(5);
  });
});
