// Reads and writes the pinned and banned files in the settings of this workspace.
import { posix } from "node:path";
import { ConfigurationTarget, Uri, type WorkspaceFolder, workspace } from "vscode";
import { configurationSection, type FragmentReference } from "../../sidecar/protocol";
import {
  type FileRule,
  type FileRuleLists,
  patternInFolder,
  patternOf,
  ruleOfPattern,
  settingOf,
  toggled,
} from "./file-rules";
import type { FileMarks } from "./sections/fragments";

const names: Readonly<Record<FileRule, string>> = { pin: "pinned", ban: "banned" };

/** The name of the fragment's file, and the rule on it. */
export function marksOf(fragment: FragmentReference): FileMarks {
  const rule = ruleOfPattern(lists(), patternFor(fragment));
  return { name: nameOf(fragment), ...(rule !== undefined && { rule }) };
}

/**
 * Sets a rule on the fragment's file for this workspace, or removes it where it is set.
 * @returns what was done, in words
 * @throws Error where there is no workspace to write to, with what to do
 */
export async function toggleRule(fragment: FragmentReference, rule: FileRule): Promise<string> {
  const name = nameOf(fragment);
  if (workspace.workspaceFolders === undefined || workspace.workspaceFolders.length === 0) {
    throw new Error(
      `${name} cannot be ${names[rule]}: no folder is open, and the setting belongs to a workspace. Open the folder.`,
    );
  }
  if (folderOf(fragment) === undefined) {
    throw new Error(`${name} cannot be ${names[rule]}: it lies in none of the open folders.`);
  }
  const before = lists();
  const pattern = patternFor(fragment);
  const after = toggled(before, rule, pattern);
  for (const each of ["pin", "ban"] as const) {
    if (after[each].length !== before[each].length) {
      await write(each, after[each]);
    }
  }
  const now = ruleOfPattern(after, pattern);
  return now === undefined
    ? `${name} is no longer ${names[rule]}.`
    : `${name} is ${names[now]} for this workspace (selfracg.${settingOf[now]}).`;
}

/** With several folders, for the fragment's own: another one may have a file of the same path. */
function patternFor(fragment: FragmentReference): string {
  const folder = severalFolders() ? folderOf(fragment) : undefined;
  return folder === undefined
    ? patternOf(fragment.path)
    : patternInFolder(posix.basename(folder.uri.path), fragment.path);
}

function nameOf(fragment: FragmentReference): string {
  const folder = severalFolders() ? folderOf(fragment) : undefined;
  return folder === undefined ? fragment.path : `${folder.name}/${fragment.path}`;
}

function severalFolders(): boolean {
  return (workspace.workspaceFolders?.length ?? 0) > 1;
}

function folderOf({ uri }: FragmentReference): WorkspaceFolder | undefined {
  return workspace.getWorkspaceFolder(Uri.parse(uri));
}

function lists(): FileRuleLists {
  const configuration = workspace.getConfiguration(configurationSection);
  const read = (rule: FileRule): string[] => stringsOf(configuration.get<unknown>(settingOf[rule]));
  return { pin: read("pin"), ban: read("ban") };
}

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
}

/** A workspace's list replaces the user's, so it is written whole; one that equals the user's is removed. */
async function write(rule: FileRule, list: readonly string[]): Promise<void> {
  const configuration = workspace.getConfiguration(configurationSection);
  const outside = stringsOf(configuration.inspect(settingOf[rule])?.globalValue);
  const same = list.length === outside.length && list.every((pattern, at) => pattern === outside[at]);
  await configuration.update(settingOf[rule], same ? undefined : list, ConfigurationTarget.Workspace);
}
