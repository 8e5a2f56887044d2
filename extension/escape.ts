// Text that VS Code shows as it is: names of files, folders and models never become links, commands, icons or Markdown.

/**
 * For a notification, in which VS Code makes a link of `[text](command:...)` and runs the command at a click: such brackets are
 * set apart.
 */
export function escapeNotification(text: string): string {
  return text.replace(/\](?=\()/g, "] ");
}

/** For Markdown with icons. All ASCII punctuation is escaped, so that an address makes no link either. */
export function escapeMarkdown(text: string): string {
  return (
    text
      .replace(/\s+/g, " ")
      // VS Code's own mark for "no icon" comes first, so that its backslash outlives Markdown.
      .replace(/\$\((?=[\w-]+(?:~[\w-]+)?\))/g, "\\$(")
      .replace(/[!-/:-@[-`{-~]/g, "\\$&")
  );
}
