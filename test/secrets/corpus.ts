// The corpus of secrets: files that must not be indexed, and similar files that must be.
import { harmlessFiles } from "./harmless";
import { namedFiles } from "./planted-names";
import { textFiles } from "./planted-texts";
import type { CorpusFile } from "./random";
import { tokenFiles } from "./tokens";

export type { CorpusFile } from "./random";

export const planted: Readonly<Record<"names" | "tokens" | "texts", readonly CorpusFile[]>> = {
  names: namedFiles,
  tokens: tokenFiles,
  texts: textFiles,
};

export const harmless: readonly CorpusFile[] = harmlessFiles;
