// Files with names of secrets, and files whose names are only similar.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { IgnoreRules } from "../../../../../sidecar/workspace/files/ignore";
import { secretByName, secretByPath } from "../../../../../sidecar/workspace/files/secrets/names";
import { examine } from "../../../../../sidecar/workspace/files/walk";
import { harmless, planted } from "../../../../secrets/corpus";
import { emptyFolder, write } from "../../folder";

const isSecret = (path: string): boolean => secretByPath(path) !== undefined;

it.each(planted.names)("$path ($kind) is secret", ({ path }) => {
  expect(isSecret(path)).toBe(true);
  expect(isSecret(`deep/in/the/tree/${path}`)).toBe(path !== "auth.json");
  expect(isSecret(path.toUpperCase())).toBe(true);
});

it.each(harmless)("$path ($kind) is not secret", ({ path }) => {
  expect(isSecret(path)).toBe(false);
});

describe("a rule of the user", () => {
  async function examined(ignoreFile: string, exclude: readonly string[], path: string): Promise<unknown> {
    const root = await emptyFolder();
    await write(root, { ".selfracgignore": ignoreFile, ".gitignore": "!.env\n", [path]: "A=1\n" });
    const rules = await IgnoreRules.create(root, { exclude, filesExclude: {} });
    const found = await examine(root, path, { rules, maxBytes: 1000 });
    return "reason" in found ? found.reason : join(...Object.keys(found));
  }

  it.each<[string, string, readonly string[], string]>([
    [".selfracgignore", "!.env\n", [], ".env"],
    [".selfracgignore for a pattern", "!*.pem\n", [], "tls/ca.pem"],
    [".selfracgignore for everything", "!*\n", [], ".env"],
    [".selfracgignore for a folder and what is in it", "!.ssh/\n!.ssh/*\n", [], ".ssh/config"],
    ["selfracg.exclude", "", ["!.env"], ".env"],
    ["selfracg.exclude for one place", "", ["!/infra/dev.tfvars"], "infra/dev.tfvars"],
  ])("in %s includes a file with the name of a secret", async (_, ignoreFile, exclude, path) => {
    expect(await examined(ignoreFile, exclude, path)).toBe("file");
  });

  it.each<[string, string, readonly string[], string]>([
    ["git's ignore file", "", [], ".env"],
    ["a pattern for another file", "!.env.local\n", [], ".env"],
    ["a setting for another place", "", ["!/infra/dev.tfvars"], "dev.tfvars"],
  ])("is not %s", async (_, ignoreFile, exclude, path) => {
    expect(await examined(ignoreFile, exclude, path)).toBe("secret");
  });

  it("is proposed in the reason", () => {
    expect(secretByName("apps/web/.env", false)).toBe(
      '".env" is a name of files with keys or credentials; the line !.env in .selfracgignore includes it',
    );
    expect(secretByName(".ssh", true)).toBe(
      "the folder .ssh holds keys and credentials; the line !.ssh/ in .selfracgignore includes it",
    );
  });
});
