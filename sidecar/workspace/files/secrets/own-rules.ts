// The project's own rules (own-rules.json): tokens and forms of secrets that gitleaks has no rule for, or one for a single length only.
import rules from "./own-rules.json";
import { type SecretRule, valueSpan } from "./rule";
import { isPlaceholder, isReference, looksIssued, looksMadeUp, looksRandom } from "./value";

/** A token by its prefix. */
interface TokenRule {
  readonly what: string;
  /** In lower case; every such token begins with one of them. */
  readonly keywords: readonly string[];
  readonly prefix: string;
  /** What follows the prefix. */
  readonly rest: string;
}

/** A secret by the text around it: a key, an address, a header, a command. */
interface FormRule {
  readonly what: string;
  readonly keywords: readonly string[];
  readonly pattern: string;
  readonly ignoreCase?: boolean;
  /** Name of one of {@link tests}; absent where every match is a secret. */
  readonly accepts?: string;
}

type Test = (value: string, match: RegExpMatchArray) => boolean;

/** What a value must look like to be a secret. */
const tests: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["issued", looksIssued],
  ["random", looksRandom],
  ["madeUp", looksMadeUp],
  ["used", isUsed],
  ["notPlaceholder", (value) => !isPlaceholder(value)],
  ["privateKey", (value) => Buffer.from(value.slice(0, 80), "base64").toString("latin1").includes("PRIVATE KEY")],
  ["addressPassword", isAddressPassword],
  // Addresses of Sentry projects are public.
  ["addressToken", (value, match) => looksRandom(value) && !/sentry/i.test(match.groups?.host ?? "")],
  ["basic", isBasic],
]);

const tokens: readonly TokenRule[] = rules.tokens;
const forms: readonly FormRule[] = rules.forms;

export const ownRules: readonly SecretRule[] = [
  ...tokens.map(({ what, keywords, prefix, rest }) => ({
    what,
    keywords,
    ...searchFor(
      new RegExp(`${beginningOf(prefix)}${prefix}(?<rest>${rest})(?![A-Za-z0-9])`, "g"),
      (_, match) => looksIssued(match.groups?.rest ?? ""),
      0,
    ),
  })),
  ...forms.map(({ what, keywords, pattern, ignoreCase, accepts }) => ({
    what,
    keywords,
    ...searchFor(
      new RegExp(pattern, ignoreCase === true ? "gi" : "g"),
      accepts === undefined ? () => true : testOf(accepts),
    ),
  })),
];

/** @param group of the value; see {@link valueSpan} */
function searchFor(pattern: RegExp, accepts: Test, group?: number): Pick<SecretRule, "find"> {
  return {
    *find(text) {
      for (const match of text.matchAll(pattern)) {
        const { value, start, end } = valueSpan(match, group);
        if (accepts(value, match)) yield { start, end };
      }
    },
  };
}

function testOf(name: string): Test {
  const test = tests.get(name);
  if (test === undefined) throw new Error(`own-rules.json: expected one of ${[...tests.keys()]}, found ${name}.`);
  return test;
}

/** What must not be right before a token: the rest of a word, or of base64 when the prefix could be part of it. */
function beginningOf(prefix: string): string {
  if (/^[[/?&]|^hooks|^webhook/.test(prefix)) return "";
  return /[A-Za-z0-9)]$/.test(prefix) ? "(?<![\\w+/-])" : "(?<![\\w-])";
}

/** Shorter words are not taken for passwords. */
const minWord = 6;

function isAddressPassword(value: string, match: RegExpMatchArray): boolean {
  const [whole, user = ""] = match;
  // Templates and expressions that describe addresses.
  if (isPlaceholder(value) || isReference(value) || value === user || /[[\]()|\\^*]/.test(whole)) return false;
  if (looksMadeUp(value)) return true;
  // A plain word is a password too when the host is a real one.
  return value.length >= minWord && !isPlaceholder(user) && isRealHost(match.groups?.host ?? "");
}

/** Whether a host is not this machine, a reserved example name (RFC 2606), or a usual name in tests and containers. */
function isRealHost(host: string): boolean {
  return host.includes(".") && !/^(?:127|0)\.|(?:^|\.)(?:example|test|invalid|localhost|local)(?:\.|$)/i.test(host);
}

function isBasic(value: string): boolean {
  const text = Buffer.from(value, "base64").toString("latin1");
  const { password } = /^[\x21-\x7e]{1,100}?:(?<password>[\x20-\x7e]{4,200})$/.exec(text)?.groups ?? {};
  return password !== undefined && isUsed(password);
}

function isUsed(value: string): boolean {
  return !isPlaceholder(value) && !isReference(value);
}
