// Writes gitleaks-rules.json from the rules of gitleaks: node scripts/secrets/gitleaks-rules.mjs GITLEAKS_TOML VERSION

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";
import * as v from "valibot";
import { toJavaScript } from "./re2.mjs";

const target = join(
  dirname(fileURLToPath(import.meta.url)),
  "../../sidecar/workspace/files/secrets/gitleaks-rules.json",
);

/** Rules that are not included, with the reason. @type {Readonly<Record<string, string>>} */
const notTaken = {
  "curl-auth-header": "takes quadratic time on long lines; own-rules.json finds the header wherever it stands",
  "curl-auth-user": "takes quadratic time on long lines; own-rules.json finds the option",
  "private-key": "asks for the end of the key; own-rules.json finds keys that are cut off, and more kinds of them",
  "kubernetes-secret-yaml": "misses stringData and takes templates; kubernetes.ts reads the manifest",
  "pkcs12-file": "a rule on names; names.ts has them",
  "sourcegraph-access-token": "takes every commit's hash in a file that names the product",
  "vault-service-token": 'takes any 24 characters behind "s."; own-rules.json has the prefix "hvs."',
  "generic-api-key": "takes what stands behind any word that holds api, auth or key; assignments.ts reads the names",
  jwt: "own-rules.json has it, without the token that introductions show",
  "flutterwave-public-key": "public",
  "mapbox-api-token": "public: those that are secret begin with sk",
};
/** Ids of accounts and applications, which are part of public addresses. */
const publicId = /-(client|access)-id$/;

/** Example keys in allow lists, which other scanners would report in this repository. */
const isKey = /^AIza/;
/** Writes well-known example tokens so that other scanners do not report them in this repository. */
const unlikeToken = (/** @type {string} */ regex) => regex.replace("bedrock-api-key-", "bedrock-api[-]key-");

/** The part of a rule before its keyword. The keyword is searched first, and this part is matched backwards from it. */
const lead = String.raw`[\w.-]{0,50}?`;

const allowSchema = v.object({
  regexes: v.optional(v.array(v.string()), []),
  stopwords: v.optional(v.array(v.string()), []),
  regexTarget: v.optional(v.picklist(["secret", "match", "line"]), "secret"),
  condition: v.optional(v.picklist(["OR", "AND"]), "OR"),
});
const ruleSchema = v.object({
  id: v.string(),
  regex: v.optional(v.string(), ""),
  entropy: v.optional(v.number()),
  keywords: v.optional(v.array(v.string()), []),
  secretGroup: v.optional(v.number()),
  path: v.optional(v.string()),
  allowlists: v.optional(v.array(allowSchema)),
});
const configurationSchema = v.object({ rules: v.array(ruleSchema), allowlist: allowSchema });

/** @param {v.InferOutput<typeof ruleSchema>} rule */
function ruleOf({ id, regex, entropy, keywords, secretGroup, allowlists, path }) {
  const isNamed = regex.startsWith(`(?i)${lead}`) || regex.startsWith(lead);
  return {
    id,
    pattern: toJavaScript(isNamed ? regex.replaceAll(lead, "") : unlikeToken(regex)),
    ...(isNamed && { named: true }),
    ...(entropy !== undefined && { entropy }),
    ...(secretGroup !== undefined && { group: secretGroup }),
    ...(path !== undefined && { path: toJavaScript(path) }),
    keywords,
    ...(allowlists !== undefined && { allow: allowlists.flatMap(allowOf) }),
  };
}

/**
 * Paths are ignored, because the index decides which files are read. Allow lists for some paths only are ignored too.
 * @param {v.InferOutput<typeof allowSchema>} list
 */
function allowOf({ regexes, stopwords, regexTarget, condition }) {
  if (condition === "AND" || regexes.length + stopwords.length === 0) return [];
  const target = regexTarget === "secret" ? {} : { target: regexTarget };
  return [
    {
      patterns: regexes.filter((regex) => !isKey.test(regex)).map(toJavaScript),
      words: stopwords.map((word) => word.toLowerCase()),
      ...target,
    },
  ];
}

const [source, version] = process.argv.slice(2);
if (source === undefined || version === undefined)
  throw new Error("expected the path of gitleaks.toml and its version, found fewer arguments: give both");
const text = readFileSync(source, "utf8");
const { rules, allowlist } = v.parse(configurationSchema, parse(text));
const taken = rules.filter(({ id }) => !(id in notTaken) && !publicId.test(id));
const data = {
  source: `gitleaks ${version}, config/gitleaks.toml`,
  sha256: createHash("sha256").update(text).digest("hex"),
  allow: allowOf(allowlist),
  rules: taken.map(ruleOf),
};
// An invalid expression is reported here, not when a text is first searched.
for (const { pattern } of data.rules) RegExp(pattern, "g");
writeFileSync(target, `${JSON.stringify(data, undefined, 1)}\n`);
process.stdout.write(`${data.rules.length} of ${rules.length} rules written to ${target}\n`);
