// Accepting a suggestion in VS Code: the next one is requested without a key, and the sidecar counts the acceptance.

import { beforeAll, describe, expect, it } from "vitest";
import { Bookshop, lastLine } from "./bookshop";
import { patience, suggestionMs, type Workbench } from "./workbench";

/** Nothing but the keys and the suggestions may write. */
const settings = {
  "editor.autoClosingBrackets": "never",
  "editor.autoClosingQuotes": "never",
  "editor.quickSuggestions": { other: "off", comments: "off", strings: "off" },
  "editor.suggestOnTriggerCharacters": false,
};

const file = "shop/customers.py";

/** Several, since a small model has nothing to suggest at one or the other. */
const beginnings = [
  "\n\ndef add_books(catalog: Catalog, books: list[Book]) -> None:\nfor book in books:\ncatalog.",
  "\n\ndef find_all(catalog: Catalog, isbns: list[str]) -> list[Book]:\nreturn [catalog.",
  "\n\ndef rename(customer: Customer, name: str) -> Customer:\nreturn Customer(",
  "\n\ndef total_of(prices: list[Money]) -> Money:\ntotal = Money(",
];

describe("accepting a suggestion in VS Code", () => {
  const shop = new Bookshop({ name: "acceptance", settings });
  let window: Workbench;

  beforeAll(() => {
    ({ window } = shop);
  });

  /** Types at one beginning after the other until there is ghost text that suits. */
  async function ghostAfter(suits: (ghost: string) => boolean, places = beginnings): Promise<string> {
    for (const beginning of places) {
      await window.openFile(file, lastLine(file));
      await window.type(beginning);
      const ghost = await window.waitForGhostText(suggestionMs).catch(() => "");
      if (suits(ghost)) return ghost;
      await window.revertFile();
    }
    throw new Error(`Expected ghost text that suits at one of ${places.length} places, found it at none.`);
  }

  /** Where the last completion was made, as the inspector shows it. */
  async function lastPlace(): Promise<string> {
    const inspector = await window.inspector();
    return (await inspector.locator('[data-open="cursor"]').textContent()) ?? "";
  }

  async function cursorPlace(): Promise<string> {
    const [, line, column] = /^Ln (\d+), Col (\d+)/.exec(await window.cursor()) ?? [];
    return `${file}:${line}:${column}`;
  }

  it("is followed by the next request without another key", async () => {
    await window.waitForStatus(/ready/);
    await window.openFile(file, lastLine(file));
    await window.runCommand("SelfRACG: Show Retrieval Inspector");
    await ghostAfter((ghost) => ghost.trim() !== "");
    await expect.poll(async () => (await lastPlace()) === (await cursorPlace()), patience).toBe(true);
    const before = await cursorPlace();
    await window.page.keyboard.press("Tab");
    await expect.poll(cursorPlace, patience).not.toBe(before);
    await expect.poll(async () => (await lastPlace()) === (await cursorPlace()), patience).toBe(true);
    await window.revertFile();
  });

  it("is counted by the item's command, even when the edit looks like a typed character", async () => {
    const inspector = await window.inspector();
    await inspector.locator("#counts-section > summary").click();
    // Files open in the group that was clicked in last, which would hide the inspector.
    await window.runCommand("View: Focus First Editor Group");
    const counts = async (): Promise<Record<string, number>> => {
      const rows = await inspector.locator("#counts tr").all();
      const cells = rows.map((row) =>
        Promise.all([row.locator("th").textContent(), row.locator("td").first().textContent()]),
      );
      return Object.fromEntries((await Promise.all(cells)).map(([name, value]) => [name, Number(value)]));
    };
    await expect.poll(async () => (await counts()).Accepted, patience).toBeGreaterThanOrEqual(0);
    // Not the suggestion of the test above: one that is shown again is counted once.
    const ghost = await ghostAfter((text) => /^\S[^\n]*\S$/.test(text), beginnings.slice(1));
    await expect.poll(async () => (await counts()).Shown, patience).toBeGreaterThan(1);
    const before = await counts();
    await window.type(ghost.slice(0, -1));
    await expect.poll(() => window.ghostText(), patience).toBe(ghost.slice(-1));
    await window.page.keyboard.press("Tab");
    await expect.poll(async () => (await counts()).Accepted, patience).toBe((before.Accepted ?? 0) + 1);
    expect((await counts())["Typed along"]).toBe(before["Typed along"]);
    await window.revertFile();
  });
});
