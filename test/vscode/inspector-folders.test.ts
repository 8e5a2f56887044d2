// The retrieval inspector in VS Code with several workspace folders.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Locator } from "playwright-core";
import { describe, expect, it } from "vitest";
import { Bookshop, fixture } from "./bookshop";
import { patience } from "./workbench";

describe("the inspector in VS Code", () => {
  const shop = new Bookshop({ name: "inspector-folders" });

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
    const window = await shop.reopen(file);
    await window.waitForStatus(/ready/);
    await window.openFile("app/main.py", 1);
    await window.runCommand("SelfRACG: Show Retrieval Inspector");
    const inspector = await window.inspector();
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
