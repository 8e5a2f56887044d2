// C#.
import type { Language } from "../language";
import { multi, single, withSemicolons } from "../syntax";

export const csharp: Language = {
  id: "csharp",
  extensions: ["cs", "csx"],
  syntax: { ...withSemicolons, quotes: [multi('"""'), single('"'), single("'")] },
  grammar: {
    file: "tree-sitter-c-sharp.wasm",
    members: ["compilation_unit", "declaration_list", "file_scoped_namespace_declaration"],
    statements: [
      "block",
      "enum_member_declaration_list",
      "switch_body",
      "switch_section",
      "accessor_list",
      "initializer_expression",
      "argument_list",
    ],
    leading: ["comment", "attribute_list"],
    scopes: [
      "namespace_declaration",
      "class_declaration",
      "struct_declaration",
      "interface_declaration",
      "record_declaration",
      "enum_declaration",
      "method_declaration",
      "constructor_declaration",
      "property_declaration",
      "local_function_statement",
    ],
  },
  imports: "names",
};
