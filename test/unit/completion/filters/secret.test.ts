// Credentials, made up or remembered. The samples are put together so that no scanner takes this file for a leak.
import { it } from "vitest";
import { secret } from "../../../../sidecar/completion/filters/secret";
import { expectRejected, expectUntouched } from "../cursor-marks";

const sample = (...parts: string[]) => parts.join("");

it("rejects what has the shape of a credential", () => {
  expectRejected(secret, `key = ├"${sample("AKIA", "ABCDEFGHIJKLMNOP")}"┤`, "cloud access key", "python");
  expectRejected(secret, `key = ├"${sample("ghp_", "abcdefghijklmnopqrstuvwxyz012345")}"┤`, "access token", "python");
  expectRejected(secret, `key = ├"""${sample("-----BEGIN RSA ", "PRIVATE KEY-----")}┤`, "private key", "python");
  expectRejected(secret, `password = ├"${sample("hunter2", "Xyz99Abc")}"┤`, "credential", "python");
});

it("keeps placeholders, words and names", () => {
  expectUntouched(secret, 'password = ├os.environ["PASSWORD"]┤', "python");
  expectUntouched(secret, 'password = ├"correct-horse-battery"┤', "python");
  expectUntouched(secret, "const token = ├`${prefix1234567890}`┤");
  expectUntouched(secret, "const tokens = ├tokenizer.encode(text)┤");
});

it("does not hold against the suggestion what the user typed", () => {
  expectUntouched(secret, `key = "${sample("AKIA", "ABCDEFGHIJKLMNOP")}"├ + rest┤`, "python");
});
