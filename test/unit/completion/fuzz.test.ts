// Broken code is the usual case at a cursor: whatever stands there, the rules end and only ever take away.
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

it("for three thousand random texts", () => {
  const next = random(7);
  const text = (most: number) =>
    Array.from({ length: Math.floor(next() * most) }, () => pieces[Math.floor(next() * pieces.length)]).join("");
  for (let round = 0; round < 3000; round++) {
    const document = {
      uri: "file:///a",
      path: "a",
      languageId: languages[round % languages.length] ?? "",
      prefix: text(40),
      suffix: text(30),
    };
    const said = text(30);
    const cursor = readCursor(document);
    const stop = findStop(said, cursor);
    expect(stop?.length ?? 0).toBeLessThanOrEqual(said.length);
    // However the text is cut into tokens, it ends at the same place.
    let early = findStop("", cursor);
    for (let length = 1; length <= said.length && early === undefined; length++)
      early = findStop(said.slice(0, length), cursor);
    expect(early, JSON.stringify([document, said])).toEqual(stop);
    const result = applyFilters(said.slice(0, stop?.length), { document, cursor });
    if ("reject" in result) {
      expect(result.reject).toMatch(/^[a-z-]+: ./);
      continue;
    }
    expect(result.text.trim()).not.toBe("");
    expect(result.text).toBe(result.text.trimEnd());
    for (const character of "\uFFFD\0\r") expect(result.text).not.toContain(character);
    // What is kept stands in what was said, line by line.
    for (const line of result.text.split("\n")) expect(said.replace(/\r\n?/g, "\n")).toContain(line);
    if (cursor.lineSuffix.trim() !== "") expect(result.text).not.toContain("\n");
  }
});

it.each(["):", "=> ", "(a, ", "do |x ", "''", "/a", "{ x: ", "password=", "\t", "\n", "}\n", "if x:\n    "])(
  "for a machine-written file of %j",
  (piece) => {
    const long = piece.repeat(1_000_000 / piece.length);
    for (const languageId of ["typescript", "python", "ruby"]) {
      const document = { uri: "file:///a", path: "a", languageId, prefix: long, suffix: long };
      const cursor = readCursor(document);
      const said = `${piece.repeat(40)}{\n  a\n}`;
      for (let length = 1; length < said.length; length += 4) findStop(said.slice(0, length), cursor);
      const result = applyFilters(said, { document, cursor });
      expect("text" in result ? said.includes(result.text.split("\n", 1)[0] ?? "") : result.reject !== "").toBe(true);
    }
  },
);
