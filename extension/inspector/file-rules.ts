// Pinned and banned files as lists of patterns: the pattern of one file, and the lists after a button was pressed.

/** `pin`: fragments of the file go before all others that are needed; `ban`: they are never used. */
export type FileRule = "pin" | "ban";

/** The patterns of the settings `selfracg.pinnedFiles` and `selfracg.bannedFiles`. */
export type FileRuleLists = Readonly<Record<FileRule, readonly string[]>>;

/** The setting that holds the list. */
export const settingOf = { pin: "pinnedFiles", ban: "bannedFiles" } as const satisfies Record<FileRule, string>;

/**
 * The pattern, in the syntax of ignore files, that matches one file and no other.
 * @param path from its workspace folder, with `/`
 */
export function patternOf(path: string): string {
  return `/${path.replace(/[\\*?[\]]/g, "\\$&").replace(/ +$/, (spaces) => "\\ ".repeat(spaces.length))}`;
}

/** The same for a file of one workspace folder among several. @param folder the last part of the folder's own path */
export function patternInFolder(folder: string, path: string): string {
  return `.${patternOf(`${folder}/${path}`)}`;
}

/** The rule for exactly this file; patterns that match more files are the user's own. */
export function ruleOfPattern(lists: FileRuleLists, pattern: string): FileRule | undefined {
  // A ban goes before a pin, as in retrieval.
  return lists.ban.includes(pattern) ? "ban" : lists.pin.includes(pattern) ? "pin" : undefined;
}

/** The lists after the button of `rule` was pressed: it removes the rule where it is set, and replaces the other one. */
export function toggled(lists: FileRuleLists, rule: FileRule, pattern: string): FileRuleLists {
  const without = (list: readonly string[]): string[] => list.filter((each) => each !== pattern);
  const bare = { pin: without(lists.pin), ban: without(lists.ban) };
  return ruleOfPattern(lists, pattern) === rule ? bare : { ...bare, [rule]: [...bare[rule], pattern] };
}
