// Finds secrets in a text: by gitleaks' rules, and by the project's own rules for other kinds.
import { assignmentRule } from "./assignments";
import { gitleaksRules } from "./gitleaks";
import { kubernetesRule } from "./kubernetes";
import { ownRules } from "./own-rules";
import { lineAround, type SecretRule, type Span } from "./rule";

/** Changes whenever the rules decide differently about a text or a name: files are then read again. */
export const secretRulesVersion = "secrets 3";

/** What kind of secret was found, and where; never the secret itself. */
export interface FoundSecret extends Span {
  readonly what: string;
}

const rules: readonly SecretRule[] = [...ownRules, kubernetesRule, ...gitleaksRules, assignmentRule];

/** The rules by keyword. */
const byKeyword = new Map<string, SecretRule[]>();
for (const rule of rules)
  for (const keyword of rule.keywords) byKeyword.set(keyword, [...(byKeyword.get(keyword) ?? []), rule]);
/** Keywords by their first two characters, and whether a pair of characters begins one. */
const byPair = new Map<number, string[]>();
for (const keyword of byKeyword.keys()) {
  const pair = pairOf(keyword.charCodeAt(0), keyword.charCodeAt(1));
  byPair.set(pair, [...(byPair.get(pair) ?? []), keyword]);
}
const begins = new Uint8Array(1 << 16);
for (const pair of byPair.keys()) begins[pair] = 1;

function pairOf(first: number, second: number): number {
  return ((first << 8) | second) & 0xffff;
}

/** The rules whose keywords are in the text: very few in most texts. */
function rulesFor(text: string): Set<SecretRule> {
  const lower = text.toLowerCase();
  const found = new Set<string>();
  let pair = 0;
  for (let at = 0; at < lower.length; at++) {
    pair = pairOf(pair, lower.charCodeAt(at));
    if (begins[pair] !== 1) continue;
    for (const keyword of byPair.get(pair) ?? [])
      if (!found.has(keyword) && lower.startsWith(keyword, at - 1)) found.add(keyword);
  }
  return new Set(rules.filter(({ keywords }) => keywords.length === 0 || keywords.some((each) => found.has(each))));
}

/** Comments that tell secret scanners to ignore a line. */
const allowed = /gitleaks:allow|pragma: allowlist secret|secretlint-disable-line/;

/**
 * All secrets in a text, in order; they may overlap. Placeholders, references and example values are not secrets, nor is
 * anything on a line with a comment that tells secret scanners to ignore it.
 * @param path of the file, with `/`
 */
export function findSecrets(text: string, path = ""): FoundSecret[] {
  return [...secretsIn(text, path)].sort((a, b) => a.start - b.start);
}

/** The first secret that a rule finds in a text, if there is one. */
export function findSecret(text: string, path = ""): FoundSecret | undefined {
  for (const found of secretsIn(text, path)) return found;
  return undefined;
}

function* secretsIn(text: string, path: string): Generator<FoundSecret> {
  const mayAllow = allowed.test(text);
  for (const rule of rulesFor(text))
    for (const { start, end } of rule.find(text, path))
      if (!mayAllow || !allowed.test(lineAround(text, start))) yield { what: rule.what, start, end };
}
