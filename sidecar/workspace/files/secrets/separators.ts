// Separators between the name of a credential and its value, in code, configuration, markup and commands.

/** Quotes, brackets and Markdown's asterisks after a name. */
const closing = "[\"'`\\])*]{0,4}";
const blank = "[ \\t]{0,20}";

function separator(pattern: string): RegExp {
  return new RegExp(pattern, "y");
}

/** After these, any value that looks like a secret is one. Every repetition is bounded, so that the time for one name is too. */
export const separators: readonly RegExp[] = [
  // k: v, k = v, "k" => v, k := v, **k:** v; the value may be on the next line.
  separator(`${closing}${blank}(?:=>|:=|\\?=|\\|\\|=|\\+=|={1,3}|:)\\*{0,2}${blank}(?:\\\\?\\r?\\n[ \\t]{0,40})?`),
  // k: |⏎ v
  separator(`${blank}:${blank}[|>][-+]?\\d?${blank}\\r?\\n[ \\t]{1,40}`),
  // const k: string = v, const k string = v
  separator("[ \\t]{0,4}:[ \\t]{0,4}&?(?:'static )?[A-Za-z][\\w.<>[\\]|? ]{0,30}=[ \\t]{0,4}"),
  separator("[ \\t]{1,4}(?:string|str|String)[ \\t]{1,4}=[ \\t]{0,4}"),
  // define("k", v), setenv('k', v)
  separator(`["'\`]${blank},${blank}`),
  // <k>v</k>, <string name="k">v</string>, <key>k</key><string>v</string>
  separator("[\"']?[ \\t]{0,4}(?:</[\\w-]{1,30}>\\s{0,80}<[\\w-]{1,30})?>\\s{0,20}"),
  // name="k" value="v", - name: k⏎ value: v
  separator("[\"']?\\s{1,40}(?:value|default)[\"']?\\s{0,4}[=:]\\s{0,4}"),
  // variable "k" { default = v }
  separator("[\"']\\s{0,4}\\{[^}]{0,200}?default\\s{0,20}=\\s{0,4}"),
];

/** After these, only long random values are secrets: ordinary words are common here. */
export const looseSeparators: readonly RegExp[] = [
  // env("k") || v, env.k ?? v, get("k") or v
  separator(`${closing}${blank}(?:\\|\\||\\?\\?|\\?:|or)[ \\t]{1,4}`),
  // k = env("x") || v
  separator(
    `${closing}${blank}[:=]${blank}[\\w.]{1,40}[[(]["'][^"'\\n]{1,60}["'][\\])]${blank}(?:\\|\\||\\?\\?|or)[ \\t]{1,4}`,
  ),
  // k = decode(v)
  separator(`${closing}${blank}[:=]${blank}(?:new )?[\\w.]{1,40}\\(${blank}`),
  // option("--k", help="x", default=v)
  separator(`["']\\s{0,4},\\s{0,40}(?:\\w{1,30}\\s{0,4}=[^,\\n]{0,60},\\s{0,40}){0,3}default\\s{0,4}=\\s{0,4}`),
];

/** ENV k v, --k v, setx k "v", #define k "v", PASSWORD 'v'. */
export const space = /[ \t]{1,20}/y;

/** The end of a sticky pattern's match at an index; undefined when it does not match. */
export function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
