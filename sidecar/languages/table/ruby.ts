// Ruby.
import type { Language } from "../language";
import { endLike } from "../syntax";

export const ruby: Language = {
  id: "ruby",
  extensions: ["rb", "rake", "gemspec", "ru"],
  fileNames: ["rakefile", "gemfile", "vagrantfile", "podfile"],
  syntax: endLike,
  grammar: {
    file: "tree-sitter-ruby.wasm",
    members: ["program"],
    statements: ["body_statement", "block_body", "then", "else", "hash", "array", "argument_list", "case", "when"],
    membersBelow: { body_statement: ["class", "module", "singleton_class"] },
    leading: ["comment"],
    scopes: ["class", "module", "singleton_class", "method", "singleton_method"],
  },
};
