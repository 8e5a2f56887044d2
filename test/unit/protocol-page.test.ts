// docs/protocol.md agrees with sidecar/protocol.ts.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { messages, serverCommands } from "../../sidecar/protocol";
import { maxWaitMs } from "../../sidecar/suggestions/debounce";

const root = join(__dirname, "../..");
const folder = join(root, "sidecar", "protocol");
const source = readdirSync(folder)
  .map((file) => readFileSync(join(folder, file), "utf8"))
  .join("\n");
const page = readFileSync(join(root, "docs", "protocol.md"), "utf8");

/** Interface name to `member: type` lines, as written in sidecar/protocol/. */
function interfaces(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, name, body] of source.matchAll(/^export interface (\w+)[^{]*\{\n([\s\S]*?)^\}/gm)) {
    const members = [...(body as string).matchAll(/^ {2}(\w+\??): (.*);$/gm)].map(
      ([, member, type]) => `${member}: ${type}`,
    );
    found.set(name as string, members);
  }
  return found;
}

/** The rows of the tables below `### name`, as `member: type`. */
function documented(name: string): string[] {
  const section = page.split(/^### /m).find((each) => each.startsWith(`${name}\n`)) ?? "";
  return [...section.matchAll(/^\| `(\w+\??)` \| `([^`]*)`/gm)].map(
    ([, member, type]) => `${member}: ${(type as string).replaceAll("\\|", "|")}`,
  );
}

describe("docs/protocol.md", () => {
  it("is compared with the interfaces of protocol.ts", () => {
    expect([...interfaces().keys()]).toContain("CompletionTrace");
    expect(interfaces().get("FragmentReference")).toContain("startLine: number");
  });

  it.each([...interfaces()])("lists the members of %s with their types, in order", (name, members) => {
    expect(documented(name)).toEqual(members);
  });

  it("documents only existing types", () => {
    const names = [...page.matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
    expect(names.sort()).toEqual([...interfaces().keys()].sort());
  });

  it("states the maximum wait of an automatic request", () => {
    expect(page).toContain(`up to ${maxWaitMs} ms from the last edit`);
  });

  it("lists every custom message and command, and no other", () => {
    const rows = [...page.matchAll(/^\| `(\w+)` \| `(selfracg[/.][\w./]*)` \|/gm)].map(([, name, method]) => [
      name,
      method,
    ]);
    const methods = Object.entries(messages).map(([name, { method }]) => [name, method]);
    const commands = Object.entries(serverCommands).map(([key, { name }]) => [key, name]);
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries([...methods, ...commands]));
  });
});
