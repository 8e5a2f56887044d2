// Choosing a model in VS Code: download with a cut connection, conversion, switch without a reload, and removal.
import { readdirSync, realpathSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publishedFile } from "../published-file";
import { cutAfter, type MisbehavingServer, misbehavingServer } from "../unit/models/misbehaving-server";
import { Bookshop, pictures } from "./bookshop";
import type { Workbench } from "./workbench";

const name = "qwen2.5-coder-0.5b";
const published = await publishedFile(name);
const unreachable = "unreachable" in published ? published.unreachable : undefined;
/** A model is downloaded, converted and loaded in this time on a busy machine. */
const patience = { timeout: 480_000, interval: 250 };

describe.skipIf(unreachable !== undefined)(
  `getting a model${unreachable === undefined ? "" : ` (left out: ${unreachable})`}`,
  async () => {
    const models = join(realpathSync(tmpdir()), `selfracg-get-model-${process.pid}`);
    let server: MisbehavingServer | undefined;
    if ("path" in published) {
      const content = await readFile(published.path);
      server = await misbehavingServer(content);
      server.next(cutAfter(content, 200_000_000));
      // Set before the window opens.
      process.env.HF_ENDPOINT = new URL(server.url).origin;
      process.env.SELFRACG_MODELS = models;
    }
    const shop = new Bookshop({ name: "get-model" });
    let window: Workbench;
    const rows = () => window.page.locator(".quick-input-list .monaco-list-row");
    const press = (text: string) =>
      window.page.locator(".monaco-dialog-box .monaco-button").filter({ hasText: text }).click();

    beforeAll(() => {
      window = shop.window;
    });
    afterAll(async () => {
      await server?.close();
      rmSync(models, { recursive: true, force: true });
    });

    it("downloads it after a question, continues where the connection was cut, and has it answer without a reload", {
      timeout: patience.timeout,
    }, async () => {
      await window.waitForStatus(/ready/);
      await window.runCommand("SelfRACG: Choose Model");
      const row = rows().filter({ hasText: "Qwen2.5-Coder 0.5B Instruct" });
      expect(await row.textContent()).toMatch(/491 MB to download, 1\.0 GB of memory, Apache-2\.0/);
      if (pictures !== undefined) await window.page.screenshot({ path: join(pictures, "choose-model.png") });
      await row.click();
      await expect
        .poll(() => window.page.locator(".monaco-dialog-box").textContent(), patience)
        .toMatch(/491,400,064 bytes, SHA-256 1d961463/);
      await press("Download");
      await expect
        .poll(() => window.statusLabel(), patience)
        .toMatch(/Downloading Qwen2\.5-Coder 0\.5B Instruct \d+ %/);
      await expect.poll(() => window.statusLabel(), patience).toMatch(/Converting Qwen2\.5-Coder 0\.5B Instruct/);
      await expect.poll(() => window.modelInUse(), patience).toBe(name);
      expect(server?.ranges.filter((range) => range !== "")).toHaveLength(1);
      expect(readdirSync(models)).toEqual([name]);
      await window.clearNotifications();
    });

    it("removes it, the small one answering then, and nothing is left", { timeout: patience.timeout }, async () => {
      await window.runCommand("SelfRACG: Choose Model");
      const row = rows().filter({ hasText: "Qwen2.5-Coder 0.5B Instruct" });
      await row.hover();
      await row.locator(".codicon-trash").click();
      await press("Remove");
      await expect.poll(() => window.modelInUse(), patience).toBe("selfracg-default");
      await expect.poll(() => readdirSync(models), patience).toEqual([]);
    });
  },
);
