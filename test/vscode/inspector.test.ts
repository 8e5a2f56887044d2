// The retrieval inspector in VS Code: by keyboard, in every kind of theme, and all its functions.

import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import type { AxeResults } from "axe-core";
import type { Frame, Locator } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { renderNeed } from "../../extension/inspector/sections/need";
import type { NeedToken } from "../../sidecar/protocol";
import { Bookshop, fixture, lastLine, pictures } from "./bookshop";
import { patience, suggestionMs, type Workbench } from "./workbench";

/** Read as a text, because the page's content security policy allows no other scripts. */
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

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

  /** Pictures of the whole inspector at its width in the window, in several pieces. */
  async function longPicture(name: string): Promise<void> {
    if (pictures === undefined) {
      return;
    }
    const size = window.page.viewportSize() ?? { width: 1280, height: 800 };
    const [width, height] = await inspector.evaluate<[number, number]>(
      "[innerWidth, document.documentElement.scrollHeight]",
    );
    await window.page.setViewportSize({ width: size.width, height: height + 120 });
    await window.page.waitForTimeout(500);
    const piece = 1000;
    for (let y = 0; y < height; y += piece) {
      const clip = { x: size.width - width, y, width, height: Math.min(piece, height + 120 - y) };
      await window.page.screenshot({ path: join(pictures, `inspector-${name}-${y / piece}.png`), clip });
    }
    await window.page.setViewportSize(size);
  }

  /** Adds weights as of a model package with an attention output if the packaged model has none, so that all shades are checked. */
  async function showNeed(): Promise<void> {
    if ((await inspector.locator("pre.need").count()) > 0) {
      return;
    }
    const words = "for book in books :\n    catalog . add_book ( book )".split(/(?<= )/);
    const tokens: NeedToken[] = [
      { text: "<|path|>" },
      { text: `${shownFile}\n` },
      ...words.map((text, character) => ({ text, position: { line: 7, character } })),
    ];
    const weights = tokens.map((_, at) => ((at * 7) % 11) ** 2);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const need = renderNeed(
      { state: "answered", value: { tokens, layers: [weights.map((weight) => weight / sum)] } },
      "all",
    );
    await inspector.evaluate(`window.postMessage(${JSON.stringify({ parts: { need } })}, "*")`);
    await inspector.locator("pre.need").waitFor();
  }

  function workspaceSettings(): Record<string, unknown> {
    const path = join(workspace, ".vscode", "settings.json");
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>) : {};
  }

  function focusedId(): Promise<string> {
    return inspector.evaluate("document.activeElement?.id ?? ''");
  }

  /** Presses Tab until `wanted` has the focus. */
  async function tabTo(wanted: Locator, key = "Tab"): Promise<void> {
    for (let presses = 0; presses < 120; presses += 1) {
      if (await wanted.evaluate((element) => element === element.ownerDocument.activeElement)) {
        return;
      }
      await window.page.keyboard.press(key);
    }
    throw new Error("Expected to reach it by Tab, and did not within 120 presses.");
  }

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
      await showNeed();
      await expect.poll(() => inspector.locator("#notice").textContent(), patience).toBe("");
      await longPicture(name);
      await inspector.evaluate(axe);
      const results = await inspector.evaluate<AxeResults>(
        "axe.run(document, { resultTypes: ['violations', 'incomplete'] })",
      );
      const tell = (rules: AxeResults["violations"]) =>
        rules.flatMap(({ id, help, nodes }) =>
          nodes.map(({ html, failureSummary }) => `${id}: ${help}\n${html}\n${failureSummary}`),
        );
      expect(tell(results.violations)).toEqual([]);
      // An undetermined contrast is a failure, except for line-break marks and touching lines.
      const untold = tell(results.incomplete.filter(({ id }) => id === "color-contrast"));
      expect(untold.filter((each) => !/contains only non-text characters|overlap/.test(each))).toEqual([]);
      expect(results.passes.map(({ id }) => id)).toEqual(
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

  it("pins the file in its own folder only when there are several folders", async () => {
    const roots = join(shop.scratch, "roots");
    for (const name of ["app", "library"])
      cpSync(join(fixture, "shop"), join(roots, name, "shop"), { recursive: true });
    writeFileSync(join(roots, "app", "main.py"), "from shop.catalog import Catalog\n");
    // Two files with the same path and different contents.
    writeFileSync(
      join(roots, "app", "shop", "catalog.py"),
      "def catalog_page(number):\n    return render('catalog', number)\n",
    );
    const file = join(roots, "both.code-workspace");
    writeFileSync(file, JSON.stringify({ folders: [{ path: "app" }, { path: "library" }] }));
    window = await shop.reopen(file);
    await window.waitForStatus(/ready/);
    await window.openFile("app/main.py", 1);
    await window.runCommand("SelfRACG: Show Retrieval Inspector");
    inspector = await window.inspector();
    await inspector.locator("#search-section > summary").click();
    await inspector
      .locator("#search-text")
      .fill("from shop.catalog import Catalog\n\ndef find(catalog: Catalog):\n    return catalog.");
    await inspector.locator("#search-form button").click();
    const pins = (path: string): Locator => inspector.locator(`[data-rule^="pin:found:"][aria-label$=" ${path}"]`);
    await expect.poll(() => pins("library/shop/catalog.py").count(), patience).toBeGreaterThan(0);
    await pins("library/shop/catalog.py").first().click();
    const settings = (): unknown => (JSON.parse(readFileSync(file, "utf8")) as { settings?: unknown }).settings;
    await expect.poll(settings, patience).toEqual({ "selfracg.pinnedFiles": ["./library/shop/catalog.py"] });
    await expect
      .poll(() => inspector.locator("#notice").textContent(), patience)
      .toBe("library/shop/catalog.py is pinned for this workspace (selfracg.pinnedFiles).");
    await expect
      .poll(() => pins("library/shop/catalog.py").first().getAttribute("aria-pressed"), patience)
      .toBe("true");
    await inspector.locator("#search-form button").click();
    const boost = inspector.locator("#found .fragment").filter({ hasText: "pinned by selfracg.pinnedFiles" });
    await expect.poll(() => boost.count(), patience).toBeGreaterThan(0);
    for (const text of await boost.locator(".head").allTextContents())
      expect(text).toMatch(/^library\/shop\/catalog\.py:/);
    for (const pin of await pins("app/shop/catalog.py").all())
      expect(await pin.getAttribute("aria-pressed")).toBe("false");
  });
});
