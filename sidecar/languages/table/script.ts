// JavaScript, TypeScript, and the component files that hold them.
import type { Grammar, Language } from "../language";
import { cLike, multi, single } from "../syntax";

const nodes: Omit<Grammar, "file"> = {
  members: ["program", "class_body", "interface_body", "object_type"],
  statements: [
    "statement_block",
    "switch_body",
    "switch_case",
    "object",
    "array",
    "arguments",
    "enum_body",
    "union_type",
    "export_clause",
    "named_imports",
    "jsx_element",
    "jsx_fragment",
  ],
  membersBelow: { statement_block: ["module", "internal_module"] },
  leading: ["comment", "decorator"],
  scopes: [
    "class_declaration",
    "abstract_class_declaration",
    "class",
    "interface_declaration",
    "enum_declaration",
    "type_alias_declaration",
    "module",
    "internal_module",
    "function_declaration",
    "generator_function_declaration",
    "method_definition",
    "variable_declarator",
    "public_field_definition",
    "field_definition",
  ],
};

const common: Omit<Language, "id" | "extensions"> = {
  syntax: { ...cLike, quotes: [single('"'), single("'"), multi("`")], script: true },
  imports: "script",
  folderFile: "index",
};

const javascriptGrammar: Grammar = { file: "tree-sitter-javascript.wasm", ...nodes };

export const javascript: Language = {
  ...common,
  id: "javascript",
  extensions: ["js", "mjs", "cjs"],
  grammar: javascriptGrammar,
};

export const javascriptReact: Language = {
  ...common,
  id: "javascriptreact",
  extensions: ["jsx"],
  grammar: javascriptGrammar,
};

export const typescript: Language = {
  ...common,
  id: "typescript",
  extensions: ["ts", "mts", "cts"],
  grammar: { file: "tree-sitter-typescript.wasm", ...nodes },
};

export const typescriptReact: Language = {
  ...common,
  id: "typescriptreact",
  extensions: ["tsx"],
  grammar: { file: "tree-sitter-tsx.wasm", ...nodes },
};

export const vue: Language = { ...common, id: "vue", extensions: ["vue"] };

export const svelte: Language = { ...common, id: "svelte", extensions: ["svelte"] };
