// The configuration of docs/editors.md in a real Neovim: the installed one, or that of SELFRACG_NVIM.
import { spawnSync } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { makeRepository } from "../bench/make-repository";
import { cleanUp, copyOfFixture, dist, modelPath, temporaryFolder } from "./client";

const nvim = process.env.SELFRACG_NVIM ?? "nvim";

/** The version, such as [0, 11]; undefined without Neovim. */
function version(): readonly [number, number] | undefined {
  const { stdout } = spawnSync(nvim, ["--version"], { encoding: "utf8" });
  const [, major, minor] = /^NVIM v(\d+)\.(\d+)/.exec(stdout ?? "") ?? [];
  return major === undefined || minor === undefined ? undefined : [Number(major), Number(minor)];
}

const found = version();
/** `vim.lsp.config` exists since 0.11. */
const suits = found !== undefined && (found[0] > 0 || found[1] >= 11);

/** The Lua code blocks of the page, with the path of this build. */
function blocks(): string[] {
  const page = readFileSync(resolve(import.meta.dirname, "../../docs/editors.md"), "utf8");
  return [...page.matchAll(/^```lua\n([\s\S]*?)^```$/gm)].map(([, lua = ""]) =>
    lua.replaceAll("/path/to/selfracg-code/dist", dist),
  );
}

const run = `
local function report(value) io.stdout:write("REPORT " .. vim.json.encode(value) .. "\\n") end
vim.wait(60000, function()
  local client = vim.lsp.get_clients({ name = "selfracg" })[1]
  return client ~= nil and client.initialized
end, 50)
local client = assert(vim.lsp.get_clients({ name = "selfracg" })[1])
report({ root = client.root_dir, encoding = client.offset_encoding, supports = client:supports_method("textDocument/inlineCompletion") })
-- Behind the last character, where insert mode would be.
local line = vim.api.nvim_buf_line_count(0)
local position = { line = line - 1, character = #vim.api.nvim_buf_get_lines(0, line - 1, line, true)[1] }
local text = ""
vim.wait(60000, function()
  local params = { textDocument = vim.lsp.util.make_text_document_params(0), position = position, context = { triggerKind = 1 } }
  local answer = client:request_sync("textDocument/inlineCompletion", params, 10000, 0)
  local item = answer and answer.result and answer.result.items[1]
  text = item and item.insertText or ""
  return text:find("find_by_isbn", 1, true) ~= nil
end, 500)
report({ text = text })
local counts
client:exec_cmd({ title = "reindex", command = "selfracg.server.reindex" }, {}, function(_, result) counts = result end)
vim.wait(60000, function() return counts ~= nil end, 50)
report({ files = counts.files, status = vim.g.selfracg_status })
vim.cmd("SelfracgReindex")
client:stop()
vim.wait(10000, function() return client:is_stopped() end, 50)
report({ stopped = client:is_stopped() })
vim.cmd("qa!")
`;

afterEach(cleanUp);

describe("the page on other editors", () => {
  it("has Neovim's configuration in its first code block, and inline completion in the second", () => {
    const [configuration, inline] = blocks();
    expect(configuration).toMatch(/^vim\.lsp\.config\("selfracg"/);
    expect(configuration).toContain(`"${dist}/sidecar.js", "--stdio"`);
    expect(inline).toMatch(/^vim\.lsp\.inline_completion\.enable\(\)/);
  });

  it.skipIf(!suits)("configures a Neovim that suggests a name from another file", async () => {
    const folder = await copyOfFixture();
    const scratch = await temporaryFolder();
    await makeRepository(folder);
    appendFileSync(
      join(folder, "shop", "reports.py"),
      "\n\ndef titles_of(catalog: Catalog, author: str) -> list[str]:\n    books = catalog.",
    );
    const [configuration, inline, ...others] = blocks();
    const init = join(scratch, "init.lua");
    const model =
      process.env.SELFRACG_MODEL === undefined
        ? ""
        : `vim.lsp.config("selfracg", { init_options = { modelPath = ${JSON.stringify(modelPath)} } })\n`;
    // Neovim shows inline completions since 0.12.
    writeFileSync(
      init,
      `${configuration}\n${model}if vim.lsp.inline_completion then\n${inline}\nend\n${others.join("\n")}`,
    );
    writeFileSync(join(scratch, "run.lua"), run);
    const { stdout, stderr, status } = spawnSync(
      nvim,
      ["--clean", "--headless", "-u", init, "shop/reports.py", "-c", `luafile ${join(scratch, "run.lua")}`],
      {
        cwd: folder,
        encoding: "utf8",
        timeout: 110_000,
        env: {
          ...process.env,
          XDG_CACHE_HOME: join(scratch, "cache"),
          XDG_STATE_HOME: join(scratch, "state"),
          XDG_DATA_HOME: join(scratch, "data"),
        },
      },
    );
    const reports = [...stdout.matchAll(/REPORT (.*)$/gm)].map(([, json = ""]) => JSON.parse(json));
    expect(reports, stdout + stderr).toEqual([
      { root: folder, encoding: "utf-16", supports: true },
      { text: expect.stringContaining("find_by_isbn") },
      { files: expect.any(Number), status: expect.stringMatching(/^Ready: \d+ fragments/) },
      { stopped: true },
    ]);
    expect(reports[2].files).toBeGreaterThan(8);
    expect(status).toBe(0);
  });
});
