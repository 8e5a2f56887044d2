// Secrets are found anywhere in a text, and similar text is not taken for a secret.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readContent } from "../../../../../sidecar/workspace/files/content";
import { findSecrets } from "../../../../../sidecar/workspace/files/secrets/find";
import { gitleaksRules } from "../../../../../sidecar/workspace/files/secrets/gitleaks";
import { harmless, planted } from "../../../../secrets/corpus";
import { base62, Values } from "../../../../secrets/random";

const token = `gh${"p_"}${new Values(3).of(base62, 36)}`;

const whats = (text: string, path = ""): string[] => findSecrets(text, path).map(({ what }) => what);

describe("a text that holds a secret", () => {
  it.each([...planted.tokens, ...planted.texts])("$kind in $path is found", ({ path, text }) => {
    expect(whats(text, path)).not.toEqual([]);
    expect(whats(`first = 1\n${text}last = 2\n`, path)).not.toEqual([]);
    expect(whats(text.replace(/\n/g, "\r\n"), path)).not.toEqual([]);
  });

  it.each([...planted.tokens, ...planted.texts])(
    "$kind in $path is not indexed, with the line in the reason",
    ({ path, text }) => {
      const content = readContent(new TextEncoder().encode(text), path);
      expect(content).toMatchObject({
        reason: "secret",
        detail: expect.stringMatching(/^line \d+ looks like an? |^line \d+ looks like the /),
      });
    },
  );

  it("is reported with its line and without the secret", () => {
    const text = `a\nb\n\nconnect("${token}")\n`;
    expect(readContent(new TextEncoder().encode(text), "a.py")).toEqual({
      reason: "secret",
      detail: "line 4 looks like a GitHub token",
    });
  });

  it("gives the range of each secret", () => {
    const text = `x = "${token}"\ny = 1\nz = "${token}"\n`;
    const values = findSecrets(text).map(({ start, end }) => text.slice(start, end));
    expect(values.length).toBeGreaterThanOrEqual(2);
    for (const value of values) expect(token).toContain(value);
  });
});

describe("a harmless text", () => {
  it.each(harmless)("$kind in $path holds no secret", ({ path, text }) => {
    for (const each of [text, `first = 1\n${text}last = 2\n`, text.replace(/\n/g, "\r\n")])
      expect(findSecrets(each, path).map(({ what, start, end }) => `${what}: ${each.slice(start, end)}`)).toEqual([]);
  });

  it.each(["gitleaks:allow", "pragma: allowlist secret", "secretlint-disable-line"])(
    "is one whose line says %s, and that line alone",
    (comment) => {
      expect(whats(`connect("${token}") # ${comment}\n`)).toEqual([]);
      expect(whats(`connect("${token}")\n# ${comment}\n`)).not.toEqual([]);
    },
  );
});

describe("the rules of gitleaks", () => {
  it("are complete and can be compiled", () => {
    expect(gitleaksRules.length).toBeGreaterThan(190);
    for (const rule of gitleaksRules) expect([rule.what, [...rule.find("", "")]]).toEqual([rule.what, []]);
  });
});

describe("real code", () => {
  const root = join(__dirname, "../../../../..");
  const modules = join(root, "node_modules");

  function* files(folder: string): Generator<string> {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) yield* files(path);
      else if (/\.(m?[jt]sx?|json|md|py|go|cc?|h|ya?ml)$/.test(entry.name) && statSync(path).size < 256 * 1024)
        yield path;
    }
  }

  it.each(["sidecar", "extension", "scripts", "test"])("of this project's %s holds none", (folder) => {
    for (const path of files(join(root, folder))) {
      const text = readFileSync(path, "utf8");
      expect([path, findSecrets(text, path).map(({ start, end }) => text.slice(start, end))]).toEqual([path, []]);
    }
  });

  it("of the installed packages is reported in at most 0.1 % of files, and hides no planted secret", () => {
    const taken: string[] = [];
    const secrets = [...planted.tokens, ...planted.texts];
    let read = 0;
    for (const path of files(modules)) {
      if (++read > 4000) break;
      const text = readFileSync(path, "utf8");
      const found = findSecrets(text, path);
      if (found.length > 0) taken.push(path);
      if (read % 100 !== 0) continue;
      const secret = secrets[(read / 100) % secrets.length];
      const middle = text.indexOf("\n", text.length / 2) + 1;
      const holding = `${text.slice(0, middle)}\n${secret?.text}\n${text.slice(middle)}`;
      expect([path, secret?.kind, findSecrets(holding, path).length > found.length]).toEqual([
        path,
        secret?.kind,
        true,
      ]);
    }
    expect(read).toBeGreaterThan(2000);
    expect(taken.length, taken.join("\n")).toBeLessThanOrEqual(read / 1000);
  });
});

describe("a text made to mislead the search", () => {
  const size = 512 * 1024;
  const filled = (piece: string): string => piece.repeat(Math.ceil(size / piece.length)).slice(0, size);
  const keywords = [...new Set(gitleaksRules.flatMap((rule) => rule.keywords))];

  // A search whose time grows with the square of the text would take minutes for each, and end by the test's time limit.
  it.each<[string, string]>([
    ["all keywords again and again", filled(keywords.join(" = "))],
    ["names without values", filled("password=token:secret =key")],
    ["names before long values", filled(`secret = "${"a".repeat(300)}`)],
    ["beginnings of tokens", filled(`sk-${"a1".repeat(20)}.gh${"p_"}a.eyJhb.eyJ`)],
    ["one token without end", `ey${"J"}${filled("a")}`],
    ["beginnings of keys", filled(`-----BEGIN A ${"PRIVATE"} KEY-----\n`)],
    ["a key without end", `-----BEGIN RSA PRIVATE ${"KEY"}-----\n${filled("a b ")}`],
    ["beginnings of vaults", filled(`$ANSIBLE_${"VAULT"};1.1;AES256`)],
    ["addresses", filled("://a:b")],
    ["commands", filled("curl -u mysql login -p --user ")],
    ["manifests", filled("kind: Secret\ndata:\n")],
    ["white space behind a name", `password ${filled(" ")}`],
  ])("%s takes no longer than the text is long", (_, text) => {
    expect(findSecrets(text, "a.yaml").length).toBeLessThan(size);
  });
});
