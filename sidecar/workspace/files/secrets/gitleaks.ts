// The rules of gitleaks: data of theirs (gitleaks-rules.json), with what their program does around an expression.
import data from "./gitleaks-rules.json";
import { type SecretRule, valueSpan } from "./rule";
import { entropyOf, isPlaceholder, looksRandom } from "./value";

/** A list of what is no secret although a rule finds it. */
interface AllowList {
  readonly patterns: readonly string[];
  /** Lower case; anywhere in the value. */
  readonly words: readonly string[];
  /** What the patterns look at; default: the value. */
  readonly target?: string;
}

interface GitleaksRule {
  readonly id: string;
  readonly pattern: string;
  readonly keywords: readonly string[];
  /** The expression begins with a word that names the service, and takes any value of the right length behind it. */
  readonly named?: boolean;
  /** Least entropy of the value, bits a character. */
  readonly entropy?: number;
  readonly group?: number;
  readonly path?: string;
  readonly allow?: readonly AllowList[];
}

/** Compiled when a text first has one of the rule's words. */
class Allowed {
  private readonly patterns: readonly RegExp[];
  private readonly words: readonly string[];
  private readonly target: string;

  constructor({ patterns, words, target = "secret" }: AllowList) {
    this.patterns = patterns.map((pattern) => new RegExp(pattern));
    this.words = words;
    this.target = target;
  }

  has(value: string, match: string, line: () => string): boolean {
    const lower = value.toLowerCase();
    if (this.words.some((word) => lower.includes(word))) return true;
    const looked = this.target === "match" ? match : this.target === "line" ? line() : value;
    return this.patterns.some((pattern) => pattern.test(looked));
  }
}

const rules: readonly GitleaksRule[] = data.rules;
const everywhere = data.allow.map((list) => new Allowed(list));
/** What may stand before the word of a named rule and belongs to its match. */
const maxLead = 50;

export const gitleaksRules: readonly SecretRule[] = rules.map((rule) => {
  let compiled: { pattern: RegExp; path: RegExp | undefined; allowed: readonly Allowed[] } | undefined;
  return {
    what: `a secret of the kind ${rule.id}`,
    keywords: rule.keywords,
    *find(text, path) {
      compiled ??= {
        pattern: new RegExp(rule.pattern, "g"),
        path: rule.path === undefined ? undefined : new RegExp(rule.path),
        allowed: [...everywhere, ...(rule.allow ?? []).map((list) => new Allowed(list))],
      };
      if (compiled.path?.test(path) === false) return;
      for (const match of text.matchAll(compiled.pattern)) {
        const { value, start, end } = valueSpan(match, rule.group);
        if (rule.entropy !== undefined && entropyOf(value) <= rule.entropy) continue;
        if (rule.named === true ? !looksRandom(value) : isPlaceholder(value)) continue;
        if (isInsideBase64(text, start, value)) continue;
        const whole = rule.named === true ? leadBefore(text, match.index) + match[0] : match[0];
        if (compiled.allowed.some((list) => list.has(value, whole, () => lineAround(text, match.index)))) continue;
        yield { start, end };
      }
    },
  };
});

/** Whether a value could be a part of longer base64, where any beginning of a token comes up by chance. */
function isInsideBase64(text: string, start: number, value: string): boolean {
  return /[+/]/.test(text[start - 1] ?? "") && /^[A-Za-z0-9]+$/.test(value);
}

function leadBefore(text: string, index: number): string {
  return /[\w.-]*$/.exec(text.slice(Math.max(0, index - maxLead), index))?.[0] ?? "";
}

function lineAround(text: string, index: number): string {
  const end = text.indexOf("\n", index);
  return text.slice(text.lastIndexOf("\n", index - 1) + 1, end < 0 ? text.length : end);
}
