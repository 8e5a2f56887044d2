// PHP.
import type { Language } from "../language";
import { multi, withSemicolons } from "../syntax";

export const php: Language = {
  id: "php",
  extensions: ["php", "phtml", "php5", "php7"],
  syntax: { ...withSemicolons, lineComments: ["//", "#"], quotes: [multi('"'), multi("'")] },
  grammar: {
    file: "tree-sitter-php.wasm",
    members: ["program", "declaration_list", "enum_declaration_list"],
    statements: [
      "compound_statement",
      "switch_block",
      "case_statement",
      "array_creation_expression",
      "arguments",
      "match_block",
    ],
    leading: ["comment", "attribute_list"],
    scopes: [
      "namespace_definition",
      "class_declaration",
      "interface_declaration",
      "trait_declaration",
      "enum_declaration",
      "function_definition",
      "method_declaration",
    ],
  },
  imports: "names",
};
