// Finds tokens by their prefix, where gitleaks has no rule or one for a single length only.
import { expressionRule, type SecretRule } from "./rule";
import { isPlaceholder } from "./value";

interface TokenKind {
  readonly what: string;
  /** In lower case; every such token begins with one of them. */
  readonly keywords: readonly string[];
  readonly prefix: string;
  /** What follows the prefix. */
  readonly rest: string;
}

const kinds: readonly TokenKind[] = [
  kind("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", "gh[pousr]_", "[A-Za-z0-9]{30,255}"),
  kind("a GitHub token", "github_pat_", "github_pat_", "\\w{40,255}"),
  kind(
    "a GitLab token",
    "glpat- gldt- glft- glrt- glptt- glsoat- glimt- glagent- glcbt- gloas- glffct-",
    "gl(?:pat|dt|ft|rt|ptt|soat|imt|agent|cbt|oas|ffct)-",
    "[\\w.-]{18,300}",
  ),
  kind("a Slack token", "xox", "xox[a-z]-(?:\\d-)?\\d{8,}-", "[\\w-]{16,255}"),
  kind("a Slack token", "xapp-", "xapp-\\d-[A-Z0-9]{8,}-\\d{8,}-", "[a-f0-9]{32,255}"),
  kind("a Stripe key", "sk_ rk_", "[sr]k_(?:live|test|prod)_", "[A-Za-z0-9]{16,255}"),
  kind("a Stripe webhook secret", "whsec_", "whsec_", "[A-Za-z0-9+/]{24,100}"),
  kind("a Square token", "sq0 eaaa", "(?:sq0(?:atp|csp)-|EAAA)", "[\\w-]{22,100}"),
  kind("a key of a model provider", "sk-", "sk-(?:ant-|proj-|svcacct-|admin-|or-v1-|lf-)", "[\\w-]{24,255}"),
  kind(
    "a key of a model provider",
    "sk-",
    "sk-",
    "(?:[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|[a-f0-9]{32}|[A-Za-z0-9]{48})",
  ),
  kind(
    "a key of a model provider",
    "gsk_ pplx- xai- r8_ nvapi- pcsk_ lsv2_ tgp_v1_ jina_",
    "(?:gsk_|pplx-|xai-|r8_|nvapi-|pcsk_|lsv2_(?:pt|sk)_|tgp_v1_|jina_)",
    "[\\w-]{24,255}",
  ),
  kind("a Hugging Face token", "hf_ api_org_", "(?:hf|api_org)_", "[A-Za-z0-9]{30,40}"),
  kind("a Google API key", "aiza", "AIza", "[\\w-]{35}"),
  kind("a Google OAuth secret", "gocspx-", "GOCSPX-", "[\\w-]{20,40}"),
  kind("a Google token", "ya29.", "ya29\\.", "[\\w-]{20,500}"),
  kind("a Google token", "1//0", "1//0", "[\\w-]{40,200}"),
  kind("a Firebase key", "aaaa", "AAAA[\\w-]{7}:", "[\\w-]{100,200}"),
  kind("an AWS access key", "akia asia abia acca", "(?:AKIA|ASIA|ABIA|ACCA)", "[A-Z2-7]{16}"),
  kind("a Vault token", "hvs. hvr. hvb.", "hv[sbr]\\.", "[\\w-]{20,300}"),
  kind("a Docker Hub token", "dckr_", "dckr_(?:pat|oat)_", "[\\w-]{20,60}"),
  kind("an npm token", "npm_", "npm_", "[A-Za-z0-9]{36}"),
  kind("a PyPI token", "pypi-age", "pypi-", "AgE[\\w-]{50,300}"),
  kind("a NuGet key", "oy2", "oy2", "[a-z0-9]{43}"),
  kind("a crates.io token", "cio", "cio", "[A-Za-z0-9]{32}"),
  kind(
    "a token of a hosting service",
    "doo_ dop_ dor_ dp. nfp_ nfc_ rnd_ vcp_ fo1_ sbp_ sb_secret_ pscale_ hrku-",
    "(?:do[opr]_v1_|dp\\.(?:pt|st|ct|sa|scim|audit)\\.|nfp_|nfc_|rnd_|vcp_|fo1_|sbp_|sb_secret_|pscale_(?:pw|tkn|oauth)_|HRKU-)",
    "[\\w.-]{24,255}",
  ),
  kind(
    "a token of a build service",
    "ccipat_ bkua_ sqp_ squ_ sqa_ glsa_ glc_ pul- tskey- nrak- sntrys_ sntryu_ snyk_ dapi",
    "(?:CCIPAT_|bkua_|sq[pua]_|glsa_|glc_|pul-|tskey-(?:auth|api|client|scim|webhook)-|NRAK-|sntry[us]_|snyk_\\w{3}_|dapi)",
    "[\\w+/=.-]{24,400}",
  ),
  kind(
    "a token of a web service",
    "lin_ ntn_ figd_ pmak- cfpat- shpat_ shpca_ shppa_ shpss_ sg. xkeysib- atatt3 atctt3 atbb pat-na pat-eu rubygems_ ops_eyj",
    "(?:lin_api_|lin_oauth_|ntn_|figd_|PMAK-|CFPAT-|shp(?:at|ca|pa|ss)_|SG\\.|xkeysib-|ATATT3|ATCTT3|ATBB|pat-(?:na|eu)\\d-|rubygems_|ops_eyJ)",
    "[\\w=.+/-]{24,500}",
  ),
  kind("a Notion token", "secret_", "secret_", "[A-Za-z0-9]{43}"),
  kind("an Airtable token", "pat", "pat[A-Za-z0-9]{14}\\.", "[a-f0-9]{64}"),
  kind("a Braintree token", "access_token$", "access_token\\$production\\$[0-9a-z]{16}\\$", "[0-9a-f]{32}"),
  kind("a Tencent key", "akid", "AKID", "[A-Za-z0-9]{32}"),
  kind("a Mailgun key", "key-", "key-", "[a-f0-9]{32}"),
  kind("a Twilio key", "sk", "SK", "[a-f0-9]{32}"),
  kind("a Slack webhook", "hooks.slack.com", "hooks\\.slack\\.com/(?:services|workflows|triggers)/", "[\\w/]{40,80}"),
  kind("a Discord webhook", "/api/webhooks/", "/api/webhooks/\\d{16,20}/", "[\\w-]{50,90}"),
  kind("a Teams webhook", "webhookb2", "webhook\\.office\\.com/webhookb2/", "[\\w@/-]{80,250}"),
  kind("an Azure key", "accountkey sharedaccesskey", "(?:AccountKey|SharedAccessKey)=", "[A-Za-z0-9+/]{40,90}={0,2}"),
  kind("an Azure shared access signature", "sig=", "[?&]sig=", "[A-Za-z0-9%+/]{40,100}(?:%3D|=)?"),
];

function kind(what: string, keywords: string, prefix: string, rest: string): TokenKind {
  return { what, keywords: keywords.split(" "), prefix, rest };
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

/** What must not be right before a token: the rest of a word, or of base64 when the prefix could be part of it. */
function beginningOf(prefix: string): string {
  if (/^[[/?&]|^hooks|^webhook/.test(prefix)) return "";
  return /[A-Za-z0-9)]$/.test(prefix) ? "(?<![\\w+/-])" : "(?<![\\w-])";
}

export const tokenRules: readonly SecretRule[] = kinds.map(({ what, keywords, prefix, rest }) =>
  expressionRule(
    what,
    keywords,
    new RegExp(`${beginningOf(prefix)}${prefix}(?<rest>${rest})(?![A-Za-z0-9])`, "g"),
    (_, match) => looksIssued(match.groups?.rest ?? ""),
    0,
  ),
);
