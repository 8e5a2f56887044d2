// What the chunker has to know of each grammar: which nodes hold members and which hold statements.

export interface Language {
  /** File in the grammar folder. */
  readonly grammar: string;
  /** Nodes whose children are definitions or top-level statements: the best places to cut. */
  readonly members: readonly string[];
  /** Nodes whose children are statements or entries: places to cut what is too long. */
  readonly statements: readonly string[];
  /** `child of parent`: nodes that hold members only below these parents, where the grammar uses one node for both. */
  readonly membersBelow?: Readonly<Record<string, readonly string[]>>;
  /** Nodes that belong to the definition after them. */
  readonly leading: readonly string[];
  /** Nodes that define what the lines inside of them belong to. */
  readonly scopes: readonly string[];
}

const script: Omit<Language, "grammar"> = {
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

const languages = {
  python: {
    grammar: "tree-sitter-python.wasm",
    members: ["module"],
    statements: ["block", "dictionary", "list", "set", "tuple", "argument_list"],
    membersBelow: { block: ["class_definition"] },
    leading: ["comment"],
    scopes: ["class_definition", "function_definition"],
  },
  javascript: { grammar: "tree-sitter-javascript.wasm", ...script },
  typescript: { grammar: "tree-sitter-typescript.wasm", ...script },
  tsx: { grammar: "tree-sitter-tsx.wasm", ...script },
  java: {
    grammar: "tree-sitter-java.wasm",
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
  go: {
    grammar: "tree-sitter-go.wasm",
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
  rust: {
    grammar: "tree-sitter-rust.wasm",
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
  csharp: {
    grammar: "tree-sitter-c-sharp.wasm",
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
  cpp: {
    grammar: "tree-sitter-cpp.wasm",
    members: [
      "translation_unit",
      "declaration_list",
      "field_declaration_list",
      "preproc_if",
      "preproc_ifdef",
      "preproc_else",
      "preproc_elif",
    ],
    statements: ["compound_statement", "enumerator_list", "case_statement", "initializer_list", "argument_list"],
    leading: ["comment", "access_specifier"],
    scopes: [
      "namespace_definition",
      "class_specifier",
      "struct_specifier",
      "union_specifier",
      "enum_specifier",
      "function_definition",
    ],
  },
  ruby: {
    grammar: "tree-sitter-ruby.wasm",
    members: ["program"],
    statements: ["body_statement", "block_body", "then", "else", "hash", "array", "argument_list", "case", "when"],
    membersBelow: { body_statement: ["class", "module", "singleton_class"] },
    leading: ["comment"],
    scopes: ["class", "module", "singleton_class", "method", "singleton_method"],
  },
  php: {
    grammar: "tree-sitter-php.wasm",
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
} as const satisfies Record<string, Language>;

export type LanguageName = keyof typeof languages;

const extensions: Readonly<Record<LanguageName, string>> = {
  python: "py pyi pyw",
  javascript: "js mjs cjs jsx",
  typescript: "ts mts cts",
  tsx: "tsx",
  java: "java",
  go: "go",
  rust: "rs",
  csharp: "cs csx",
  cpp: "c h cc cpp cxx c++ hh hpp hxx h++ inl ipp tpp cu cuh ino",
  ruby: "rb rake gemspec ru",
  php: "php phtml php5 php7",
};

const wholeNames: Readonly<Record<string, LanguageName>> = {
  rakefile: "ruby",
  gemfile: "ruby",
  vagrantfile: "ruby",
  podfile: "ruby",
  sconstruct: "python",
  jenkinsfile: "java",
};

const byExtension = new Map<string, LanguageName>();
for (const name of languageNames())
  for (const extension of extensions[name].split(" ")) byExtension.set(extension, name);

export function languageNames(): LanguageName[] {
  return ["python", "javascript", "typescript", "tsx", "java", "go", "rust", "csharp", "cpp", "ruby", "php"];
}

/** The description of one language. */
export function languageOf(name: LanguageName): Language {
  return languages[name];
}

/** The language of a file by its name, nothing where there is no grammar for it. */
export function languageNameOf(path: string): LanguageName | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  return wholeNames[name] ?? byExtension.get(name.slice(name.lastIndexOf(".") + 1));
}

const byIdentifier: ReadonlyMap<string, LanguageName> = new Map<string, LanguageName>([
  ["javascriptreact", "javascript"],
  ["typescriptreact", "tsx"],
  ["c", "cpp"],
  ["cuda-cpp", "cpp"],
  ...languageNames()
    .filter((name) => name !== "tsx")
    .map((name) => [name, name] as const),
]);

/** The language with this LSP identifier, nothing where there is no grammar for it. */
export function languageNameById(languageId: string): LanguageName | undefined {
  return byIdentifier.get(languageId);
}
