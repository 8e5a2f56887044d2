// Names that look like links, commands, icons or Markdown are escaped.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { escapeMarkdown, escapeNotification } from "../../../extension/escape";

const extension = resolve(import.meta.dirname, "../../../extension");

/** How VS Code finds links in notifications (src/vs/base/common/linkedText.ts). */
const link = /\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^)\s]+)(?: (["'])(.+?)(\3))?\)/i;

const pieces = fc.array(
  fc.constantFrom(
    "[",
    "]",
    "(",
    ")",
    "](",
    "command:",
    "https://",
    "file:",
    "a",
    " ",
    '"t"',
    "\\",
    "$(trash)",
    "*",
    "`",
    "<",
  ),
  { maxLength: 20 },
);
const names = pieces.map((parts) => parts.join(""));

describe("escapeNotification", () => {
  it("leaves no link that VS Code would detect", () => {
    fc.assert(fc.property(names, (name) => !link.test(escapeNotification(`SelfRACG: ${name} is indexed.`))));
    const name = "[Open the rule](command:workbench.action.terminal.sendSequence?%7B%7D)";
    expect(link.test(name)).toBe(true);
    expect(link.test(escapeNotification(name))).toBe(false);
    expect(escapeNotification(name)).toBe(name.replace("](", "] ("));
  });

  it("changes only what can be a link", () => {
    fc.assert(
      fc.property(names, (name) => escapeNotification(name).replaceAll("] (", "](") === name.replaceAll("] (", "](")),
    );
    expect(escapeNotification("src/[id]/page (2).tsx has *.a")).toBe("src/[id]/page (2).tsx has *.a");
  });

  it("is used for every notification, because no other file shows one", () => {
    for (const file of readdirSync(extension, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".ts"),
    )) {
      const text = readFileSync(join(extension, file), "utf8");
      expect([file, /show(Information|Warning|Error)Message/.test(text)]).toEqual([file, file === "notifications.ts"]);
    }
  });
});

describe("escapeMarkdown", () => {
  it("escapes all punctuation", () => {
    fc.assert(
      fc.property(
        fc.oneof(names, fc.string()),
        (name) => !/[!-/:-@[-`{-~]/.test(escapeMarkdown(name).replace(/\\./g, "")),
      ),
    );
  });

  it("leaves no link for a bare address", () => {
    expect(escapeMarkdown("https://example.com www.example.com a@b.c")).toBe(
      "https\\:\\/\\/example\\.com www\\.example\\.com a\\@b\\.c",
    );
  });
});
