// Java, Kotlin, Scala and Groovy.
import type { Language } from "../language";
import { cLike, multi, single, withSemicolons } from "../syntax";

export const java: Language = {
  id: "java",
  extensions: ["java"],
  fileNames: ["jenkinsfile"],
  syntax: { ...withSemicolons, quotes: [multi('"""'), single('"'), single("'")] },
  grammar: {
    file: "tree-sitter-java.wasm",
    members: ["program", "class_body", "interface_body", "enum_body", "enum_body_declarations", "annotation_type_body"],
    statements: [
      "block",
      "constructor_body",
      "switch_block",
      "switch_block_statement_group",
      "argument_list",
      "array_initializer",
    ],
    leading: ["line_comment", "block_comment"],
    scopes: [
      "class_declaration",
      "interface_declaration",
      "enum_declaration",
      "record_declaration",
      "annotation_type_declaration",
      "method_declaration",
      "constructor_declaration",
      "compact_constructor_declaration",
    ],
  },
  imports: "jvm",
};

export const kotlin: Language = {
  id: "kotlin",
  extensions: ["kt", "kts"],
  syntax: { ...cLike, quotes: [multi('"""'), single('"'), single("'")] },
  imports: "jvm",
};

export const scala: Language = {
  id: "scala",
  extensions: ["scala"],
  syntax: { ...cLike, quotes: [multi('"""'), single('"')], loneApostrophes: true },
  imports: "jvm",
};

export const groovy: Language = {
  id: "groovy",
  extensions: ["groovy"],
  syntax: { ...cLike, quotes: [multi('"""'), multi("'''"), single('"'), single("'")] },
  imports: "jvm",
};
