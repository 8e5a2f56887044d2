// Python.
import type { Language } from "../language";
import { hashLike, multi, single } from "../syntax";

export const python: Language = {
  id: "python",
  extensions: ["py", "pyi", "pyw"],
  fileNames: ["sconstruct"],
  syntax: { ...hashLike, quotes: [multi('"""'), multi("'''"), single('"'), single("'")] },
  grammar: {
    file: "tree-sitter-python.wasm",
    members: ["module"],
    statements: ["block", "dictionary", "list", "set", "tuple", "argument_list"],
    membersBelow: { block: ["class_definition"] },
    leading: ["comment"],
    scopes: ["class_definition", "function_definition"],
  },
  imports: "python",
  folderFile: "__init__",
};
