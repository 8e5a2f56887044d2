// Finds credentials in a file's text by the shapes that their issuers give them.

/** What was found and where; never the credential itself. */
export interface FoundSecret {
  readonly what: string;
  /** 1-based. */
  readonly line: number;
}

interface Shape {
  readonly what: string;
  /** Begins with one of {@link beginnings}; tried at that place alone. */
  readonly pattern: RegExp;
}

/** How all that {@link shapes} find begins: looked for first, in one pass. */
const beginnings =
  /-----BEGIN |(?<![\w-])(?:(?:AKIA|ASIA)[A-Z2-7]{16}|gh[pousr]_\w{36}|github_pat_|glpat-|xox[abeoprs]-\d|xapp-\d|AIza[\w-]{35}|GOCSPX-|[sr]k_live_|npm_\w{36}|pypi-AgEI|sk-(?:ant|proj|svcacct)-|sk-[A-Za-z0-9]{20}T3Blbk|SG\.[\w-]{22}\.|hf_[A-Za-z]{34}|dop_v1_|shp(?:at|ca|pa|ss)_|eyJ[\w-]{15,}\.eyJ)|(?:SECRET|[sS]ecret)_?(?:ACCESS_|[aA]ccess_?)?(?:KEY|[kK]ey)|hooks\.slack\.com\/services\/|AccountKey=/g;

/** A value that an issuer's documentation shows, or that somebody typed to stand for one. */
const placeholder = /example|placeholder|dummy|sample|your|redacted|changeme|abcdefgh|12345678|01234567|(.)\1{4}/i;
/** A real random value of twenty characters has hardly ever fewer different ones. */
const leastDifferent = 8;

/** The value that must look random is the group `value` or `value2`. */
const shapes: readonly Shape[] = [
  {
    what: "a private key",
    pattern:
      /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\\[rn]|[\s"'`+,\\])*(?:(?:Proc-Type|DEK-Info|Version|Comment):|[A-Za-z0-9+/]{40,})/y,
  },
  { what: "an AWS access key", pattern: /(?<value>(?:AKIA|ASIA)[A-Z2-7]{16})(?![\w])/y },
  {
    what: "a secret access key",
    pattern: /secret_?(?:access_?)?key["']?\s*(?:=>|[:=])\s*["']?(?<value>[A-Za-z0-9/+]{40})(?![\w/+=])/iy,
  },
  {
    what: "a GitHub token",
    pattern: /(?:gh[pousr]_(?<value>[A-Za-z0-9]{36,255})|github_pat_(?<value2>[A-Za-z0-9]{22}_[A-Za-z0-9]{59}))(?!\w)/y,
  },
  { what: "a GitLab token", pattern: /glpat-(?<value>[\w-]{20,})/y },
  {
    what: "a Slack token",
    pattern:
      /(?:xox[abeoprs]-(?:\d-)?(?<value>\d{8,}-[\w-]{16,})|xapp-\d-(?<value2>[A-Z0-9]{8,}-\d{8,}-[a-f0-9]{32,}))/y,
  },
  {
    what: "a Slack webhook",
    pattern: /hooks\.slack\.com\/services\/(?<value>T[A-Z0-9]{8,}\/B[A-Z0-9]{8,}\/[A-Za-z0-9]{24})(?!\w)/y,
  },
  { what: "a Google API key", pattern: /AIza(?<value>[\w-]{35})(?![\w-])/y },
  { what: "a Google OAuth secret", pattern: /GOCSPX-(?<value>[\w-]{28})(?![\w-])/y },
  { what: "a Stripe key", pattern: /[sr]k_live_(?<value>[A-Za-z0-9]{24,})/y },
  { what: "an npm token", pattern: /npm_(?<value>[A-Za-z0-9]{36})(?!\w)/y },
  { what: "a PyPI token", pattern: /pypi-AgEI(?<value>[\w-]{50,})/y },
  {
    what: "an API key of a model provider",
    pattern:
      /sk-(?:(?:ant-(?:api|admin)\d\d|proj|svcacct)-(?<value>[\w-]{40,})|(?<value2>[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})(?!\w))/y,
  },
  { what: "a SendGrid key", pattern: /SG\.(?<value>[\w-]{22}\.[\w-]{43})(?![\w-])/y },
  { what: "a Hugging Face token", pattern: /hf_(?<value>[A-Za-z]{34})(?!\w)/y },
  { what: "a DigitalOcean token", pattern: /dop_v1_(?<value>[a-f0-9]{64})(?!\w)/y },
  { what: "a Shopify token", pattern: /shp(?:at|ca|pa|ss)_(?<value>[a-fA-F0-9]{32})(?!\w)/y },
  { what: "an Azure storage key", pattern: /AccountKey=(?<value>[A-Za-z0-9+/]{86}==)/y },
  { what: "a JSON web token", pattern: /(?<value>eyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{20,})/y },
];

/** Base64 of what introductions to JSON web tokens encode, and the storage emulator's key, the same for everybody. */
const wellKnown = [
  "eyJzdWIiOiIxMjM0NTY3ODkwI",
  "eyJzb21lIjoicGF5bG9hZCJ9",
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",
];

/** The first credential in `text`, if there is one. Placeholders and values that documentation shows do not count. */
export function findSecret(text: string): FoundSecret | undefined {
  for (const { index } of text.matchAll(beginnings)) {
    for (const { what, pattern } of shapes) {
      pattern.lastIndex = index;
      const found = pattern.exec(text);
      if (found === null) continue;
      const value = found.groups?.value ?? found.groups?.value2;
      if (value === undefined || looksRandom(value)) return { what, line: lineAt(text, index) };
    }
  }
  return undefined;
}

function looksRandom(value: string): boolean {
  return (
    new Set(value).size >= leastDifferent &&
    !placeholder.test(value) &&
    !wellKnown.some((known) => value.includes(known))
  );
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < index; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
