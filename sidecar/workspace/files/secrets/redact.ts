// Masks the secrets in a text that is being edited, so that no prompt holds them. After the first time, only the change is searched.
import { type FoundSecret, findSecrets } from "./find";

interface Redacted {
  /** As long as the text, with `*` for every character of a secret except white space. */
  readonly text: string;
  readonly secrets: readonly FoundSecret[];
}

/** Characters that are searched in a few milliseconds. */
const maxShortText = 32 * 1024;
/** Characters searched again on both sides of a change: more than any rule looks at around a value. */
const margin = 8 * 1024;

export class Redactor {
  private last: { readonly path: string; readonly text: string; readonly secrets: readonly FoundSecret[] } | undefined;

  /** @param path of the document, with `/` */
  redact(text: string, path: string): Redacted {
    const { last } = this;
    const secrets =
      text.length > maxShortText && last?.path === path ? this.searchChange(last, text, path) : findSecrets(text, path);
    this.last = { path, text, secrets };
    return { text: masked(text, secrets), secrets };
  }

  private searchChange(
    { text: before, secrets }: { readonly text: string; readonly secrets: readonly FoundSecret[] },
    text: string,
    path: string,
  ): FoundSecret[] {
    const same = sharedStart(before, text);
    const sameEnd = sharedEnd(before, text, same);
    const touched = secrets.filter(({ start, end }) => start <= same + margin && end >= same - margin);
    const from = lineStart(text, Math.min(same, ...touched.map(({ start }) => start)) - margin);
    const behind = Math.max(before.length - sameEnd, ...touched.map(({ end }) => end)) + margin;
    const moved = text.length - before.length;
    const to = Math.min(text.length, lineEnd(before, behind) + moved);
    return [
      ...secrets.filter(({ end }) => end <= from),
      ...findSecrets(text.slice(from, to), path).map((each) => ({
        ...each,
        start: each.start + from,
        end: each.end + from,
      })),
      ...secrets
        .filter(({ start }) => start + moved >= to)
        .map((each) => ({ ...each, start: each.start + moved, end: each.end + moved })),
    ];
  }
}

function masked(text: string, secrets: readonly FoundSecret[]): string {
  if (secrets.length === 0) return text;
  let result = "";
  let at = 0;
  for (const { start, end } of secrets) {
    if (end <= at) continue;
    result += text.slice(at, Math.max(at, start)) + text.slice(Math.max(at, start), end).replace(/\S/g, "*");
    at = end;
  }
  return result + text.slice(at);
}

function sharedStart(a: string, b: string): number {
  const max = Math.min(a.length, b.length);
  let at = 0;
  while (at < max && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}

/** @param start characters that are shared at the start, and do not count again */
function sharedEnd(a: string, b: string, start: number): number {
  const max = Math.min(a.length, b.length) - start;
  let count = 0;
  while (count < max && a.charCodeAt(a.length - 1 - count) === b.charCodeAt(b.length - 1 - count)) count++;
  return count;
}

function lineStart(text: string, at: number): number {
  return at <= 0 ? 0 : text.lastIndexOf("\n", at) + 1;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}
