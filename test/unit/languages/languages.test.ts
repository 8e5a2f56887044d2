// The table of languages: every entry is complete, and files and identifiers lead to the right one.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  isSameLanguage,
  languageById,
  languageIdOf,
  languageOfFile,
  languages,
  syntaxOf,
} from "../../../sidecar/languages/languages";

const grammarFolder = join(import.meta.dirname, "../../../node_modules/@vscode/tree-sitter-wasm/wasm");

describe("the language of a file", () => {
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
    ["kernel.cu", "cuda-cpp"],
    ["a/b.c/Gemfile", "ruby"],
    ["Makefile", "makefile"],
    ["deploy/Dockerfile", "dockerfile"],
    ["NOTES", "plaintext"],
    ["go", "plaintext"],
    [".py", "plaintext"],
  ])("%s is %s", (path, id) => {
    expect(languageIdOf(path)).toBe(id);
  });

  it("has the grammar of a language that it extends", () => {
    expect(languageOfFile("a.h")?.grammar).toBe(languageOfFile("a.cpp")?.grammar);
    expect(languageById("typescriptreact")?.grammar?.file).toBe("tree-sitter-tsx.wasm");
  });

  it.each([
    ["sh", "shellscript"],
    ["zsh", "shellscript"],
    ["cs", "csharp"],
    ["c-sharp", "csharp"],
    ["javascript.jsx", "javascriptreact"],
    ["typescript.tsx", "typescriptreact"],
    ["objc", "objective-c"],
    ["ps1", "powershell"],
    ["make", "makefile"],
    ["Python", "python"],
    ["yaml.ansible", "yaml"],
    ["python.pytest", "python"],
  ])("has the name %s for %s in other editors", (name, id) => {
    expect(languageById(name)).toBe(languageById(id));
    expect(syntaxOf(name)).toBe(syntaxOf(id));
    expect(isSameLanguage(name, id)).toBe(true);
  });

  it("is not another one whose name begins alike", () => {
    for (const name of ["", ".", ".python", "py", "pythons", "klingon.python"])
      expect(languageById(name), name).toBeUndefined();
    expect(isSameLanguage("klingon", "klingon")).toBe(true);
    expect(isSameLanguage("klingon", "vulcan")).toBe(false);
    expect(isSameLanguage("javascript", "javascriptreact")).toBe(false);
  });

  it("has a syntax without comments and strings when the language is unknown", () => {
    expect(syntaxOf("klingon")).toMatchObject({ lineComments: [], blockComments: [], quotes: [] });
  });
});

describe.each(languages.map((language) => [language.id, language] as const))("the entry of %s", (id, language) => {
  it("is the only one with its identifier, extensions and file names", () => {
    const others = languages.filter((other) => other !== language);
    const names = [...language.extensions, ...(language.fileNames ?? [])];
    expect(names.filter((name) => name !== name.toLowerCase() || name.startsWith("."))).toEqual([]);
    expect(language.extensions).not.toEqual([]);
    const ids = new Set(others.flatMap((other) => [other.id, ...(other.otherIds ?? [])]));
    expect([id, ...(language.otherIds ?? [])].filter((each) => ids.has(each))).toEqual([]);
    const taken = new Set(others.flatMap((other) => [...other.extensions, ...(other.fileNames ?? [])]));
    expect(names.filter((name) => taken.has(name))).toEqual([]);
  });

  it("is found by its identifier and by each of its file names", () => {
    expect(languageById(id)).toBe(language);
    for (const extension of language.extensions) expect(languageOfFile(`src/a.${extension}`)).toBe(language);
    for (const name of language.fileNames ?? []) expect(languageOfFile(`src/${name}`)).toBe(language);
  });

  it("has a syntax that says what opens a block where no bracket does, and quotes with the longest first", () => {
    const { blocks, opensBlock, quotes, lineComments, blockComments } = language.syntax;
    if (blocks !== "braces") expect(opensBlock).toBeDefined();
    const lengths = quotes.map(({ mark }) => mark.length);
    expect(lengths).toEqual([...lengths].sort((a, b) => b - a));
    if (language.grammar !== undefined) {
      expect(quotes).not.toEqual([]);
      expect([...lineComments, ...blockComments]).not.toEqual([]);
    }
  });
});

const withGrammar = languages.flatMap(({ id, grammar }) => (grammar === undefined ? [] : [[id, grammar] as const]));

it.each(withGrammar)(
  "the grammar of %s is shipped, and its entry names the nodes that chunking needs",
  (_, grammar) => {
    expect(existsSync(join(grammarFolder, grammar.file))).toBe(true);
    for (const nodes of [grammar.members, grammar.statements, grammar.leading, grammar.scopes]) {
      expect(nodes).not.toEqual([]);
      expect(new Set(nodes).size).toBe(nodes.length);
    }
  },
);
