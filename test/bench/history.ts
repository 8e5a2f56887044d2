// Real edits of a git repository: text that commits added to files, with the file before the commit.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { errorMessage } from "../../sidecar/host/errors";
import { sourceFile } from "./cursors";
import { makeRepository } from "./make-repository";
import { randomNumbers } from "./random";

export interface Edit {
  /** The commit of the edit. */
  readonly commit: string;
  /** Its parent, in whose tree the edit is made. */
  readonly parent: string;
  readonly path: string;
  /** The file before the cursor. */
  readonly prefix: string;
  /** The text that was written at the cursor. */
  readonly text: string;
  /** The file after the cursor. */
  readonly suffix: string;
}

const run = promisify(execFile);

/** A git repository, bare or not, which is only read. */
export class History {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws Error with git's message */
  async git(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<string> {
    try {
      const { stdout } = await run(
        "git",
        ["-C", this.#path, "-c", "core.autocrlf=false", "-c", "core.quotePath=false", ...args],
        { maxBuffer: 1 << 28, env: { ...process.env, ...environment } },
      );
      return stdout;
    } catch (error) {
      throw new Error(`expected git ${args[0]} to run in ${this.#path}, found ${errorMessage(error).trim()}`);
    }
  }

  /** The last `depth` commits up to `head` that are no merges, newest first, with their parent; "" for a commit without one. */
  async commits(head: string, depth: number): Promise<{ readonly commit: string; readonly parent: string }[]> {
    const options = ["--no-merges", `--max-count=${depth}`, "--format=%H %P", "--end-of-options", head];
    const lines = (await this.git(["log", ...options])).trim().split("\n");
    return lines.map((line) => {
      const [commit = "", parent = ""] = line.split(" ");
      return { commit, parent };
    });
  }

  /**
   * At most `max` edits of the last `depth` commits up to `head`, oldest commit first; the same ones for the same seed. Each edit is
   * a block of lines added to a source file, or the changed part of one line.
   * @throws Error when there is none, as in a shallow clone
   */
  async edits(max: number, { head = "HEAD", depth = 400, perCommit = 3, seed = 1 } = {}): Promise<Edit[]> {
    const log = await this.commits(head, depth);
    const withParent = log.filter(({ parent }) => parent !== "").reverse();
    const shallow = (await this.git(["rev-parse", "--is-shallow-repository"])).trim() === "true";
    const advice = shallow
      ? `it is a shallow clone: run "git fetch --unshallow" there or name another with --history`
      : "name another with --history";
    if (withParent.length === 0)
      throw new Error(
        `expected a git history with edits in ${this.#path}, found ${log.length} commit without a parent; ${advice}`,
      );
    const random = randomNumbers(seed);
    // Commits are read in random order until there are enough edits, so that a long history does not take long.
    const order = withParent.map((commit, at) => ({ commit, at, key: random() })).sort((a, b) => a.key - b.key);
    const found: { at: number; edit: Edit }[] = [];
    for (const {
      commit: { commit, parent },
      at,
    } of order) {
      if (found.length >= max) break;
      const edits = (await this.#editsOf(commit, parent))
        .map((edit) => ({ edit, key: random() }))
        .sort((a, b) => a.key - b.key);
      for (const { edit } of edits.slice(0, Math.min(perCommit, max - found.length))) found.push({ at, edit });
    }
    if (found.length === 0)
      throw new Error(
        `expected edits of source files in ${this.#path}, found none in ${withParent.length} commits; ${advice}`,
      );
    return found.sort((a, b) => a.at - b.at).map(({ edit }) => edit);
  }

  async #editsOf(commit: string, parent: string): Promise<Edit[]> {
    const diff = await this.git(
      ["diff-tree", "-r", "-p", "--unified=0", "--no-color", "--no-ext-diff", "--no-renames", "--diff-filter=M"].concat(
        parent,
        commit,
      ),
    );
    const edits: Edit[] = [];
    for (const file of diff.split(/^diff --git .*\n/m)) {
      const path = /^\+\+\+ b\/(.*)$/m.exec(file)?.[1];
      if (path === undefined || !sourceFile.test(path)) continue;
      let before: string | undefined;
      for (const hunk of file.split(/^(?=@@ -)/m).slice(1)) {
        const change = hunkOf(hunk);
        if (change === undefined) continue;
        before ??= await this.git(["show", `${parent}:${path}`]);
        const edit = editOf(before, change);
        if (edit !== undefined) edits.push({ commit, parent, path, ...edit });
      }
    }
    return edits;
  }

  /** Checks `commit` out to `folder`, where only differing files are written. git's index is stored beside the folder. */
  async checkOut(commit: string, folder: string): Promise<void> {
    // Makes the workspace a repository, so that its ignore files apply.
    await makeRepository(folder);
    const gitDirectory = (await this.git(["rev-parse", "--absolute-git-dir"])).trim();
    await this.git(["--git-dir", gitDirectory, "--work-tree", folder, "read-tree", "--reset", "-u", commit], {
      GIT_INDEX_FILE: `${folder}.index`,
    });
  }

  /** Paths that differ between two commits. @param kinds of changes, as of git's `--diff-filter`; default: all */
  async changed(from: string, to: string, kinds?: string): Promise<string[]> {
    const filter = kinds === undefined ? [] : [`--diff-filter=${kinds}`];
    return (await this.git(["diff-tree", "-r", "-z", "--name-only", "--no-renames", ...filter, from, to]))
      .split("\0")
      .filter((path) => path !== "");
  }
}

export interface Change {
  /** 1-based first line of the change; if nothing is removed, the line before it. */
  readonly line: number;
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/** Parses a hunk of `git diff --unified=0`; undefined for other text, and without a line break at the end. */
export function hunkOf(hunk: string): Change | undefined {
  const line = /^@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@/.exec(hunk)?.[1];
  if (line === undefined || /^\\ No newline/m.test(hunk)) return undefined;
  const marked = (mark: string) =>
    hunk
      .split("\n")
      .slice(1)
      .filter((each) => each.startsWith(mark))
      .map((each) => each.slice(1));
  return { line: Number(line), removed: marked("-"), added: marked("+") };
}

/** Shorter edits are hardly typed, and longer ones were generated or moved. */
const bounds = { maxLines: 40, minCharacters: 12 } as const;

/** The edit as a user types it: new lines from the end of the line above, a changed line from the first difference. */
export function editOf(
  before: string,
  { line, removed, added }: Change,
): Pick<Edit, "prefix" | "text" | "suffix"> | undefined {
  const lines = before.split("\n");
  if (removed.length === 0) {
    if (line < 1 || added.length > bounds.maxLines) return undefined;
    const text = `\n${added.join("\n")}`.replace(/\s+$/, "");
    const prefix = lines.slice(0, line).join("\n");
    const suffix = `\n${lines.slice(line).join("\n")}`;
    return text.trim().length < bounds.minCharacters ? undefined : { prefix, text, suffix };
  }
  const [old] = removed;
  const [now] = added;
  if (removed.length !== 1 || added.length !== 1 || old === undefined || now === undefined) return undefined;
  let start = 0;
  while (start < Math.min(old.length, now.length) && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < Math.min(old.length, now.length) - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  // The cursor is not placed inside a word.
  const word = /[\p{L}\p{N}_]/u;
  while (start > 0 && word.test(now.charAt(start - 1)) && word.test(now.charAt(start))) start -= 1;
  while (end > 0 && word.test(now.charAt(now.length - end)) && word.test(now.charAt(now.length - end - 1))) end -= 1;
  const text = now.slice(start, now.length - end);
  if (text.trim().length < bounds.minCharacters) return undefined;
  return {
    prefix: [...lines.slice(0, line - 1), now.slice(0, start)].join("\n"),
    text,
    suffix: [now.slice(now.length - end), ...lines.slice(line)].join("\n"),
  };
}
