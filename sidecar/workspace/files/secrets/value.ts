// Distinguishes secret values from placeholders, words, names and references.

/** What people write in the place of a secret. */
const placeholder =
  /example|placeholder|dummy|sample|redacted|change.?(?:me|it|this)|replace|insert|your[-_ ]|your(?:api|secret|pass|token|key)|to-?do\b|fixme|lorem|abcdefgh|12345678|01234567|98765432|deadbeef|cafebabe|xxxx|\*\*\*|\.\.\.|…|<[\w -]{2,60}>|\$\{\w|\{\{|\$\([\w ./-]+\)|%[A-Z_]{3,40}%|#\{\w|\(\?[:=!<]|\[[^\]]{0,80}(?:0-9|a-z)|(.)\1{5}/i;

/** Example passwords of documentation and tests, longer ones first. */
const sampleWords = (
  "password passphrase passcode passwd passw0rd pass pwd secret token apikey key credentials credential cred username user " +
  "administrator admin root guest testing tester tests test demo postgresql postgres mysql mongodb mongo redis rabbitmq oracle " +
  "hunter letmein welcome qwerty abcdef abcd abc foo bar baz qux none null undefined true false string value data hello world " +
  "temp production prod development dev local staging required optional disabled enabled changed unset empty my the some this is not " +
  "super top very wrong bad good invalid valid fake mock old new current initial correct plain hashed db default secure strong a"
)
  .split(" ")
  .sort((a, b) => b.length - a.length);
const leet: Readonly<Record<string, string>> = { "0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "@": "a", $: "s" };

/** Whether a value is a placeholder. */
export function isPlaceholder(value: string): boolean {
  return (
    placeholder.test(value) ||
    isMadeOfSampleWords(value) ||
    isMadeOfSampleWords(value.replace(/[013450@$]/g, (sign) => leet[sign] ?? sign))
  );
}

function isMadeOfSampleWords(value: string): boolean {
  if ((value.match(/\d/g)?.length ?? 0) > 6) return false;
  let rest = value.toLowerCase().replace(/[^a-z]/g, "");
  if (rest.length > 40) return false;
  while (rest !== "") {
    const word = sampleWords.find((each) => rest.startsWith(each));
    if (word === undefined) return false;
    rest = rest.slice(word.length);
  }
  return true;
}

/** Entropy in bits per character (Shannon, 1948). */
export function entropyOf(value: string): number {
  const counts = new Map<string, number>();
  for (const character of value) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / value.length) * Math.log2(count / value.length);
  return bits;
}

/** Words and numbers with separators, as in names, versions, dates and paths. */
const nameLike = /^[-_.:/ ]?(?:[a-z]+\d{0,4}|\d{1,4})(?:[-_.:/ ]+(?:[a-z]+\d{0,4}|\d{1,4}))+$/i;
/** The address of an account or contract, which is public. */
const publicAddress = /^0x[0-9a-f]{40}$/i;
/** Random values hardly ever have a larger share of their letters in runs that could be words. */
const maxWordShare = 0.8;
const minLengthByDigits = 12;
const minLengthWithoutDigits = 20;

/** Whether a value looks random: digits among letters, few repeated characters, and not composed of words. */
export function looksRandom(value: string): boolean {
  if (!/[a-z]/i.test(value) || isPlaceholder(value)) return false;
  if (!/\d/.test(value))
    return value.length >= minLengthWithoutDigits && /^[A-Za-z+/=]+$/.test(value) && wordShareOf(value) < 0.4;
  if (new Set(value).size < Math.min(8, value.length * 0.6)) return false;
  if (nameLike.test(value) || publicAddress.test(value)) return false;
  const digitGroups = value.match(/\d+/g)?.length ?? 0;
  // Names have digits only at the end of their parts.
  if (value.length >= minLengthByDigits && digitGroups >= (/[-_.:/]/.test(value) ? 4 : 3)) return true;
  return wordShareOf(value) <= maxWordShare;
}

/** The share of a value's letters in runs that could be words. */
function wordShareOf(value: string): number {
  const letters = value.replace(/[^a-z]/gi, "").length;
  const inWords = (value.match(/[A-Z][a-z]{2,}|[a-z]{3,}|[A-Z]{4,}/g) ?? []).filter(isWordLike).join("").length;
  return inWords / letters;
}

function isWordLike(run: string): boolean {
  return /[aeiouy]/i.test(run) && !/[^aeiouy]{4}/i.test(run);
}

/** Whether a value looks like a password that a person made up: letters, digits and signs, or capitals inside. */
export function looksMadeUp(value: string): boolean {
  if (value.length < 8 || !/\d/.test(value) || !/[a-z]/i.test(value) || isPlaceholder(value)) return false;
  if (nameLike.test(value) || isReference(value)) return false;
  // "LongEnoughPassword1" is what tests and documentation type.
  if (/passw|secret|token|test/i.test(value) && wordShareOf(value) > maxWordShare) return false;
  return /[!@#$%^&*?+=~]/.test(value) || (/[a-z]/.test(value) && /[A-Z]/.test(value)) || looksRandom(value);
}

/** Example JSON web tokens of documentation, in base64, and the public key of Azure's storage emulator. */
const wellKnown = [
  "eyJzdWIiOiIxMjM0NTY3ODkwI",
  "eyJzb21lIjoicGF5bG9hZCJ9",
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",
];
const minDifferent = 8;

/** Whether a value looks issued by a service: it may have no digits, but its characters vary. */
export function looksIssued(value: string): boolean {
  return (
    new Set(value).size >= minDifferent &&
    !isPlaceholder(value) &&
    (/\d/.test(value) || (/[a-z]/.test(value) && /[A-Z]/.test(value))) &&
    !wellKnown.some((known) => value.includes(known))
  );
}

/** Whether a value is a reference: a variable, a call, a template, an address. */
export function isReference(value: string): boolean {
  return /\{[^}]*\}|<[^>]*>|^[\w.]+\(.*\)$|=>|^[$&]\w+$|^[!@]\w+ |^(?:op|vault|arn|urn|env|ref|ssm|secret|secretsmanager|keyvault|file|https?|ftp|data):/i.test(
    value,
  );
}
