// Values that are given to what is named like a credential, in code, configuration, markup and commands.
import type { SecretRule, Span } from "./rule";
import { isReference, looksMadeUp, looksRandom } from "./value";

/** Names of credentials, and what may follow inside the name. */
const name =
  /(?<kind>pass(?:word|wd|phrase|code)?|pwd|secret|token|credentials?|api[-_]?secret|(?:api|access|private|secret|auth|signing|encryption|account|admin|master|app|client|service|shared|storage|license|session|jwt|hmac|crypt|cipher|deploy)[-_]?key)s?(?:[-_]?(?:key|base|value|text|plain|b64|base64|prod|production|staging|stage|dev|live|test|local|main|primary|secondary|default|\d{1,2})){0,2}(?![A-Za-z0-9_])/gi;
/** Names that end alike and are no credentials. */
const publicNames =
  /(?:csrf|xsrf|public|public[-_]?key|pub|next|page|paging|continuation|cursor|sync|eos|bos|pad|unk|sep|cls|mask|cancel(?:lation)?|stop|start|end|special|image|first|last|previous|prev|line|lex|parse|current|contract|primary|foreign|partition|sort|cache|bypass|com|sur|tres)[-_.]?$/i;

/** Between a name and its value. */
const separators: readonly RegExp[] = [
  // K: V, k = v, "k" => v, const k: string = v, const k string = v; brackets and quotes of the name before it.
  /["'`\])]{0,3}[ \t]{0,20}(?::[ \t]{0,4}&?(?:'static )?[A-Za-z][\w.<>[\]|? ]{0,30}=|(?:string|str|String)[ \t]{1,4}=|=>|:=|\?=|\|\|=|\+=|==?=?|:)[ \t]{0,20}(?:\\?\n[ \t]{0,40})?/y,
  // define("K", "v"), setenv('K', 'v')
  /["'`][ \t]{0,20},[ \t]{0,20}/y,
  // <k>v</k>, <key>k</key><string>v</string>
  /(?:<\/\w{1,20}>\s{0,40}<\w{1,20})?>\s{0,20}/y,
  // name="k" value="v", - name: K\n  value: v
  /["']?\s{1,40}(?:value|default)["']?\s{0,4}[=:]\s{0,4}/y,
  // variable "k" { default = "v" }
  /["']\s{0,4}\{[^}]{0,200}?default\s{0,20}=\s{0,4}/y,
];
/** ENV K v, --k v, setx K "v", #define K "v", PASSWORD 'v', IDENTIFIED BY 'v'. */
const space = /[ \t]{1,20}/y;
const quoted =
  /(?:@|rb?|b|f|u|R|B)?(?:\\?"(?<double>[^"\n]{6,256}?)\\?"|'(?<single>[^'\n]{6,256})'|`(?<back>[^`\n]{6,256})`)/y;
const unquoted = /[^\s"'`,;&<>(){}[\]]{8,256}(?=[\s"'`,;&<]|$)/y;

export const assignmentRule: SecretRule = {
  what: "a password or key given to its name",
  keywords: ["pass", "pwd", "secret", "token", "key", "credential"],
  *find(text) {
    for (const match of text.matchAll(name)) {
      const before = text.slice(Math.max(0, match.index - 40), match.index);
      const isPassword = /^(?:pass|pwd)/i.test(match[0]);
      if (/[A-Za-z]$/.test(before) && !/^[A-Z]/.test(match[0]) && match[0] !== match[0].toUpperCase()) {
        // "compass", "bypass": a word that ends alike. Names in small letters go together, as in "dbpassword".
        if (
          /^(?:pass|pwd)$/i.test(match[0]) &&
          !/(?:db|user|my|smtp|mail|ftp|admin|root|sql|wifi|ssh|http)$/i.test(before)
        )
          continue;
      }
      if (publicNames.test(before)) continue;
      const span = valueAfter(text, match.index + match[0].length, before, isPassword);
      if (span !== undefined) yield span;
    }
  },
};

function valueAfter(text: string, at: number, before: string, isPassword: boolean): Span | undefined {
  for (const separator of separators) {
    const end = endOf(separator, text, at);
    const found = end === undefined ? undefined : valueAt(text, end, isPassword);
    if (found !== undefined) return found;
  }
  const end = endOf(space, text, at);
  // "Pass `x`" is a sentence.
  if (end === undefined || text[end] === "`" || /\bpass$/i.test(text.slice(Math.max(0, at - 5), at))) return undefined;
  const isOption = /(?:^|\s)--?[\w-]*$/.test(before) || /(?:^|\n)\s*(?:ENV|ARG)\s+\w*$/.test(before);
  return valueAt(text, end, isPassword, isOption);
}

function valueAt(text: string, at: number, isPassword: boolean, allowPlain = true): Span | undefined {
  quoted.lastIndex = at;
  const inQuotes = quoted.exec(text);
  if (inQuotes !== null) {
    const { double, single, back } = inQuotes.groups ?? {};
    const value = double ?? single ?? back ?? "";
    const start = at + inQuotes[0].indexOf(value);
    return isSecret(value, isPassword) ? { start, end: start + value.length } : undefined;
  }
  if (!allowPlain) return undefined;
  unquoted.lastIndex = at;
  const value = unquoted.exec(text)?.[0];
  // Names of what holds the value: members, constants.
  if (value === undefined || /^[$%&!@~*]/.test(value) || /^[a-z_$]\w*(?:(?:\.|->|::|\?\.)[a-z_$]\w*)+$/i.test(value))
    return undefined;
  // Types and names stand without quotes as well.
  const isPasswordWithSigns = isPassword && /[!@#$%^&*?+=~]/.test(value);
  return isSecret(value, isPasswordWithSigns) ? { start: at, end: at + value.length } : undefined;
}

/** Shorter ones are seldom drawn at random. */
const minLength = 10;

function isSecret(value: string, isPassword: boolean): boolean {
  if (/\s/.test(value) || isReference(value)) return false;
  return isPassword ? looksMadeUp(value) : value.length >= minLength && looksRandom(value);
}

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
