// Folders that are known by their name: what tools write, other people's code.
import type { Exclusion, ExclusionReason } from "./exclusion";

interface Group {
  readonly reason: ExclusionReason;
  readonly what: string;
  /** `always`; `tracked`: also where git tracks it, unless an ignore file takes it back; `untracked`: only where no git repository says what is a result. */
  readonly holds: "always" | "tracked" | "untracked";
  readonly names: string;
}

const groups: readonly Group[] = [
  { reason: "ignored", what: "a version control system's own folder", holds: "always", names: ".git .hg .svn .jj" },
  {
    reason: "vendored",
    what: "a folder of installed packages",
    holds: "always",
    names:
      "node_modules bower_components jspm_packages site-packages .venv .tox .nox .eggs .m2 .yarn .pnpm-store .bundle .stack-work",
  },
  {
    reason: "generated",
    what: "a folder that a tool keeps for itself",
    holds: "always",
    names:
      "__pycache__ .mypy_cache .pytest_cache .ruff_cache .ipynb_checkpoints .gradle .idea .vs .vscode-test .next .nuxt .svelte-kit .angular .parcel-cache .turbo .cache .terraform .dart_tool .bloop .metals DerivedData",
  },
  {
    reason: "vendored",
    what: "a folder of other people's code",
    holds: "tracked",
    names: "vendor third_party third-party thirdparty Godeps Pods Carthage",
  },
  // In a git repository .gitignore leaves these out, so one that it lets through is tracked and meant.
  {
    reason: "generated",
    what: "a folder of build results",
    holds: "untracked",
    names: "build dist out target bin obj coverage htmlcov _build cmake-build-debug cmake-build-release",
  },
  { reason: "vendored", what: "a folder of installed packages", holds: "untracked", names: "venv env deps" },
];

const byName = new Map(groups.flatMap((group) => group.names.split(" ").map((name) => [name, group] as const)));

/**
 * Why a folder of this name is left out, if it is.
 * @param known whether a repository's rules say which folders are results, and whether an ignore file takes this one back
 */
export function skipByFolderName(
  name: string,
  known: { readonly inRepository: boolean; readonly takenBack: boolean },
): Exclusion | undefined {
  const group = byName.get(name);
  if (group === undefined) return undefined;
  const { reason, what, holds } = group;
  if (holds === "always") return { reason, detail: `the folder ${name} is ${what}` };
  if (known.takenBack || (holds === "untracked" && known.inRepository)) return undefined;
  return {
    reason,
    detail: `the folder ${name} is taken for ${what}; the line !${name}/ in .selfracgignore takes it back`,
  };
}
