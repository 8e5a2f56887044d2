// Finds values assigned to names of credentials, in code, configuration, markup and commands.
import type { SecretRule, Span } from "./rule";
import { endOf, looseSeparators, separators, space } from "./separators";
import { isReference, looksMadeUp, looksRandom } from "./value";

const passwords =
  "pass(?:word|wd|phrase|code|wort)?|passe|kennwort|contrase[nñ]a|senha|(?:(?<![A-Za-z])|bind|root)pw|pwd|psk";
const keys =
  "(?:api|access|private|secret|auth|signing|encryption|account|admin|master|app|client|consumer|subscription|service|shared|storage|licen[sc]e|session|jwt|hmac|crypt|cipher|deploy|write|ingest(?:ion)?|bot|root|pass)[-_ ]?key";
/** Words that may follow in a name. */
const endings =
  "key|base|value|text|plain|b64|base64|prod|production|staging|stage|dev|live|test|local|main|primary|secondary|default|\\d{1,2}";
const name = new RegExp(
  `(?:(?:${passwords}|secret|credential)s?|token|bearer|(?<=[_.-])pat|${keys})(?:[-_]?(?:${endings})){0,2}(?![A-Za-z0-9_])`,
  "gi",
);
const isPasswordName = new RegExp(`^(?:${passwords})(?!.?key)`, "i");
/** Words before names that look alike and are not credentials. */
const publicNames =
  /(?:csrf|xsrf|public|public[-_]?key|pub|next|page|paging|continuation|cursor|sync|eos|bos|pad|unk|sep|cls|mask|cancel(?:lation)?|stop|start|end|special|image|first|last|previous|prev|line|lex|parse|current|contract|primary|foreign|partition|sort|cache|bypass|com|sur|tres)[-_.]?$/i;
/** Beginnings of words that end in "pass" and mean a password; others, such as "compass", do not. */
const compounds = /(?:^|[^A-Za-z]|db|user|my|smtp|mail|ftp|admin|root|sql|wifi|ssh|http)$/i;
/** Before a name whose value follows after a blank: options, instructions of Dockerfiles, commands that set variables. */
const valueFollowsBlank = /(?:^|\s)--?[\w-]*$|(?:^|\n)\s*(?:ENV|ARG)\s+\w*$|\bset\s+[\w.-]*$/;
/** Characters before a name that are taken into account. */
const contextBefore = 40;

const quoted =
  /(?:@|rb?|b|f|u|R|B)?(?:\\?"(?<double>[^"\n]{6,256}?)\\?"|'(?<single>[^'\n]{6,256})'|`(?<back>[^`\n]{6,256})`)/y;
const unquoted = /[^\s"'`,;&<>(){}[\]]{8,256}(?=[\s"'`,;&<]|$)/y;
/** Members of objects and shell variables: references to a value instead of the value. */
const plainReference = /^[$%&!@~*]|^[a-z_$]\w*(?:(?:\.|->|::|\?\.)[a-z_$]\w*)+$/i;

export const assignmentRule: SecretRule = {
  what: "a password or key given to its name",
  keywords: "pass pw psk secret token bearer pat key credential kennwort contrase senha".split(" "),
  *find(text) {
    for (const match of text.matchAll(name)) {
      const before = text.slice(Math.max(0, match.index - contextBefore), match.index);
      if (publicNames.test(before) || isEndOfWord(match[0], before)) continue;
      const isPassword = isPasswordName.test(match[0]);
      const span = valueAfter(text, match.index + match[0].length, before, isPassword ? isPasswordValue : isKeyValue);
      if (span !== undefined) yield span;
    }
  },
};

function isEndOfWord(found: string, before: string): boolean {
  return /^(?:pass|pwd)$/.test(found) && !compounds.test(before);
}

/** @param isQuoted whether the value is in quotes: names and types are not */
type IsSecret = (value: string, isQuoted: boolean) => boolean;

const isPasswordValue: IsSecret = (value, isQuoted) =>
  isQuoted || /[!@#$%^&*?+~]|[A-Za-z0-9]=$/.test(value) ? looksMadeUp(value) : isKeyValue(value, isQuoted);
/** Shorter values are seldom random. */
const minLength = 10;
const isKeyValue: IsSecret = (value) => value.length >= minLength && looksRandom(value);
const minLooseLength = 16;
const isLooseValue: IsSecret = (value, isQuoted) => isQuoted && value.length >= minLooseLength && looksRandom(value);

/** The secret that follows a name which ends at `at`. */
function valueAfter(text: string, at: number, before: string, isSecretValue: IsSecret): Span | undefined {
  for (const [list, isSecret] of [[separators, isSecretValue] as const, [looseSeparators, isLooseValue] as const]) {
    for (const separator of list) {
      const end = endOf(separator, text, at);
      const found = end === undefined ? undefined : valueAt(text, end, isSecret);
      if (found !== undefined) return found;
    }
  }
  const end = endOf(space, text, at);
  // In "Pass `x`" the value is the argument of a sentence.
  if (end === undefined || text[end] === "`" || /\bpass$/i.test(text.slice(Math.max(0, at - 5), at))) return undefined;
  return valueAt(
    text,
    end,
    valueFollowsBlank.test(before) ? isSecretValue : (value, isQuoted) => isQuoted && isSecretValue(value, true),
  );
}

function valueAt(text: string, at: number, isSecret: IsSecret): Span | undefined {
  quoted.lastIndex = at;
  const inQuotes = quoted.exec(text);
  unquoted.lastIndex = at;
  const value =
    inQuotes === null
      ? unquoted.exec(text)?.[0]
      : Object.values(inQuotes.groups ?? {}).find((each) => each !== undefined);
  if (value === undefined || /\s/.test(value) || isReference(value)) return undefined;
  if (inQuotes === null && plainReference.test(value)) return undefined;
  const start = at + (inQuotes?.[0].indexOf(value) ?? 0);
  return isSecret(value, inQuotes !== null) ? { start, end: start + value.length } : undefined;
}
