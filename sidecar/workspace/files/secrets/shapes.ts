// Finds secrets by the text around them, in forms that gitleaks does not know: keys, addresses, headers, commands.
import { expressionRule, type SecretRule } from "./rule";
import { looksIssued } from "./tokens";
import { isPlaceholder, isReference, looksMadeUp, looksRandom } from "./value";

const keyRules: readonly SecretRule[] = [
  expressionRule(
    "a private key",
    ["private key"],
    /-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----(?:\\[rn]|[\s"'`+,\\>|*#/])*((?:(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash):|[A-Za-z0-9+/]{40})[^-]*)/g,
  ),
  expressionRule("a private key", ["ssh2"], /---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----\s*([\w+/=\s:"]{20,})/g),
  expressionRule("a key of a VPN", ["static key"], /-----BEGIN OpenVPN Static key V1-----\s*([0-9a-f\s]{20,})/g),
  expressionRule("a private key in base64", ["ls0tls1crudjti"], /LS0tLS1CRUdJTi[A-Za-z0-9+/]{40,}={0,2}/g, (value) =>
    Buffer.from(value.slice(0, 80), "base64").toString("latin1").includes("PRIVATE KEY"),
  ),
  expressionRule("a PuTTY key", ["private-lines:"], /Private-Lines: \d+\s+([A-Za-z0-9+/=\s]{20,})/g),
  expressionRule("a private JSON web key", ['"kty"'], /"[dk]"\s*:\s*"([\w-]{40,})"/g, looksIssued),
  expressionRule(
    "a WireGuard key",
    ["privatekey", "presharedkey"],
    /(?:PrivateKey|PresharedKey)\s*=\s*([A-Za-z0-9+/]{43}=)/gi,
    looksIssued,
  ),
  expressionRule(
    "a private key",
    ["mii", "migh", "mc4caqaw"],
    /(?<![\w+/])(?:MII[\w+/]{3}IBA(?:AK|DANBgkqhkiG)|MIGHAgEAMBMGByqGSM49|MC4CAQAwBQYDK2VwBCIEI)[A-Za-z0-9+/]{20}[A-Za-z0-9+/=\s]*/g,
  ),
  expressionRule(
    "an Ansible vault",
    ["$ansible_vault"],
    /\$ANSIBLE_VAULT;\d\.\d;[A-Z0-9]{1,20}(?:;[\w.-]{1,100})?\s+[0-9a-f\s]*/g,
  ),
];

const addressRules: readonly SecretRule[] = [
  expressionRule(
    "an address with a password",
    ["://"],
    /:\/\/([^\s:@/"'`<>]{0,100}):(?<password>[^\s@/"'`<>]{3,200})@(?<host>[^\s"'`<>/:?#]{1,200})/g,
    isAddressPassword,
    "password",
  ),
  expressionRule(
    "an address with a token",
    ["://"],
    /\bhttps?:\/\/(?<token>[\w-]{20,200})(?::x-oauth-basic)?@(?<host>[^\s"'`<>/:?#]{1,200})/g,
    // Addresses of Sentry projects are public.
    (value, match) => looksRandom(value) && !/sentry/i.test(match.groups?.host ?? ""),
    "token",
  ),
  expressionRule("a JSON web token", ["eyj"], /(?<![\w-])eyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{20,}/g, looksIssued),
  expressionRule("a Telegram token", [":aa"], /(?<![\w:])\d{8,10}:AA[\w-]{32,34}(?![\w-])/g, looksIssued),
  expressionRule("a Discord token", [], /(?<![\w.-])[MNO][\w-]{22,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w.-])/g, looksRandom),
  expressionRule("a Mailchimp key", ["-us"], /(?<!\w)[0-9a-f]{32}-us\d{1,2}(?!\w)/g, looksIssued),
  expressionRule(
    "the credentials of a registry",
    ["_auth", "_password"],
    /(?<!\w)_(?:authToken|auth|password)\s*=\s*["']?([^\s"'$]{8,500})/g,
    looksRandom,
  ),
  expressionRule(
    "the credentials of a registry",
    ['"auth"'],
    /"auth"\s*:\s*"([A-Za-z0-9+/= ]{12,2000})"/g,
    (value) => !isPlaceholder(value),
  ),
  expressionRule(
    "the hash of a password",
    ["$apr1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$argon2", "{sha", "{ssha"],
    /\w:[ \t]?(\$(?:apr1|2[aby]|5|6|y|argon2i?d?)\$[./A-Za-z0-9$=,+]{20,500}|\{S?SHA(?:256|512)?\}[A-Za-z0-9+/]{20,500}={0,2})/g,
  ),
  expressionRule(
    "the password of a server",
    ["requirepass", "masterauth"],
    /(?:requirepass|masterauth)\s{1,9}(\S{6,200})/g,
    looksMadeUp,
  ),
  expressionRule(
    "the password of a database",
    [":5432:", ":5433:", ":3306:"],
    /:\d{4}:[\w*-]{1,64}:[\w*-]{1,64}:([^\s:"']{6,100})/g,
    looksMadeUp,
  ),
];

const commandRules: readonly SecretRule[] = [
  expressionRule(
    "the credentials of a header",
    ["authorization"],
    /authorization["'\]]?\s{0,9}[:,=]\s{0,9}["'`]?(?:bearer|token|ssws|api-?key)\s{1,9}([A-Za-z0-9+/=._~-]{16,1000})/gi,
    looksRandom,
  ),
  expressionRule("the credentials of a header", ["basic"], /\bbasic\s{1,9}([A-Za-z0-9+/]{12,1000}={0,2})/gi, isBasic),
  expressionRule(
    "the credentials of a request",
    ["auth"],
    /\bauth\s{0,9}=\s{0,9}\(\s{0,9}["'][^"'\n]{1,100}["']\s{0,9},\s{0,9}["']([^"'\s]{8,200})["']/g,
    looksMadeUp,
  ),
  expressionRule(
    "a password in a command",
    ["securestring"],
    /ConvertTo-SecureString\s{1,9}["']([^"'\s]{8,200})["']/gi,
    looksMadeUp,
  ),
  expressionRule("a Fernet key", ["key"], /\bkey\s{0,9}[:=]\s{0,9}b?["']([\w-]{43}=)["']/gi, looksRandom),
  expressionRule(
    "the password of a machine",
    ["machine"],
    /\bmachine\s{1,9}\S{1,200}\s{1,9}login\s{1,9}\S{1,100}\s{1,9}password\s{1,9}(\S{4,100})/g,
    isUsed,
  ),
  expressionRule(
    "the password of a database",
    ["identified by"],
    /\bidentified\s{1,9}by\s{1,9}["']([^"'\s]{6,200})["']/gi,
    looksMadeUp,
  ),
  expressionRule(
    "a password on a command line",
    ["-u", "--user"],
    /\s(?:-u|--user)[ =]["']?[^\s:"'$]{1,100}:([^\s"'$]{6,200})/g,
    looksMadeUp,
  ),
  expressionRule(
    "a password on a command line",
    ["sshpass", "login", "mysql"],
    /\b(?:sshpass\s{1,9}-p|(?:login|mysql\w{0,9})\s[^\n]{0,80}?\s-p)[ =]?["']?([^\s"'$]{6,200})/g,
    looksMadeUp,
  ),
];

export const shapeRules: readonly SecretRule[] = [...keyRules, ...addressRules, ...commandRules];

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
