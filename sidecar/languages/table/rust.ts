// Rust.
import type { Language } from "../language";
import { multi, withSemicolons } from "../syntax";

export const rust: Language = {
  id: "rust",
  extensions: ["rs"],
  syntax: { ...withSemicolons, quotes: [multi('"')], loneApostrophes: true },
  grammar: {
    file: "tree-sitter-rust.wasm",
    members: ["source_file", "declaration_list"],
    statements: [
      "block",
      "match_block",
      "field_declaration_list",
      "enum_variant_list",
      "field_initializer_list",
      "use_list",
      "arguments",
      "array_expression",
      "token_tree",
    ],
    leading: ["line_comment", "block_comment", "attribute_item"],
    scopes: ["impl_item", "trait_item", "mod_item", "function_item", "struct_item", "enum_item", "macro_definition"],
  },
  imports: "names",
  folderFile: "mod",
};
