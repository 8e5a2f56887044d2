// Go.
import type { Language } from "../language";
import { cLike, multi, single } from "../syntax";

export const go: Language = {
  id: "go",
  extensions: ["go"],
  syntax: { ...cLike, quotes: [single('"'), single("'"), multi("`")] },
  grammar: {
    file: "tree-sitter-go.wasm",
    members: ["source_file"],
    statements: [
      "block",
      "statement_list",
      "field_declaration_list",
      "interface_type",
      "import_spec_list",
      "const_declaration",
      "var_declaration",
      "var_spec_list",
      "type_declaration",
      "literal_value",
      "argument_list",
      "expression_switch_statement",
      "type_switch_statement",
      "select_statement",
      "expression_case",
      "default_case",
      "communication_case",
    ],
    leading: ["comment"],
    scopes: ["function_declaration", "method_declaration", "type_spec"],
  },
  imports: "packages",
};
