// Translation of Go's regular expressions into JavaScript's: inline flags become character classes.
import { expect, it } from "vitest";
import { toJavaScript } from "../../../scripts/secrets/re2.mjs";

it.each<[string, string]>([
  [
    String.raw`\b(p8e-(?i)[a-z0-9]{32})(?:[\x60'"\s;]|\\[nr]|$)`,
    String.raw`\b(p8e-[A-Za-z0-9]{32})(?:[\x60'"\s;]|\\[nr]|$)`,
  ],
  ["(?i)ab(?-i:Cd)e", "[aA][bB](?:Cd)[eE]"],
  ["a(?i)b|c", "a[bB]|[cC]"],
  ["(a(?i)b)c", "(a[bB])c"],
  ["(?i)[^b-d_]", "[^B-Db-d_]"],
  ["[[:alnum:]-]", "[A-Za-z0-9-]"],
  ["(?s:.)x.", "(?:[\\s\\S])x[^\\n]"],
  ["(?P<name>a)\\z", "(a)$"],
  ["[]a]", "[\\]a]"],
])("%s becomes %s", (go, javaScript) => {
  expect(toJavaScript(go)).toBe(javaScript);
  expect(() => new RegExp(toJavaScript(go))).not.toThrow();
});

it.each(["(a", "a)"])("an expression whose brackets do not match is an error: %s", (source) => {
  expect(() => toJavaScript(source)).toThrow(/expected/);
});
