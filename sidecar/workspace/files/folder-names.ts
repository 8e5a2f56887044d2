// Excludes folders by their well-known names: what tools write, and code of other projects.
import type { Exclusion, ExclusionReason } from "./exclusion";

interface Group {
  readonly reason: ExclusionReason;
  readonly what: string;
  /**
   * When the folder is excluded: always; unless an ignore file includes it ("by default"); or only outside of git repositories,
   * whose ignore files say which folders are build results.
   */
  readonly when: "always" | "by default" | "outside git";
  readonly names: string;
}

const groups: readonly Group[] = [
  { reason: "ignored", what: "a version control system's own folder", when: "always", names: ".git .hg .svn .jj" },
  {
    reason: "vendored",
    what: "a folder of installed packages",
    when: "always",
    names:
      "node_modules bower_components jspm_packages site-packages .venv .tox .nox .eggs .m2 .yarn .pnpm-store .bundle .stack-work",
  },
  {
    reason: "generated",
    what: "a cache or state folder of a tool",
    when: "always",
    names:
      "__pycache__ .mypy_cache .pytest_cache .ruff_cache .ipynb_checkpoints .gradle .idea .vs .vscode-test .next .nuxt .svelte-kit .angular .parcel-cache .turbo .cache .terraform .dart_tool .bloop .metals DerivedData",
  },
  {
    reason: "vendored",
    what: "a folder of third-party code",
    when: "by default",
    names: "vendor third_party third-party thirdparty Godeps Pods Carthage",
  },
  // In a git repository, .gitignore excludes these folders where they hold build results.
  {
    reason: "generated",
    what: "a folder of build results",
    when: "outside git",
    names: "build dist out target bin obj coverage htmlcov _build cmake-build-debug cmake-build-release",
  },
  { reason: "vendored", what: "a folder of installed packages", when: "outside git", names: "venv env deps" },
];

const byName = new Map(groups.flatMap((group) => group.names.split(" ").map((name) => [name, group] as const)));

/**
 * Why a folder of this name is excluded, if it is.
 * @param known whether the folder lies in a git repository, and whether an ignore file includes it explicitly
 */
export function excludeByFolderName(
  name: string,
  known: { readonly inRepository: boolean; readonly isIncluded: boolean },
): Exclusion | undefined {
  const group = byName.get(name);
  if (group === undefined) return undefined;
  const { reason, what, when } = group;
  if (when === "always") return { reason, detail: `the folder ${name} is ${what}` };
  if (known.isIncluded || (when === "outside git" && known.inRepository)) return undefined;
  return {
    reason,
    detail: `the folder ${name} is taken for ${what}; the line !${name}/ in .selfracgignore includes it`,
  };
}
