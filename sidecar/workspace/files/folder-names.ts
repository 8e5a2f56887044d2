// Excludes folders by their well-known names: what tools write, and code of other projects.
import * as v from "valibot";
import { type Exclusion, exclusionReasons } from "./exclusion";
import names from "./well-known-names.json";

const group = v.strictObject({
  reason: v.picklist(exclusionReasons),
  what: v.string(),
  /**
   * When the folder is excluded: always; unless an ignore file includes it ("by default"); or only outside of git repositories,
   * whose ignore files exclude such folders where they hold build results.
   */
  when: v.picklist(["always", "by default", "outside git"]),
  names: v.array(v.string()),
});

const byName = new Map(
  v.parse(v.array(group), names.folders).flatMap((each) => each.names.map((name) => [name, each] as const)),
);

/**
 * Why a folder of this name is excluded, if it is.
 * @param known whether the folder lies in a git repository, and whether an ignore file includes it explicitly
 */
export function excludeByFolderName(
  name: string,
  known: { readonly inRepository: boolean; readonly isIncluded: boolean },
): Exclusion | undefined {
  const found = byName.get(name);
  if (found === undefined) return undefined;
  const { reason, what, when } = found;
  if (when === "always") return { reason, detail: `the folder ${name} is ${what}` };
  if (known.isIncluded || (when === "outside git" && known.inRepository)) return undefined;
  return {
    reason,
    detail: `the folder ${name} is taken for ${what}; the line !${name}/ in .selfracgignore includes it`,
  };
}
