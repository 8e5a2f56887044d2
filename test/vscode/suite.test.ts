// The packaged extension in VS Code from the first keystroke to a crashed sidecar.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Bookshop, fixture, lastLine, pictures } from "./bookshop";
import { patience, sidecarProcesses, suggestionMs, type Workbench } from "./workbench";

/** The start of a function at the end of a file, whose continuation is defined in another file. */
interface Place {
  file: string;
  /** Without indentation, which VS Code adds. */
  typed: string;
  /** The file with the definition. */
  answer: string;
  /** The name that only this other file defines. */
  name: string;
}

/** There are several, because a small model misses some; the first one with the name is used. */
const places: readonly Place[] = [
  {
    file: "shop/customers.py",
    typed: "\n\ndef add_books(catalog: Catalog, books: list[Book]) -> None:\nfor book in books:\ncatalog.",
    answer: "shop/catalog.py",
    name: "add_book(",
  },
  {
    file: "shop/customers.py",
    typed: "\n\ndef fill(catalog: Catalog, book: Book) -> None:\ncatalog.",
    answer: "shop/catalog.py",
    name: "add_book",
  },
  {
    file: "shop/reports.py",
    typed: "\n\ndef titles_of(catalog: Catalog, author: str) -> list[str]:\nbooks = catalog.",
    answer: "shop/catalog.py",
    name: "find_by_isbn",
  },
  {
    file: "shop/invoices.py",
    typed: "\n\ndef title_of(invoice: Invoice, isbn: str) -> str:\nbook = invoice.catalog.",
    answer: "shop/catalog.py",
    name: "find_by_isbn",
  },
  {
    file: "shop/reports.py",
    typed: "\n\ndef order_totals(orders: list[Order]) -> list[Money]:\nreturn [order.",
    answer: "shop/orders.py",
    name: "order_total",
  },
];

describe("SelfRACG in VS Code", () => {
  const shop = new Bookshop({ name: "suite", settings: { "editor.wordWrap": "on" } });
  let window: Workbench;
  let workspace: string;
  /** The place where a suggestion was shown. */
  let typing: Place;

  beforeAll(() => {
    ({ window, workspace } = shop);
  });

  function read(path: string): string {
    return readFileSync(join(workspace, path), "utf8");
  }

  /** Normalises line breaks and spaces of the ghost text, which differ in the page. */
  function bare(text: string): string {
    return text.replace(/\s+/g, "");
  }

  it("starts and indexes the workspace until the status bar shows that it is ready", async () => {
    await window.waitForStatus(/ready/);
    const history = await window.statusHistory();
    expect(history[0]).toBe("SelfRACG is starting");
    expect(history.at(-1)).toBe("SelfRACG is ready");
    expect(history.filter((label) => label.includes("indexing")).length).toBeGreaterThan(0);
    await window.status.hover();
    const tooltip = window.page.locator(".monaco-hover .hover-contents").filter({ hasText: "Runs on:" });
    await tooltip.waitFor();
    const text = (await tooltip.textContent()) ?? "";
    expect(text).toMatch(/Model: \S+ \d/);
    expect(text).toMatch(/Runs on: (CPU|CUDA) \(.+\)/);
    expect(text).toMatch(/Index: [\d,]+ fragments of [\d,]+ files, .+ on disk/);
    await window.page.mouse.move(640, 300);
  });

  it("shows in the empty inspector what to do", async () => {
    await window.runCommand("SelfRACG: Show Retrieval Inspector");
    const inspector = await window.inspector();
    expect(await inspector.locator("h1").textContent()).toBe("No suggestion yet");
    expect(await inspector.locator(".empty").textContent()).toContain("Type in a file");
    await window.runCommand("View: Close All Editors");
  });

  /**
   * Types at one place after another until the ghost text contains the name that the other file defines and the place
   * `suits`; the text typed at other places is undone.
   * @returns the place and the ghost text
   */
  async function typeWhere(suits: (place: Place) => Promise<boolean>): Promise<{ place: Place; ghost: string }> {
    for (const place of places) {
      await window.openFile(place.file, lastLine(place.file));
      await window.type(place.typed);
      const ghost = await window.waitForGhostText(suggestionMs).catch(() => "");
      if (ghost.includes(place.name) && (await suits(place))) {
        return { place, ghost };
      }
      await window.revertFile();
    }
    throw new Error(
      "Expected the name that another file defines in the ghost text of one place at least, found it in none.",
    );
  }

  it("shows what another file defines as ghost text while typing, and Tab inserts exactly that", async () => {
    const { place, ghost } = await typeWhere(async () => true);
    await shop.picture("screenshot-ghost-text");
    const line = await window.page.locator('.editor-instance [class*="ghost-text"]').first().boundingBox();
    await shop.picture("walkthrough-ghost-text", {
      clip: { x: 360, y: Math.max(60, (line?.y ?? 300) - 200), width: 640, height: 240 },
    });
    await window.save();
    const typed = read(place.file);
    const last = place.typed.slice(place.typed.lastIndexOf("\n") + 1);
    const at = typed.lastIndexOf(last) + last.length;
    await window.page.keyboard.press("Tab");
    await window.save();
    const accepted = read(place.file);
    expect(accepted.startsWith(typed.slice(0, at))).toBe(true);
    expect(accepted.endsWith(typed.slice(at))).toBe(true);
    const inserted = accepted.slice(at, accepted.length - (typed.length - at));
    expect(inserted.trim()).not.toBe("");
    expect(bare(inserted)).toBe(bare(ghost));
    cpSync(join(fixture, place.file), join(workspace, place.file));
    await window.revertFile();
    await window.runCommand("View: Close All Editors");
  });

  it("lists in the inspector the fragment of the other file, and opens it at its line", async () => {
    await window.openFile(places[0]?.file ?? "", 1);
    await window.runCommand("SelfRACG: Show Retrieval Inspector");
    const inspector = await window.inspector();
    const links = inspector.locator('[data-open^="fragment:"]');
    const { place, ghost } = await typeWhere(async ({ file, answer }) => {
      // The inspector follows the cursor by itself.
      const [, line, column] = /^Ln (\d+), Col (\d+)/.exec(await window.cursor()) ?? [];
      await expect
        .poll(() => inspector.locator('[data-open="cursor"]').textContent(), patience)
        .toBe(`${file}:${line}:${column}`);
      const listed = await links.allTextContents();
      return listed.some((text) => text.startsWith(`${answer}:`));
    });
    expect(bare((await inspector.locator("pre.suggestion").textContent()) ?? "")).toBe(bare(ghost));
    expect(await inspector.locator(".waterfall tr").count()).toBe(8);
    if (pictures !== undefined) {
      await window.toggleSideBar();
      await shop.picture("screenshot-inspector");
      await shop.picture("walkthrough-inspector", { clip: { x: 664, y: 35, width: 616, height: 740 } });
      await window.toggleSideBar();
    }
    const link = links.filter({ hasText: `${place.answer}:` }).first();
    const [, first] = /:(\d+)(?:-\d+)?$/.exec((await link.textContent()) ?? "") ?? [];
    await link.click();
    await expect.poll(() => window.activeTab(), patience).toBe(basename(place.answer));
    await expect.poll(() => window.cursor(), patience).toMatch(new RegExp(`^Ln ${first}, Col 1\\b`));
    typing = place;
  });

  it("opens code from the inspector by keyboard", async () => {
    const inspector = await window.inspector();
    await inspector.locator('[data-open="cursor"]').focus();
    await window.page.keyboard.press("Enter");
    await expect.poll(() => window.activeTab(), patience).toBe(basename(typing.file));
    await window.revertFile();
    await window.runCommand("View: Close All Editors");
  });

  it("re-indexes by a command, with progress that can be cancelled and a result with counts", async () => {
    const generated = join(workspace, "generated");
    mkdirSync(generated);
    for (let file = 0; file < 240; file += 1) {
      writeFileSync(
        join(generated, `helpers_${file}.py`),
        Array.from(
          { length: 12 },
          (_, k) => `def helper_${file}_${k}(value):\n    return value * ${file} + ${k}\n\n`,
        ).join("\n"),
      );
    }
    await window.runCommand("SelfRACG: Re-index Workspace");
    await window.waitForNotification(/indexing the workspace/);
    await window.page.locator(".notifications-toasts").getByRole("button", { name: "Cancel", exact: true }).click();
    await window.waitForNotification(/indexing was cancelled/);
    await window.clearNotifications();

    const before = (await window.statusHistory()).length;
    await window.runCommand("SelfRACG: Re-index Workspace");
    await window.waitForNotification(/indexing the workspace/);
    await window.waitForNotification(/SelfRACG: indexed [\d,]+ fragments of 2\d\d files/);
    const labels = (await window.statusHistory()).slice(before);
    expect(labels.some((label) => /indexing, \d+ of \d+ files/.test(label))).toBe(true);
    await window.waitForStatus(/ready/);
    await window.clearNotifications();
    rmSync(generated, { recursive: true });
  });

  it("switches off and on by the toggle, and makes no suggestion while off", async () => {
    await window.runCommand("SelfRACG: Turn Suggestions On or Off");
    try {
      await window.waitForStatus(/off/);
      await window.openFile(typing.file, lastLine(typing.file));
      await window.type(typing.typed);
      // As long as a user would wait for a suggestion.
      await window.page.waitForTimeout(2000);
      expect(await window.ghostText()).toBe("");
    } finally {
      await window.runCommand("SelfRACG: Turn Suggestions On or Off");
      await window.waitForStatus(/ready/);
    }
    await window.revertFile();
  });

  it("restarts a crashed sidecar, tells the user once, and suggests again", async () => {
    for (const death of [1, 2]) {
      const [pid, ...others] = sidecarProcesses(shop.profile);
      expect(others).toEqual([]);
      if (pid === undefined) {
        throw new Error("Expected a sidecar process to kill, found none.");
      }
      const before = (await window.statusHistory()).length;
      process.kill(pid, "SIGKILL");
      await expect
        .poll(async () => (await window.statusHistory()).slice(before).join("\n"), patience)
        .toMatch(/SelfRACG error: The sidecar stopped[\s\S]*SelfRACG is ready/);
      expect(sidecarProcesses(shop.profile)).not.toContain(pid);
      const told = (await window.notifications()).filter((text) => text.includes("sidecar stopped unexpectedly"));
      expect(told).toHaveLength(death === 1 ? 1 : 0);
      await window.clearNotifications();
    }
    await window.openFile(typing.file, lastLine(typing.file));
    await window.type(typing.typed);
    await window.waitForGhostText();
    await window.revertFile();
  });

  it("restarts the sidecar by a command without a notification", async () => {
    const [pid] = sidecarProcesses(shop.profile);
    await window.runCommand("SelfRACG: Restart Sidecar");
    await expect.poll(() => sidecarProcesses(shop.profile), patience).not.toContain(pid);
    await window.waitForStatus(/ready/);
    expect(sidecarProcesses(shop.profile)).toHaveLength(1);
    expect(await window.notifications()).toEqual([]);
  });

  it("shows why the model cannot be loaded, and recovers", async () => {
    const nowhere = join(shop.scratch, "no-model-here");
    mkdirSync(join(workspace, ".vscode"), { recursive: true });
    const workspaceSettings = join(workspace, ".vscode", "settings.json");
    writeFileSync(workspaceSettings, JSON.stringify({ "selfracg.modelPath": nowhere }));
    await window.waitForStatus(/SelfRACG error: .*no-model-here/);
    await window.runCommand("SelfRACG: Show Retrieval Inspector");
    const inspector = await window.inspector();
    await expect.poll(() => inspector.locator("#status").textContent(), patience).toContain("no-model-here");
    writeFileSync(workspaceSettings, "{}");
    await window.waitForStatus(/ready/);
  });

  it("shows its log by a command", async () => {
    await window.runCommand("SelfRACG: Show Log");
    await window.page.locator('.part.panel [role="tab"][aria-selected="true"]').filter({ hasText: "Output" }).waitFor();
    await window.runCommand("View: Toggle Panel Visibility");
  });

  it("ignores the model that an untrusted workspace chooses", async () => {
    const strange = join(shop.scratch, "strange");
    mkdirSync(join(strange, ".vscode"), { recursive: true });
    writeFileSync(
      join(strange, ".vscode", "settings.json"),
      JSON.stringify({ "selfracg.modelPath": join(shop.scratch, "their-model") }),
    );
    window = await shop.reopen(strange, false);
    await window.waitForStatus(/ready/);
    expect((await window.statusHistory()).join("\n")).not.toContain("error");
  });

  it("makes suggestions in a window without a folder", async () => {
    window = await shop.reopen(undefined);
    await window.waitForStatus(/ready/);
    await window.runCommand("SelfRACG: Re-index Workspace");
    await window.waitForNotification(/no folder is open/);
  });
});
