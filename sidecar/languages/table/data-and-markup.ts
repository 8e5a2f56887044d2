// Style sheets, data, configuration and markup.
import type { Language } from "../language";
import { cLike, hashLike, plainText, single } from "../syntax";

export const css: Language = { id: "css", extensions: ["css"], syntax: { ...cLike, lineComments: [] } };

export const scss: Language = { id: "scss", extensions: ["scss"], syntax: cLike };

export const less: Language = { id: "less", extensions: ["less"], syntax: cLike };

export const json: Language = { id: "json", extensions: ["json"], syntax: { ...cLike, quotes: [single('"')] } };

export const jsonc: Language = { ...json, id: "jsonc", extensions: ["jsonc"] };

export const yaml: Language = { id: "yaml", extensions: ["yaml", "yml"], syntax: hashLike };

export const toml: Language = {
  id: "toml",
  extensions: ["toml"],
  syntax: { ...cLike, lineComments: ["#"], blockComments: [] },
};

export const xml: Language = { id: "xml", extensions: ["xml"], syntax: plainText };

export const html: Language = { id: "html", extensions: ["html"], syntax: plainText };

export const markdown: Language = { id: "markdown", extensions: ["md"], syntax: plainText };
