// Credentials in suggestions. The samples are concatenated so that no scanner takes this file for a leak.
import { it } from "vitest";
import { secret } from "../../../../sidecar/completion/filters/secret";
import { expectRejected, expectUntouched } from "../cursor-marks";

const sample = (...parts: string[]) => parts.join("");

const random = sample("q7Rk2ZpX9vLw4TnB8cYd", "3HsG6mJfA5eU1oQiWxKz", "VtNbMyCrPgDhSlFj");
const accessKey = sample("AKIA", "Q7RK2ZPX4VLW6TNB");

it("rejects text that looks like a credential, by the rules of the index", () => {
  expectRejected(secret, `key = ├"${accessKey}"┤`, "an AWS access key", "python");
  expectRejected(secret, `key = ├"${sample("ghp_", random.slice(0, 36))}"┤`, "a GitHub token", "python");
  expectRejected(
    secret,
    `key = ├"""${sample("-----BEGIN RSA ", "PRIVATE KEY-----")}\n${random}┤`,
    "a private key",
    "python",
  );
  expectRejected(secret, `key = "${accessKey.slice(0, 8)}├${accessKey.slice(8)}"┤`, "an AWS access key", "python");
  expectRejected(secret, `password = ├"${sample("hunter2", "Xyz99Abc")}"┤`, "a password", "python");
  expectRejected(
    secret,
    `url = ├"postgres://shop:${random.slice(0, 16)}@db.internal/shop"┤`,
    "an address with a password",
    "python",
  );
  expectRejected(
    secret,
    `headers = { Authorization: ├"Bearer ${random.slice(0, 40)}"┤ }`,
    "the credentials of a header",
  );
  expectRejected(secret, `db:\n  password: ├${random.slice(0, 20)}\n┤`, "a password", "yaml");
});

it("keeps placeholders, words and names", () => {
  expectUntouched(secret, 'password = ├os.environ["PASSWORD"]┤', "python");
  expectUntouched(secret, 'password = ├"correct-horse-battery"┤', "python");
  expectUntouched(secret, "const token = ├`${prefix1234567890}`┤");
  expectUntouched(secret, `key = ├"${sample("AKIA", "ABCDEFGHIJKLMNOP")}"┤`, "python");
  expectUntouched(secret, 'url = ├"postgres://user:password@localhost:5432/db"┤', "python");
  expectUntouched(secret, "const tokens = ├tokenizer.encode(text)┤");
});

it("ignores a credential that the user typed", () => {
  expectUntouched(secret, `key = "${accessKey}"├ + rest┤`, "python");
});
