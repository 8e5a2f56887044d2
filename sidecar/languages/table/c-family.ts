// C, C++, CUDA and Objective-C.
import type { Grammar, Language } from "../language";
import { withSemicolons } from "../syntax";

/** Reads C and CUDA as well. */
const cppGrammar: Grammar = {
  file: "tree-sitter-cpp.wasm",
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
};

const common: Omit<Language, "id" | "extensions"> = { syntax: withSemicolons, imports: "includes" };

export const c: Language = { ...common, id: "c", extensions: ["c", "h"], grammar: cppGrammar };

export const cpp: Language = {
  ...common,
  id: "cpp",
  extensions: ["cc", "cpp", "cxx", "c++", "hh", "hpp", "hxx", "h++", "inl", "ipp", "tpp", "ino"],
  grammar: cppGrammar,
};

export const cuda: Language = { ...common, id: "cuda-cpp", extensions: ["cu", "cuh"], grammar: cppGrammar };

export const objectiveC: Language = { ...common, id: "objective-c", extensions: ["m"] };

export const objectiveCpp: Language = { ...common, id: "objective-cpp", extensions: ["mm"] };
