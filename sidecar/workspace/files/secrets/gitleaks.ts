// The rules of gitleaks: its data (gitleaks-rules.json), applied as its program applies them.
import data from "./gitleaks-rules.json";
import { lineAround, type SecretRule, type Span, valueSpan } from "./rule";
import { entropyOf, isPlaceholder, looksRandom } from "./value";

/** Values that are no secrets although a rule matches them. */
interface AllowList {
  readonly patterns: readonly string[];
  /** Lower case; anywhere in the value. */
  readonly words: readonly string[];
  /** What the patterns are matched with: "secret" (the value, the default), "match" or "line". */
  readonly target?: string;
}

interface GitleaksRule {
  readonly id: string;
  readonly pattern: string;
  readonly keywords: readonly string[];
  /** The expression matches any value of the right length after a word that names the service. */
  readonly named?: boolean;
  /** Minimum entropy of the value, bits per character. */
  readonly entropy?: number;
  readonly group?: number;
  readonly path?: string;
  readonly allow?: readonly AllowList[];
}

class AllowedValues {
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
    const target = this.target === "match" ? match : this.target === "line" ? line() : value;
    return this.patterns.some((pattern) => pattern.test(target));
  }
}

const rules: readonly GitleaksRule[] = data.rules;
const allowedInAll = data.allow.map((list) => new AllowedValues(list));
/** Characters before the match of a named rule that may belong to the name. */
const maxNamePrefix = 50;

/** A rule with its expressions, which take long to compile. */
class CompiledRule {
  private readonly pattern: RegExp;
  private readonly path: RegExp | undefined;
  private readonly allowed: readonly AllowedValues[];

  constructor(private readonly rule: GitleaksRule) {
    this.pattern = new RegExp(rule.pattern, "g");
    this.path = rule.path === undefined ? undefined : new RegExp(rule.path);
    this.allowed = [...allowedInAll, ...(rule.allow ?? []).map((list) => new AllowedValues(list))];
  }

  *find(text: string, path: string): Generator<Span> {
    if (this.path?.test(path) === false) return;
    for (const match of text.matchAll(this.pattern)) {
      const { value, start, end } = valueSpan(match, this.rule.group);
      if (this.isLikely(value) && !isInsideBase64(text, start, value) && !this.isAllowed(value, match, text))
        yield { start, end };
    }
  }

  /** Whether the value looks like a secret rather than an example. */
  private isLikely(value: string): boolean {
    const { entropy, named } = this.rule;
    if (entropy !== undefined && entropyOf(value) <= entropy) return false;
    return named === true ? looksRandom(value) : !isPlaceholder(value);
  }

  private isAllowed(value: string, match: RegExpExecArray, text: string): boolean {
    const whole = this.rule.named === true ? namePrefix(text, match.index) + match[0] : match[0];
    return this.allowed.some((list) => list.has(value, whole, () => lineAround(text, match.index)));
  }
}

export const gitleaksRules: readonly SecretRule[] = rules.map((rule) => {
  let compiled: CompiledRule | undefined;
  return {
    what: `a secret of the kind ${rule.id}`,
    keywords: rule.keywords,
    // Compiled when a text first has one of the rule's keywords.
    *find(text, path) {
      compiled ??= new CompiledRule(rule);
      yield* compiled.find(text, path);
    },
  };
});

/** Whether a value could be part of longer base64, in which the beginning of any token occurs by chance. */
function isInsideBase64(text: string, start: number, value: string): boolean {
  return /[+/]/.test(text[start - 1] ?? "") && /^[A-Za-z0-9]+$/.test(value);
}

/** The part of a name that stands right before `index`. */
function namePrefix(text: string, index: number): string {
  return /[\w.-]*$/.exec(text.slice(Math.max(0, index - maxNamePrefix), index))?.[0] ?? "";
}
