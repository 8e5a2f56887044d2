// A published model in VS Code: converted from its file, used, compared in the inspector, and replaced by the small one.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCatalogue } from "../../sidecar/models/catalogue";
import { loadRecipe } from "../../sidecar/models/recipe";
import { publishedFile } from "../published-file";
import { Bookshop, lastLine } from "./bookshop";
import type { Workbench } from "./workbench";

const name = "qwen2.5-coder-0.5b";
const root = join(import.meta.dirname, "..", "..");
const published = await publishedFile(name);
const unreachable = "unreachable" in published ? published.unreachable : undefined;
/** Time to load hundreds of megabytes, and to read fragments with half a billion parameters, on two busy cores. */
const patience = { timeout: 240_000, interval: 250 };

describe.skipIf(unreachable !== undefined)(
  `${name}${unreachable === undefined ? "" : ` (left out: ${unreachable})`}`,
  () => {
    // Set before the window opens, so that its sidecar uses this folder of models.
    const models = join(realpathSync(tmpdir()), `selfracg-models-${process.pid}`);
    process.env.SELFRACG_MODELS = models;
    const shop = new Bookshop({ name: "published-model", settings: { "selfracg.model": name } });
    let window: Workbench;

    beforeAll(() => {
      window = shop.window;
    });
    afterAll(() => rmSync(models, { recursive: true, force: true }));

    it("is replaced by the small model until it is installed, as the status says", async () => {
      await window.waitForStatus(/ready/);
      expect(await window.tooltip()).toMatch(
        /Expected the model qwen2\.5-coder-0\.5b on this machine, found none.*Until then the small model answers/,
      );
      await window.leaveTooltip();
    });

    it("is converted from the published file with the expected SHA-256", { timeout: patience.timeout }, async () => {
      if (!("path" in published)) throw new Error("Expected the file.");
      const cli = [join(root, "dist", "cli.js"), "model", "add", published.path, "--json"];
      const { stdout } = await promisify(execFile)(process.execPath, cli, { maxBuffer: 2 ** 24 });
      const added = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
      expect(added).toMatchObject({ name, catalogued: true, folder: join(models, name) });
      const known = readCatalogue(join(root, "models")).get(name);
      const { recipe } = await loadRecipe(join(root, "models", known?.package ?? ""));
      for (const [file, { pinned }] of Object.entries(recipe.files)) {
        const hash = createHash("sha256");
        for await (const block of createReadStream(join(added.folder, file))) hash.update(block);
        expect(hash.digest("hex"), file).toBe(pinned[added.variant === "int7" ? "int7" : "int8"].sha256);
      }
    });

    it("answers after a restart, and generates what another file defines", {
      timeout: 2 * patience.timeout,
    }, async () => {
      await window.runCommand("SelfRACG: Restart Sidecar");
      await expect.poll(() => window.modelInUse(), patience).toBe(name);
      await expect.poll(() => window.statusLabel(), patience).toMatch(/ready/);
      await window.openFile("shop/customers.py", lastLine("shop/customers.py"));
      await window.type(
        "\n\ndef add_books(catalog: Catalog, books: list[Book]) -> None:\nfor book in books:\ncatalog.",
      );
      expect(await window.waitForGhostText(patience.timeout)).toContain("add");
    });

    it("completes with and without fragments in the inspector's comparison", {
      timeout: patience.timeout,
    }, async () => {
      await window.runCommand("SelfRACG: Show Retrieval Inspector");
      const inspector = await window.inspector();
      await expect.poll(() => inspector.locator('[data-open^="fragment:"]').count(), patience).toBeGreaterThan(0);
      await inspector.locator('[data-do="compare"]').click();
      await expect
        .poll(() => inspector.locator("#comparison .gained").textContent(), patience)
        .toMatch(/^[+−]?\d+\.\d\d$/);
    });

    it("is replaced by the small model by a command", { timeout: patience.timeout }, async () => {
      await window.runCommand("SelfRACG: Choose Model");
      await window.page
        .locator(".quick-input-list .monaco-list-row")
        .filter({ hasText: "SelfRACG's own small model" })
        .click();
      await expect.poll(() => window.modelInUse(), patience).toBe("selfracg-default");
      await window.waitForStatus(/ready/);
    });
  },
);
