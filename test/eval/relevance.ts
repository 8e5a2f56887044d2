// The relevant fragments of a task: those that define the first name of its ground truth that another file defines.
import type { Fragment } from "../../sidecar/workspace/fragment";
import { InputError, type Task } from "./input";

/** Character classes of the start and the rest of a name in any script, as in the benchmark's own code. */
const word = "[\\p{L}\\p{N}_]";
const lineStart = "(?<![^\\n])";
/** Patterns of definitions of NAME by language. */
const definitions: Readonly<Record<string, string>> = {
  python: `${lineStart}\\s*(?:(?:async\\s+)?(?:def|class)\\s+NAME(?!${word})|(?:self\\.)?NAME\\s*(?::[^=\\n]+)?=(?!=))`,
  java:
    `(?:class|interface|enum|record)\\s+NAME(?!${word})` +
    `|${lineStart}(?:\\s|public|protected|private|static|final|abstract|synchronized|default)[\\p{L}\\p{N}_<>\\[\\],.?\\s]+\\sNAME\\s*[(;=]`,
  typescript:
    `(?:class|interface|enum|type|function|const|let|var|namespace)\\s+NAME(?!${word})` +
    `|${lineStart}(?:\\s|public|protected|private|static|async|readonly|get|set)*NAME\\s*(?:<[^>\\n]*>)?\\s*[(:=?]`,
};
const minNameLength = 3;

/** Checks that definitions of this language are known. @throws InputError otherwise */
export function checkLanguage(language: string): void {
  if (definitions[language] === undefined) {
    throw new InputError(
      `Expected tasks in ${Object.keys(definitions).join(", ")}, found ${JSON.stringify(language)}. Leave them out: it is not known how that language defines names.`,
    );
  }
}

/** The location of a fragment as a key. */
export function placeKey({ path, startLine, endLine }: Fragment): string {
  return `${path}:${startLine}-${endLine}`;
}

/** Keys of the fragments of other files that define what the task needs; empty when no other file defines any of its names. */
export function relevantTo(task: Task, others: readonly Fragment[]): Set<string> {
  for (const name of new Set(task.groundtruth.match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? [])) {
    if (name.length < minNameLength) continue;
    const defines = new RegExp((definitions[task.language] ?? "(?!)").replaceAll("NAME", name), "u");
    const found = others.filter(({ text }) => text.includes(name) && defines.test(text));
    if (found.length > 0) return new Set(found.map(placeKey));
  }
  return new Set();
}
