// Credentials are found wherever they stand in code, and real code and placeholders are not taken for them.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readContent } from "../../../sidecar/workspace/content";
import { findSecret } from "../../../sidecar/workspace/secrets";

// In pieces, so that no scanner takes this file for a leak.
const random = "q7Rk2ZpX9vLw4TnB8cYd3HsG6mJfA5eU1oQiWxKzVtNbMyCrPgDhSlFjEaOu".repeat(2);
const hex = "3f9a1c7e5b2d8046".repeat(6);
const upper = "Q7RK2ZPX4VLW6TNB3CYD";
const key = (kind: string): string => `-----BEGIN ${kind}-----`;
const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

const secrets: readonly (readonly [what: string, text: string])[] = [
  ["a private key", `${key("RSA PRIVATE KEY")}\nMIIEpAIBAAKCAQEA${random.slice(0, 48)}\n`],
  ["a private key", `${key("PRIVATE KEY")}\\n${random.slice(0, 64)}\\n`],
  ["a private key", `${key("OPENSSH PRIVATE KEY")}\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMw\n`],
  ["a private key", `${key("RSA PRIVATE KEY")}\nProc-Type: 4,ENCRYPTED\n`],
  ["a private key", `${key("PGP PRIVATE KEY BLOCK")}\n\n${random.slice(0, 64)}\n`],
  ["a private key", `"${key("EC PRIVATE KEY")}\\n" +\n  "${random.slice(0, 64)}\\n" +`],
  ["an AWS access key", `AKIA${upper.slice(0, 16)}`],
  ["an AWS access key", `ASIA${upper.slice(0, 16)}`],
  ["a secret access key", `aws_secret_access_key = ${random.slice(0, 38)}/+`],
  ["a secret access key", `AWS_SECRET_ACCESS_KEY: "${random.slice(0, 40)}"`],
  ["a secret access key", `secretAccessKey: '${random.slice(0, 40)}'`],
  ["a GitHub token", `ghp_${random.slice(0, 36)}`],
  ["a GitHub token", `gho_${random.slice(0, 36)}`],
  ["a GitHub token", `github_pat_${random.slice(0, 22)}_${random.slice(0, 59)}`],
  ["a GitLab token", `glpat-${random.slice(0, 20)}`],
  ["a Slack token", `xoxb-${"927461038512"}-${"837261940537"}-${random.slice(0, 24)}`],
  ["a Slack token", `xapp-1-${upper.slice(0, 11)}-9274610385123-${hex.slice(0, 64)}`],
  [
    "a Slack webhook",
    `https://hooks.slack.com/services/T${upper.slice(0, 9)}/B${upper.slice(1, 11)}/${random.slice(0, 24)}`,
  ],
  ["a Google API key", `AIza${random.slice(0, 35)}`],
  ["a Google OAuth secret", `GOCSPX-${random.slice(0, 28)}`],
  ["a Stripe key", `sk_live_${random.slice(0, 24)}`],
  ["an npm token", `npm_${random.slice(0, 36)}`],
  ["a PyPI token", `pypi-AgEI${random.slice(0, 80)}`],
  ["an API key of a model provider", `sk-ant-api03-${random.slice(0, 93)}AA`],
  ["an API key of a model provider", `sk-proj-${random.slice(0, 60)}`],
  ["an API key of a model provider", `sk-${random.slice(0, 20)}T3BlbkFJ${random.slice(20, 40)}`],
  ["a SendGrid key", `SG.${random.slice(0, 22)}.${random.slice(0, 43)}`],
  ["a Hugging Face token", `hf_${random.replace(/\d/g, "").slice(0, 34)}`],
  ["a DigitalOcean token", `dop_v1_${hex.slice(0, 64)}`],
  ["a Shopify token", `shpat_${hex.slice(0, 32)}`],
  ["an Azure storage key", `DefaultEndpointsProtocol=https;AccountKey=${random.slice(0, 86)}==`],
  [
    "a JSON web token",
    `${base64url({ alg: "HS256", typ: "JWT" })}.${base64url({ sub: "4711", admin: true })}.${random.slice(0, 43)}`,
  ],
];

const harmless: readonly string[] = [
  `if (text.includes("${key("RSA PRIVATE KEY")}")) throw new Error("a key");`,
  `const header = "${key("PRIVATE KEY")}", footer = "-----END PRIVATE KEY-----";`,
  `${key("PRIVATE KEY")}\n...\n`,
  `${key("PRIVATE KEY")}\n<your key here>\n`,
  `${key("PUBLIC KEY")}\n${random.slice(0, 64)}\n`,
  `${key("CERTIFICATE")}\n${random.slice(0, 64)}\n`,
  `"AKIAIOSFODNN7${"EXAMPLE"}"`,
  `aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY${"EXAMPLEKEY"}`,
  `AKIA${"X".repeat(16)}`,
  `x${`AKIA${upper.slice(0, 16)}`}`,
  `const id = AKIA_${upper};`,
  `SECRET_KEY = os.environ["SECRET_KEY"]`,
  `secret_access_key: \${{ secrets.AWS_SECRET_ACCESS_KEY }}`,
  `ghp_${"x".repeat(36)}`,
  `ghp_${"abcdefghijklmnopqrstuvwxyz0123456789"}`,
  `/ghp_[A-Za-z0-9]{36}/`,
  "ghp_tooShort123",
  `xoxb-your-token-here`,
  "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
  `AIzaSy${"D".repeat(33)}`,
  "sk_live_...",
  "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
  "npm_config_registry_and_some_more_words_here",
  "npm_package_dependencies_something_long_name",
  "hf_hub_download(repo_id, filename)",
  "SG.template.name",
  "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
  `${base64url({ alg: "HS256", typ: "JWT" })}.${base64url({ sub: "1234567890", name: "John Doe", iat: 1516239022 })}.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c`,
  "//# sourceMappingURL=data:application/json;base64,eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbImEudHMiXX0=",
  `"integrity": "sha512-0Ia46fDOaT7k4og1PDW4YbodWWr3scS2vAr2lTbsplOt2WkKp0vQbkI9wKis/T5LV/dqPjO3bpS/z6GTJB82LA=="`,
  "const commit = '3f9a1c7e5b2d80463f9a1c7e5b2d80463f9a1c7e';",
];

const surroundings = (text: string): string[] => [
  text,
  `import os\n\nTOKEN = "${text}"\n`,
  `const a = 1;\nfetch(url, { headers: { authorization: \`Bearer ${text}\` } });\n`,
  `key: ${text}\r\nother: 1\r\n`,
  `(${text})`,
];

it.each(secrets)("finds %s", (what, text) => {
  for (const code of surroundings(text)) expect([code, findSecret(code)?.what]).toEqual([code, what]);
});

it.each(harmless)("takes for no secret: %s", (text) => {
  for (const code of surroundings(text)) expect(findSecret(code)).toBeUndefined();
});

it("says the line, and nothing of the secret", () => {
  const text = `a\nb\n\ntoken = "ghp_${random.slice(0, 36)}"\n`;
  expect(findSecret(text)).toEqual({ what: "a GitHub token", line: 4 });
  expect(readContent(new TextEncoder().encode(text))).toEqual({
    skip: "secret",
    because: "line 4 looks like a GitHub token",
  });
});

it("passes over placeholders on the way to a secret", () => {
  expect(findSecret(`${harmless.join("\n")}\n${secrets[15]?.[1]}\n`)).toEqual({
    what: "a Slack token",
    line: harmless.join("\n").split("\n").length + 1,
  });
});

describe("real code", () => {
  const modules = join(__dirname, "../../../node_modules");

  function* files(folder: string): Generator<string> {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) yield* files(path);
      else if (
        entry.isFile() &&
        /\.(m?[jt]sx?|json|md|py|go|cc?|h|ya?ml)$/.test(entry.name) &&
        statSync(path).size < 512 * 1024
      )
        yield path;
    }
  }

  it("of the installed packages holds none, and hides none put into it", () => {
    const taken: string[] = [];
    let read = 0;
    for (const path of files(modules)) {
      if (++read > 6000) break;
      const text = readFileSync(path, "utf8");
      const found = findSecret(text);
      if (found !== undefined) taken.push(`${path}:${found.line} ${found.what}`);
      if (read % 100 !== 0) continue;
      const [what, secret] = secrets[(read / 100) % secrets.length] ?? ["", ""];
      const middle = text.indexOf("\n", text.length / 2) + 1;
      expect([path, findSecret(`${text.slice(0, middle)}\n"${secret}"\n${text.slice(middle)}`)?.what]).toEqual([
        path,
        what,
      ]);
    }
    expect(read).toBeGreaterThan(2000);
    expect(taken).toEqual([]);
  });

  it("made to mislead the search takes no time worth speaking of", () => {
    const text = ["eyJ", "AKIA", "sk-", "AIza", "-----BEGIN ", "secret_key=", "ghp_"]
      .map((beginning) => beginning.repeat(20_000))
      .join("\n");
    const before = performance.now();
    expect(findSecret(text)).toBeUndefined();
    expect(findSecret(`eyJ${"a".repeat(200_000)}`)).toBeUndefined();
    expect(findSecret("-----BEGIN A ".repeat(20_000))).toBeUndefined();
    expect(performance.now() - before).toBeLessThan(5000);
  });
});
