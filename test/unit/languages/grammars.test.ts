// tree-sitter's runtime is started once, also by two callers at the same time.
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { Parser } from "web-tree-sitter";
import { loadGrammar, startRuntime } from "../../../sidecar/languages/grammars";

const folder = resolve(__dirname, "../../../dist/grammars");

it("the runtime is the same for all callers at the same time", async () => {
  const parserAfter = async () => {
    await startRuntime(folder);
    return new Parser().setLanguage(await loadGrammar(folder, "tree-sitter-python.wasm"));
  };
  const first = startRuntime(folder);
  expect(startRuntime(folder)).toBe(first);
  const parsers = await Promise.all([parserAfter(), parserAfter()]);
  for (const parser of parsers)
    expect(parser.parse("def f():\n    return 1\n")?.rootNode.toString()).toMatch(/^\(module \(function_definition/);
  for (const parser of parsers) parser.delete();
});
