// Secrets in a text are masked, and stay masked while it is edited.
import { describe, expect, it } from "vitest";
import { findSecrets } from "../../../../../sidecar/workspace/files/secrets/find";
import { Redactor } from "../../../../../sidecar/workspace/files/secrets/redact";
import { planted } from "../../../../secrets/corpus";
import { Values } from "../../../../secrets/random";

const v = new Values(71);
/** All of a text, searched at once. */
const redacted = (text: string, path: string): string => new Redactor().redact(text, path).text;

it.each([...planted.tokens, ...planted.texts])("$kind in $path is masked at the same length", ({ path, text }) => {
  const covered = redacted(text, path);
  expect(covered).toHaveLength(text.length);
  expect(covered.split("\n").map((line) => line.length)).toEqual(text.split("\n").map((line) => line.length));
  expect(findSecrets(covered, path)).toEqual([]);
  expect(covered).not.toBe(text);
});

it("leaves the rest of the text as it is", () => {
  const password = v.password();
  expect(redacted(`user = "shop"\npassword = "${password}"\nretries = 3\n`, "a.py")).toBe(
    `user = "shop"\npassword = "${"*".repeat(password.length)}"\nretries = 3\n`,
  );
});

describe("a long text that is typed in", () => {
  const code = "def total(items):\n    return sum(items)\n\n".repeat(400);
  const secrets = [v.password(), v.password(), v.password()];
  const [first, middle, last] = secrets.map((value) => `password = "${value}"\n`);
  const key = v.pem(`RSA PRIVATE ${"KEY"}`, 50);
  const text = `${first}${code}${middle}${code}"""${key}"""\n${code}${last}`;

  it("is masked as if the whole text were searched each time", () => {
    const redactor = new Redactor();
    let now = text;
    const edits: readonly ((text: string) => string)[] = [
      (before) => before,
      (before) => `${before.slice(0, 20_000)}x${before.slice(20_000)}`,
      (before) => before.replace(/total/, "grand_total"),
      (before) => before.replace(key, `${key.slice(0, 500)}\n${key.slice(500)}`),
      (before) => `${before}password = "${v.password()}"\n`,
      (before) => `password = "${v.password()}"\n${before}`,
      (before) => before.replace(middle ?? "", ""),
      (before) => before.slice(0, 40_000),
      () => "x = 1\n",
    ];
    for (const edit of edits) {
      now = edit(now);
      expect(redactor.redact(now, "a.py").text).toBe(redacted(now, "a.py"));
    }
  });

  it("is searched as a whole when it is another document", () => {
    const redactor = new Redactor();
    redactor.redact(text, "a.py");
    expect(redactor.redact(code + text, "b.py").text).toBe(redacted(code + text, "b.py"));
  });
});
