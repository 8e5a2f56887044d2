// Programming languages for which no tree-sitter grammar is shipped.
import type { Language } from "../language";
import { cLike, endLike, multi, plainText, single, withSemicolons } from "../syntax";

export const swift: Language = {
  id: "swift",
  extensions: ["swift"],
  syntax: { ...cLike, quotes: [multi('"""'), single('"')] },
};

export const dart: Language = {
  id: "dart",
  extensions: ["dart"],
  syntax: { ...withSemicolons, quotes: [multi('"""'), multi("'''"), single('"'), single("'")] },
};

export const lua: Language = { id: "lua", extensions: ["lua"], syntax: { ...endLike, lineComments: ["--"] } };

export const shell: Language = {
  id: "shellscript",
  extensions: ["sh", "bash"],
  syntax: { ...endLike, quotes: [multi('"'), multi("'")] },
};

export const perl: Language = { id: "perl", extensions: ["pl"], syntax: plainText };

export const r: Language = { id: "r", extensions: ["r"], syntax: plainText };

export const julia: Language = { id: "julia", extensions: ["jl"], syntax: plainText };

export const powershell: Language = { id: "powershell", extensions: ["ps1"], syntax: plainText };

export const sql: Language = { id: "sql", extensions: ["sql"], syntax: plainText };
