// Code at a cursor is usually incomplete: stop rules and filters finish on any text, and add nothing but closers.
import { expect, it } from "vitest";
import { findStop } from "../../../sidecar/completion/decoding/stop";
import { applyFilters } from "../../../sidecar/completion/filters/all";
import { readCursor } from "../../../sidecar/completion/syntax/cursor";
import { random } from "./random";

const pieces = [
  "(",
  ")",
  "[",
  "]",
  "{",
  "}",
  '"',
  "'",
  "`",
  "${",
  '"""',
  "//",
  "/*",
  "*/",
  "#",
  "\\",
  "/",
  ":",
  ";",
  ",",
  "=>",
  "=",
  " ",
  "  ",
  "    ",
  "\t",
  "\n",
  "\n\n",
  "\r\n",
  "end",
  "do |x|",
  "def f",
  "class A",
  "if ",
  "else",
  "return ",
  "name",
  "foo.bar",
  "1",
  "😀",
  "\ud83d",
  "\u0000",
  "-----BEGIN PRIVATE KEY",
  "password = 'abc123456789'",
];
const languages = ["typescript", "python", "rust", "ruby", "go", "php", "yaml", "klingon"];

/** A line without what may close it: brackets, quotes, the end of a comment, `end`. */
const withoutClosers = (line: string) => line.replace(/^\s*end$|[\s)\]}"'`*/;]+$/, "");

it("stop rules and filters finish on three thousand random texts, remove text, and only add closers", () => {
  const next = random(7);
  const text = (max: number) =>
    Array.from({ length: Math.floor(next() * max) }, () => pieces[Math.floor(next() * pieces.length)]).join("");
  for (let round = 0; round < 3000; round++) {
    const document = {
      uri: "file:///a",
      path: "a",
      languageId: languages[round % languages.length] ?? "",
      prefix: text(40),
      suffix: text(30),
    };
    const generated = text(30);
    const cursor = readCursor(document);
    const stop = findStop(generated, cursor);
    expect(stop?.length ?? 0).toBeLessThanOrEqual(generated.length);
    // The text ends at the same place however it is cut into tokens.
    let early = findStop("", cursor);
    for (let length = 1; length <= generated.length && early === undefined; length++)
      early = findStop(generated.slice(0, length), cursor);
    expect(early, JSON.stringify([document, generated])).toEqual(stop);
    const result = applyFilters(generated.slice(0, stop?.length), { document, cursor });
    if ("reject" in result) {
      expect(result.reject).toMatch(/^[a-z-]+: ./);
      continue;
    }
    expect(result.text.trim()).not.toBe("");
    expect(result.text.trimEnd()).toBe(/^\S/.test(cursor.lineSuffix) ? result.text.replace(/ $/, "") : result.text);
    for (const character of "\uFFFD\0\r") expect(result.text).not.toContain(character);
    for (const line of result.text.split("\n"))
      expect(generated.replace(/\r\n?/g, "\n")).toContain(withoutClosers(line));
    if (cursor.lineSuffix.trim() !== "") expect(result.text).not.toContain("\n");
  }
});

it.each(["):", "=> ", "(a, ", "do |x ", "''", "/a", "{ x: ", "password=", "\t", "\n", "}\n", "if x:\n    "])(
  "stop rules and filters finish on a file of a million characters of %j",
  (piece) => {
    const long = piece.repeat(1_000_000 / piece.length);
    for (const languageId of ["typescript", "python", "ruby"]) {
      const document = { uri: "file:///a", path: "a", languageId, prefix: long, suffix: long };
      const cursor = readCursor(document);
      const generated = `${piece.repeat(40)}{\n  a\n}`;
      for (let length = 1; length < generated.length; length += 4) findStop(generated.slice(0, length), cursor);
      const result = applyFilters(generated, { document, cursor });
      const firstLine = "text" in result ? (result.text.split("\n", 1)[0] ?? "") : "";
      expect(generated).toContain(withoutClosers(firstLine));
    }
  },
);
