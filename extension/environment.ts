// Where the extension runs, and what does not work there, in words for people.

/** What is known of the window and its workspace. */
export interface Environment {
  /** VS Code's name of the kind of remote; absent on the user's own machine. */
  remoteName?: string;
  trusted: boolean;
  /** URI schemes of the workspace folders. */
  folderSchemes: readonly string[];
}

/** The machine that the sidecar runs on: "this machine", "the SSH host". */
export function machine({ remoteName }: Environment): string {
  switch (remoteName) {
    case undefined:
      return "this machine";
    case "ssh-remote":
      return "the SSH host";
    case "wsl":
      return "WSL";
    case "dev-container":
    case "attached-container":
    case "k8s-container":
      return "the container";
    case "codespaces":
      return "the codespace";
    case "tunnel":
      return "the machine at the other end of the tunnel";
    default:
      return `the remote machine (${remoteName})`;
  }
}

/** A sentence for each thing that does not work here, with the reason. */
export function limits({ trusted, folderSchemes }: Environment): string[] {
  const sentences: string[] = [];
  const virtual = [...new Set(folderSchemes.filter((scheme) => scheme !== "file"))];
  if (virtual.length > 0) {
    const whose = virtual.length === folderSchemes.length ? "Virtual workspace" : "Partly virtual workspace";
    sentences.push(
      `${whose}: files of "${virtual.join('", "')}" are on no disk, so they are not indexed and get no suggestions. Files on disk and untitled ones do.`,
    );
  }
  if (!trusted) {
    sentences.push(
      'Restricted mode: this workspace is not trusted, so the model is that of the user settings, whatever the workspace says in "selfracg.modelPath".',
    );
  }
  return sentences;
}

/** URI schemes of documents that get suggestions; the language client is registered for these. */
export const completedSchemes: readonly string[] = ["file", "untitled", "vscode-notebook-cell"];
