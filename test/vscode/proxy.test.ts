// Downloading a model in VS Code goes through the proxy that VS Code is set to, and says what the proxy answers.
import { afterAll, beforeAll, describe, it } from "vitest";
import { misbehavingServer, status } from "../unit/models/misbehaving-server";
import { Bookshop } from "./bookshop";
import type { Workbench } from "./workbench";

describe("a model behind a proxy", async () => {
  const proxy = await misbehavingServer(Buffer.from("GGUF"));
  const page = status(200, "<html>Please log in.</html>", { "content-type": "text/html" });
  // VS Code itself asks for one thing or another too.
  proxy.next(...Array.from({ length: 100 }, () => page));
  // Only the proxy can answer for this host.
  process.env.HF_ENDPOINT = "http://hub.invalid";
  // VS Code reads this one; the fetch of Node.js does not.
  process.env.http_proxy = new URL(proxy.url).origin;
  process.env.no_proxy = "127.0.0.1,localhost";
  const shop = new Bookshop({ name: "proxy" });
  let window: Workbench;

  beforeAll(() => {
    window = shop.window;
  });
  afterAll(() => proxy.close());

  it("is asked of the proxy, whose page is no model", async () => {
    await window.waitForStatus(/ready/);
    await window.runCommand("SelfRACG: Choose Model");
    await window.page
      .locator(".quick-input-list .monaco-list-row")
      .filter({ hasText: "Qwen2.5-Coder 0.5B Instruct" })
      .click();
    await window.page.locator(".monaco-dialog-box .monaco-button").filter({ hasText: "Download" }).click();
    await window.waitForNotification(/was not added.*a web page: a proxy or a login page may have answered/);
    await window.clearNotifications();
  });
});
