// Decides by the path of a file or folder whether it holds keys or credentials.

/** Templates hold placeholders instead of secrets. */
const template =
  /(?:^|[._-])(?:example|sample|template|tmpl|tpl|dist|defaults|schema|skel|skeleton|stub|placeholder)(?:$|[._-])/;
/** Files with these extensions are code or documentation about credentials, whatever the rest of the name. */
const sourceExtension =
  /\.(?:[cm]?[jt]sx?|vue|svelte|py|pyi|go|rs|java|kts?|scala|groovy|swift|m|mm|cc?|cpp|cxx|h|hh|hpp|cs|fs|vb|rb|erb|php|pl|pm|lua|r|jl|dart|exs?|erl|hs|clj|sol|zig|nim|sh|bash|ps1|bat|sql|tf|hcl|proto|graphql|html?|css|scss|md|mdx|rst|adoc|asciidoc|ipynb|map|pub|crt|cer|csr)$/;
/** Extensions of settings, or none. */
const dataExtension =
  "(?:\\.(?:json|ya?ml|toml|ini|cfg|conf|config|xml|properties|txt|csv|env|plist|enc|enc\\.ya?ml|db))?";

function wordsWith(word: string): RegExp {
  return new RegExp(`^\\.?(?:.*[._-])?(?:${word})(?:[._-].*)?${dataExtension}$`);
}

/** Translations of a program's messages, some of them about credentials. */
const translation =
  /(?:^|\/)(?:i18n|l10n|locales?|lang|languages|translations|messages)\/(?:.*\/)?[^/]+\.(?:json|ya?ml|properties|toml|ini)$/;
/** Public keys. */
const publicKey = /(?:^|[._-])pub(?:lic)?(?:[._-]?key)?\.(?:pem|asc|gpg|key)$/;

/** Names of secrets, in lower case. Files with a source's extension or a template's name are not among them. */
const names: readonly RegExp[] = [
  // Environment variables.
  /^\.env(?:rc)?(?:[._-].+)?~?$|[^/]\.env$|^env[._-](?:local|prod|production|stag|stage|staging|dev|development|live|qa|uat|secret|secrets)(?:\..+)?$/,
  /^\.(?:dev\.vars|flaskenv|renviron)(?:\..+)?$/,
  // Keys and key stores.
  /^(?:.*[._-])?id_(?:rsa|dsa|ecdsa|ed25519)(?:[._-].*)?$|_(?:rsa|dsa|ecdsa|ed25519)$|^ssh_host_\w+_key$/,
  /^(?:.*[._-])?priv(?:ate)?[-_]?key(?:[._-].*)?$/,
  /\.(?:pem|key|p8|p12|pfx|pvk|snk|pkcs8|pkcs12|jks|jceks|bks|keystore|truststore|keytab|kdbx?|ppk|gpg|pgp|agekey|ovpn|mobileprovision|keychain(?:-db)?|kwallet|psafe3)$/,
  /(?:secret|private|sec|priv)[\w.-]*\.asc$|^(?:sec|pub)ring\.\w+$/,
  // Infrastructure.
  /\.(?:tfvars|tfstate)(?:\.json|\.backup)?$|^\.terraformrc$|\.tfrc(?:\.json)?$/,
  /^kubeconfig(?:[._-].*)?$|\.kubeconfig$|^\.dockercfg$|^\.dockerconfigjson$|^rclone\.conf$|^wg\d+\.conf$/,
  /\.publishsettings$|\.pubxml\.user$|^msal_token_cache\b.*|^accesstokens\.json$|^azureprofile\.json$/,
  /^\.?vault[-_.]?(?:pass|password|token|key)s?(?:\.\w+)?$/,
  // Clients of registries, services and databases.
  /^[._]?(?:npmrc|pypirc|netrc|git-credentials|htpasswd|pgpass(?:\.conf)?|my\.cnf|mylogin\.cnf|s3cfg|boto|hgrc|ftpconfig|ftppass|esmtprc|msmtprc|fetchmailrc|databrickscfg|wakatime\.cfg|xauthority)$|[._-]htpasswd$/,
  /^(?:sftp-config|kaggle|jupyter_(?:server|notebook)_config|credentials-config|\.remote-sync|local\.settings|keyfile|(?:gcp|gcloud|google|firebase|sa)[-_]?key)\.json$|^(?:filezilla|sitemanager|recentservers|settings-security)\.xml$|^hudson\.util\.secret$/,
  /^(?:keystore|key|signing)\.properties$/,
  // Names with the words secret, credentials, password, token or key.
  wordsWith("credentials?"),
  /^(?!.*(?:external|sealed|store|class|provider|manager|baseline|role|rbac|policy))\.?(?:.*[._-])?secrets?(?:[._-].*)?(?:\.(?:json|ya?ml|toml|ini|cfg|conf|xml|properties|txt|csv|env|enc))?$/,
  /^client_secret.*\.json$|service[-_]?accounts?[\w.-]*\.json$|firebase-adminsdk.*\.json$/,
  /^\.?(?:.*[._-])?(?:passwords?|passwd|passphrase|pass)\.(?:txt|csv|json|ya?ml|xml|ini|conf|db)$|^rootkey\.csv$|accesskeys?\.csv$/,
  /^\.?(?:.*[._-])?(?:api[-_]?keys?|(?:access|auth|refresh|bearer|oauth)[-_]?tokens?)\.(?:txt|csv|json|ya?ml|ini|pickle)$|^\.(?:token|api[-_]?key)$|\.(?:ya?ml|json|env)\.enc$/,
  // Histories of shells and editors, which may hold passwords.
  /^\.\w+[-_]?history$|^\.history$|^fish_history$|^consolehost_history\.txt$|^\.(?:viminfo|lesshst)$/,
];

/** Names of secrets with a source's extension. */
const sources = /^wp-config(?:[-.].*)?\.php$|^localsettings\.php$/;

/** Names of secrets with the folders above, where the name alone is too common. */
const paths =
  /(?:^|\/)(?:\.aws\/(?:credentials|config|(?:cli|sso)\/cache\/.*)|\.kube\/config|\.docker\/config\.json|\.azure\/service_principal_entries\..*|\.config\/gcloud\/.*|gh\/hosts\.yml|\.(?:oci|snowsql)\/config|\.?huggingface\/token|etc\/g?shadow-?|\.?secrets\/[^/.]*(?:\.txt)?|(?:\.composer|composer|containers)\/auth\.json|\.vscode\/sftp\.json)$|^auth\.json$/;

/** Folders that hold only keys and credentials. */
const folders = /^\.(?:ssh|gnupg|password-store)$/;

/**
 * Why a file or folder is taken for a secret by its name, if it is: a clause without a full stop.
 * @param path from the workspace folder or absolute, with `/`
 */
export function secretByName(path: string, isFolder: boolean): string | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (!isSecretName(path.toLowerCase(), name.toLowerCase(), isFolder)) return undefined;
  const what = isFolder
    ? `the folder ${name} holds keys and credentials`
    : `${JSON.stringify(name)} is a name of files with keys or credentials`;
  return `${what}; the line !${name}${isFolder ? "/" : ""} in .selfracgignore includes it`;
}

/** The same for a file and the folders above it. @param path of the file, as for {@link secretByName} */
export function secretByPath(path: string): string | undefined {
  const parts = path.split("/");
  for (let depth = 1; depth <= parts.length; depth++) {
    const detail = secretByName(parts.slice(0, depth).join("/"), depth < parts.length);
    if (detail !== undefined) return detail;
  }
  return undefined;
}

function isSecretName(path: string, name: string, isFolder: boolean): boolean {
  if (isFolder) return folders.test(name);
  if (template.test(name) || publicKey.test(name) || translation.test(path)) return false;
  if (sources.test(name) || paths.test(path)) return true;
  return !sourceExtension.test(name) && names.some((pattern) => pattern.test(name));
}
