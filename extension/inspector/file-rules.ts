// Pinned and banned files as lists of patterns: the pattern of one file, and what the lists are after a button was pressed.

/** `pin`: fragments of the file go before all others that are needed; `ban`: they are never taken. */
export type FileRule = "pin" | "ban";

/** The patterns of the settings `selfracg.pinnedFiles` and `selfracg.bannedFiles`. */
export type FileRuleLists = Readonly<Record<FileRule, readonly string[]>>;

/** The setting that holds the list. */
export const settingOf = { pin: "pinnedFiles", ban: "bannedFiles" } as const satisfies Record<FileRule, string>;

/**
 * The pattern, in the syntax of ignore files, that stands for one file and no other.
 * @param path from its workspace folder, with `/`
 */
export function patternOf(path: string): string {
  return `/${path.replace(/[\\*?[\]]/g, "\\$&").replace(/ +$/, (spaces) => "\\ ".repeat(spaces.length))}`;
}

/** The same for a file of one workspace folder among several. @param folder the last part of the folder's own path */
export function patternInFolder(folder: string, path: string): string {
  return `.${patternOf(`${folder}/${path}`)}`;
}

/** The rule that was made for this very file; patterns that stand for more are none of ours. */
export function ruleOfPattern(lists: FileRuleLists, pattern: string): FileRule | undefined {
  // A ban outranks a pin: what is never taken is not taken first.
  return lists.ban.includes(pattern) ? "ban" : lists.pin.includes(pattern) ? "pin" : undefined;
}

/** The lists after the button of `rule` was pressed: the rule is taken back where it holds, and takes the other's place where that does. */
export function pressed(lists: FileRuleLists, rule: FileRule, pattern: string): FileRuleLists {
  const without = (list: readonly string[]): string[] => list.filter((each) => each !== pattern);
  const bare = { pin: without(lists.pin), ban: without(lists.ban) };
  return ruleOfPattern(lists, pattern) === rule ? bare : { ...bare, [rule]: [...bare[rule], pattern] };
}
