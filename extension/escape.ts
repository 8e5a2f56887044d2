// Escapes text for VS Code: names of files, folders and models never become links, commands, icons or Markdown.

/**
 * For a notification, in which VS Code makes a link of `[text](command:...)` and runs the command at a click: a space
 * separates such brackets.
 */
export function escapeNotification(text: string): string {
  return text.replace(/\](?=\()/g, "] ");
}

/** For Markdown with icons. All ASCII punctuation is escaped, so that an address makes no link either. */
export function escapeMarkdown(text: string): string {
  return (
    text
      .replace(/\s+/g, " ")
      // VS Code's own escape of icons comes first, so that its backslash is escaped for Markdown too.
      .replace(/\$\((?=[\w-]+(?:~[\w-]+)?\))/g, "\\$(")
      .replace(/[!-/:-@[-`{-~]/g, "\\$&")
  );
}
