// Reads the lines of an ignore file and matches paths against them, byte for byte as git does (gitignore(5)).

export interface IgnorePattern {
  /** As written, escapes included. */
  readonly text: string;
  /** 1-based. */
  readonly line: number;
  /** Whether it takes a path back (`!`). */
  readonly negated: boolean;
  /** Whether it is about folders alone. */
  readonly folderOnly: boolean;
  /** Whether a path from the ignore file's folder, as {@link byteString}, matches; folders above it are not looked at. */
  matches(path: string): boolean;
}

/** One step of a pattern: a byte, `?`, a set of bytes, `*`, any number of whole folders, or all that follows. */
type Step = number | "any" | ByteSet | "star" | "folders" | "rest";

interface ByteSet {
  readonly negated: boolean;
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

const slash = 47;
const backslash = 92;

const classes: Readonly<Record<string, ByteSet["ranges"]>> = {
  alnum: [[48, 57], [65, 90], [97, 122]],
  alpha: [[65, 90], [97, 122]],
  blank: [[9, 9], [32, 32]],
  cntrl: [[0, 31], [127, 127]],
  digit: [[48, 57]],
  graph: [[33, 126]],
  lower: [[97, 122]],
  print: [[32, 126]],
  punct: [[33, 47], [58, 64], [91, 96], [123, 126]],
  space: [[9, 13], [32, 32]],
  upper: [[65, 90]],
  xdigit: [[48, 57], [65, 70], [97, 102]],
}; // prettier-ignore

/** A string with one character a byte of the UTF-8 text: git's `?` and `[...]` stand for one byte. */
export function byteString(text: string): string {
  return /^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** Patterns of an ignore file, in file order. @param content its bytes */
export function readPatterns(content: Uint8Array, ignoreCase: boolean): IgnorePattern[] {
  const text = Buffer.from(content).toString("latin1").replace(/^\xef\xbb\xbf/, "");
  return text.split("\n").flatMap((line, index) => {
    const pattern = line.startsWith("#") ? undefined : readPattern(line.replace(/\r$/, ""), ignoreCase, index + 1);
    return pattern === undefined ? [] : [pattern];
  });
}

/** The last pattern that is about this path, nothing where none is. @param path from the ignore file's folder, as {@link byteString} */
export function lastMatch(patterns: readonly IgnorePattern[], path: string, isFolder: boolean): IgnorePattern | undefined {
  return patterns.findLast((pattern) => (isFolder || !pattern.folderOnly) && pattern.matches(path));
}

/** @param line bytes, without the line's end */
function readPattern(line: string, ignoreCase: boolean, number: number): IgnorePattern | undefined {
  const text = line.slice(0, endWithoutBlanks(line));
  const negated = text.startsWith("!");
  let glob = negated ? text.slice(1) : text;
  const folderOnly = glob.endsWith("/");
  if (folderOnly) glob = glob.slice(0, -1);
  if (glob === "" || glob === "/") return undefined;
  const matches = glob.includes("/") ? pathMatcher(glob.replace(/^\//, ""), ignoreCase) : nameMatcher(glob, ignoreCase);
  return { text: Buffer.from(text, "latin1").toString("utf8"), line: number, negated, folderOnly, matches };
}

/** Where a line ends without the spaces that no backslash keeps. */
function endWithoutBlanks(line: string): number {
  let end = 0;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === "\\") at++;
    else if (line[at] === " ") continue;
    end = Math.min(at + 1, line.length);
  }
  return end;
}

function nameMatcher(glob: string, ignoreCase: boolean): (path: string) => boolean {
  const plain = !/[*?[\\]/.test(glob);
  const ending = glob.startsWith("*") && !/[*?[\\]/.test(glob.slice(1));
  const fold = (text: string): string => (ignoreCase ? foldCase(text) : text);
  if (plain || ending) {
    const literal = fold(plain ? glob : glob.slice(1));
    return (path) => {
      const name = fold(path.slice(path.lastIndexOf("/") + 1));
      return plain ? name === literal : name.endsWith(literal);
    };
  }
  const steps = readSteps(fold(glob), false);
  return (path) => steps !== undefined && matchSteps(steps, path.slice(path.lastIndexOf("/") + 1), ignoreCase);
}

function pathMatcher(glob: string, ignoreCase: boolean): (path: string) => boolean {
  const fold = (text: string): string => (ignoreCase ? foldCase(text) : text);
  // What comes before the first special character is compared as it is, and `**` right behind it stands at a beginning.
  const special = glob.search(/[*?[\\]/);
  const prefix = fold(special < 0 ? glob : glob.slice(0, special));
  if (special < 0) return (path) => fold(path) === prefix;
  const steps = readSteps(fold(glob.slice(special)), true);
  return (path) => steps !== undefined && fold(path.slice(0, prefix.length)) === prefix && matchSteps(steps, path.slice(prefix.length), ignoreCase);
}

/** Nothing for a pattern that can match nothing: an open bracket, an unknown class, a backslash at the end. */
function readSteps(glob: string, isPath: boolean): Step[] | undefined {
  const steps: Step[] = [];
  for (let at = 0; at < glob.length; at++) {
    const code = glob.charCodeAt(at);
    if (code === backslash) {
      if (++at === glob.length) return undefined;
      steps.push(glob.charCodeAt(at));
    } else if (glob[at] === "?") steps.push("any");
    else if (glob[at] === "*") {
      const from = at;
      while (glob[at + 1] === "*") at++;
      const alone = at > from && isPath && (from === 0 || glob[from - 1] === "/");
      if (alone && glob[at + 1] === "/") {
        steps.push("folders");
        at++;
      } else if (alone && at + 1 === glob.length) steps.push("rest");
      else steps.push("star");
    } else if (glob[at] === "[") {
      const set = readSet(glob, at + 1);
      if (set === undefined) return undefined;
      steps.push(set.set);
      at = set.end;
    } else steps.push(code);
  }
  return steps;
}

/** The set that begins at `at`, behind the bracket, and the place of the bracket that ends it. */
function readSet(glob: string, at: number): { set: ByteSet; end: number } | undefined {
  const negated = glob[at] === "!" || glob[at] === "^";
  if (negated) at++;
  const ranges: (readonly [number, number])[] = [];
  /** The byte just read, from which a range may go on. */
  let previous: number | undefined;
  // A bracket right at the beginning is one of the bytes.
  for (let first = true; first || glob[at] !== "]"; first = false, at++) {
    if (at >= glob.length) return undefined;
    if (glob[at] === "[" && glob[at + 1] === ":") {
      const close = glob.indexOf("]", at + 2);
      if (close < 0) return undefined;
      if (close > at + 2 && glob[close - 1] === ":") {
        const members = classes[glob.slice(at + 2, close - 1)];
        if (members === undefined) return undefined;
        ranges.push(...members);
        at = close;
        previous = undefined;
        continue;
      }
    }
    if (glob[at] === "-" && previous !== undefined && at + 1 < glob.length && glob[at + 1] !== "]") {
      if (glob[++at] === "\\" && ++at === glob.length) return undefined;
      ranges.push([previous, glob.charCodeAt(at)]);
      previous = undefined;
      continue;
    }
    if (glob[at] === "\\" && ++at === glob.length) return undefined;
    previous = glob.charCodeAt(at);
    ranges.push([previous, previous]);
  }
  return { set: { negated, ranges }, end: at };
}

/**
 * Matches all of `text`. Goes back to the last `*` only, and to the last `folders` where that one stands before a slash:
 * what is before them matched as far to the left as can be, so no pattern takes more than steps times length.
 */
function matchSteps(steps: readonly Step[], text: string, ignoreCase: boolean): boolean {
  let step = 0;
  let at = 0;
  let star: { step: number; at: number } | undefined;
  let folders: { step: number; at: number } | undefined;
  for (;;) {
    const wanted = steps[step];
    if (wanted === "rest") return true;
    if (wanted === "star") star = { step: ++step, at };
    else if (wanted === "folders") {
      folders = { step: ++step, at };
      star = undefined;
    } else if (wanted === undefined && at === text.length) return true;
    else if (wanted !== undefined && at < text.length && matchesByte(wanted, text.charCodeAt(at), ignoreCase)) {
      step++;
      at++;
    } else if (star !== undefined && star.at < text.length && text.charCodeAt(star.at) !== slash) {
      star = { step: star.step, at: star.at + 1 };
      ({ step, at } = star);
    } else {
      const next = folders === undefined ? -1 : text.indexOf("/", folders.at);
      if (folders === undefined || next < 0) return false;
      folders = { step: folders.step, at: next + 1 };
      ({ step, at } = folders);
      star = undefined;
    }
  }
}

function matchesByte(step: number | "any" | ByteSet, byte: number, ignoreCase: boolean): boolean {
  if (step === "any") return byte !== slash;
  if (typeof step === "number") return step === byte || (ignoreCase && step === lower(byte));
  if (byte === slash) return false;
  const held = (code: number): boolean => step.ranges.some(([first, last]) => code >= first && code <= last);
  const matched = held(byte) || (ignoreCase && (held(lower(byte)) || (byte >= 97 && byte <= 122 && held(byte - 32))));
  return matched !== step.negated;
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

/** Lower case of the ASCII letters alone, as git has it. */
function foldCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
