// Downloading a model in VS Code goes through the proxy that VS Code is set to, and says what the proxy answers.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { misbehavingServer, status } from "../unit/models/misbehaving-server";
import { Bookshop } from "./bookshop";
import type { Workbench } from "./workbench";

describe("a model behind a proxy", async () => {
  const proxy = await misbehavingServer(Buffer.from("GGUF"));
  // Only the proxy can answer for this host.
  process.env.HF_ENDPOINT = "http://hub.invalid";
  const shop = new Bookshop({ name: "proxy", settings: { "http.proxy": new URL(proxy.url).origin } });
  let window: Workbench;

  beforeAll(() => {
    window = shop.window;
  });
  afterAll(() => proxy.close());

  it("is asked of the proxy, whose page is no model", async () => {
    await window.waitForStatus(/ready/);
    proxy.next(status(200, "<html>Please log in.</html>", { "content-type": "text/html" }));
    await window.runCommand("SelfRACG: Choose Model");
    await window.page
      .locator(".quick-input-list .monaco-list-row")
      .filter({ hasText: "Qwen2.5-Coder 0.5B Instruct" })
      .click();
    await window.page.locator(".monaco-dialog-box .monaco-button").filter({ hasText: "Download" }).click();
    await window.waitForNotification(/was not added.*a web page: a proxy or a login page may have answered/);
    expect(proxy.ranges).toEqual([""]);
    await window.clearNotifications();
  });
});
