// Language identifiers for the files of the command line.
import { expect, it } from "vitest";
import { languageIdOf } from "../../../sidecar/languages/language-id";

it.each([
  ["a.py", "python"],
  ["b.d.ts", "typescript"],
  ["c.TSX", "typescriptreact"],
  ["d.cs", "csharp"],
  ["e.hpp", "cpp"],
  ["f.rb", "ruby"],
  ["g.php", "php"],
  ["h.go", "go"],
  ["i.rs", "rust"],
  ["j.java", "java"],
  ["Makefile", "plaintext"],
  [".py", "plaintext"],
])("%s is %s", (path, id) => {
  expect(languageIdOf(path)).toBe(id);
});
