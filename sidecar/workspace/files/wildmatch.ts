// Git's wildcards as automata: no pattern takes more steps than its length times the path's.

export interface WildcardOptions {
  /** Whether the pattern is about whole paths, so that only `**` goes over slashes; else it is about names. */
  readonly paths: boolean;
  /** Letters of ASCII alone, as in git. The text to match must be in lower case then. */
  readonly ignoreCase: boolean;
}

/** One place of a pattern. */
interface Step {
  /** By byte, 1 where the step takes it. */
  readonly takes: Uint8Array;
  /** Whether it takes any number of bytes instead of one. */
  readonly repeats: boolean;
  /** How many steps further the pattern may go on without a byte. */
  readonly jumps: readonly number[];
}

const slash = 0x2f;
const everyByte = new Uint8Array(256).fill(1);
const allButSlash = everyByte.with(slash, 0);
const literals = Array.from({ length: 256 }, (_, byte) => one(new Uint8Array(256).fill(1, byte, byte + 1)));
const star: Step = { takes: allButSlash, repeats: true, jumps: [1] };
const globstar: Step = { takes: everyByte, repeats: true, jumps: [1] };
/** Any number of folders, none included: all three steps may be left out. */
const anyFolders: readonly Step[] = [
  { takes: new Uint8Array(256), repeats: false, jumps: [1, 3] },
  globstar,
  one(new Uint8Array(256).fill(1, slash, slash + 1)),
];

function one(takes: Uint8Array): Step {
  return { takes, repeats: false, jumps: [] };
}

/**
 * A pattern of git's wildmatch, with `*`, `**`, `?`, brackets and escapes. Patterns and texts are strings of one character a byte.
 * Source: git's wildmatch.c, and its documentation gitignore(5) and fnmatch(3). The automaton is Thompson's (1968).
 */
export class Wildcard {
  /** By state, the last round that it was entered in. */
  private readonly entered: Float64Array;
  private round = 0;

  private constructor(
    private readonly steps: readonly Step[],
    /** No shorter text matches. */
    private readonly minLength: number,
  ) {
    this.entered = new Float64Array(steps.length + 1);
  }

  /** Nothing for a pattern that matches nothing: one that ends in a backslash or in an open bracket, or names an unknown class. */
  static compile(pattern: string, options: WildcardOptions): Wildcard | undefined {
    const steps: Step[] = [];
    for (let at = 0; at < pattern.length; ) {
      const piece = readPiece(pattern, at, options);
      if (piece === undefined) return undefined;
      // Folders behind folders say nothing more, and would only take time.
      if (piece.steps !== anyFolders || steps.at(-anyFolders.length) !== anyFolders[0]) steps.push(...piece.steps);
      at = piece.end;
    }
    const needed = steps.filter(({ jumps }, index) => jumps.length === 0 && steps[index - 2] !== anyFolders[0]);
    return new Wildcard(steps, needed.length);
  }

  /** Whether all of a text matches. */
  matches(text: string): boolean {
    return this.ends(text).at(-1) === text.length;
  }

  /** The lengths of a text's beginnings that match, of those that end before a slash or with the text. */
  ends(text: string): number[] {
    const ends: number[] = [];
    if (text.length < this.minLength) return ends;
    let states = this.enter([0]);
    for (let at = 0; at < text.length && states.length > 0; at++) {
      const byte = text.charCodeAt(at);
      if (byte === slash && states.includes(this.steps.length)) ends.push(at);
      const next: number[] = [];
      for (const state of states) {
        const taken = this.steps[state];
        if (taken?.takes[byte] === 1) next.push(taken.repeats ? state : state + 1);
      }
      states = this.enter(next);
    }
    if (states.includes(this.steps.length)) ends.push(text.length);
    return ends;
  }

  /** The states, each once, and those that are reached from them without a byte. */
  private enter(pending: number[]): number[] {
    this.round++;
    const states: number[] = [];
    for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
      if (this.entered[state] === this.round) continue;
      this.entered[state] = this.round;
      states.push(state);
      for (const jump of this.steps[state]?.jumps ?? []) pending.push(state + jump);
    }
    return states;
  }
}

/** What one place of a pattern stands for, and where the pattern goes on. */
interface Piece {
  readonly steps: readonly Step[];
  readonly end: number;
}

function readPiece(pattern: string, at: number, options: WildcardOptions): Piece | undefined {
  switch (pattern[at]) {
    case "*":
      return readStars(pattern, at, options);
    case "[":
      return readBracket(pattern, at, options);
    case "?":
      return { steps: [one(options.paths ? allButSlash : everyByte)], end: at + 1 };
    case "\\":
      return readLiteral(pattern.charCodeAt(at + 1), at + 2);
    default: {
      const byte = pattern.charCodeAt(at);
      return readLiteral(options.ignoreCase ? lowerCase(byte) : byte, at + 1);
    }
  }
}

function readLiteral(byte: number, end: number): Piece | undefined {
  const literal = literals[byte];
  return literal && { steps: [literal], end };
}

/** A run of asterisks, with the slash behind `**`. */
function readStars(pattern: string, start: number, { paths }: WildcardOptions): Piece {
  let end = start;
  while (pattern[end] === "*") end++;
  if (!paths) return { steps: [globstar], end };
  const isWholeName =
    (start === 0 || pattern[start - 1] === "/") &&
    (end === pattern.length || pattern[end] === "/" || pattern.startsWith("\\/", end));
  if (end - start === 1 || !isWholeName) return { steps: [star], end };
  return pattern[end] === "/" ? { steps: anyFolders, end: end + 1 } : { steps: [globstar], end };
}

/** Classes of git's own, which are those of the C locale but for vertical tab and form feed, which are no space. */
const classes: ReadonlyMap<string, RegExp> = new Map([
  ["alnum", /[0-9A-Za-z]/],
  ["alpha", /[A-Za-z]/],
  ["blank", /[ \t]/],
  ["cntrl", /\p{Cc}/u],
  ["digit", /[0-9]/],
  ["graph", /[!-~]/],
  ["lower", /[a-z]/],
  ["print", /[ -~]/],
  ["punct", /[!-/:-@[-`{-~]/],
  ["space", /[ \t\n\r]/],
  ["upper", /[A-Z]/],
  ["xdigit", /[0-9A-Fa-f]/],
]);

/** A bracket expression; nothing where it does not end or names an unknown class. */
function readBracket(pattern: string, start: number, { paths, ignoreCase }: WildcardOptions): Piece | undefined {
  const members = new Uint8Array(256);
  const isNegated = pattern[start + 1] === "!" || pattern[start + 1] === "^";
  let at = start + (isNegated ? 2 : 1);
  let from: number | undefined;
  // A closing bracket that comes first is a member.
  do {
    const member = addMember(members, pattern, at, from, ignoreCase);
    if (member === undefined) return undefined;
    ({ end: at, from } = member);
  } while (pattern[at] !== "]");
  const takes = isNegated ? members.map((member) => 1 - member) : members;
  if (paths) takes[slash] = 0;
  return { steps: [one(takes)], end: at + 1 };
}

/**
 * Adds one member of a bracket expression as git reads it.
 * @param from the byte that a range may begin with: none behind a range or a class
 * @returns where the next member stands, and what a range may begin with there; nothing where the pattern matches nothing
 */
function addMember(
  members: Uint8Array,
  pattern: string,
  at: number,
  from: number | undefined,
  ignoreCase: boolean,
): { end: number; from: number | undefined } | undefined {
  if (at >= pattern.length) return undefined;
  const [character, next] = [pattern[at], pattern[at + 1]];
  if (character === "-" && from !== undefined && next !== undefined && next !== "]") {
    const last = at + (next === "\\" ? 2 : 1);
    addRange(members, from, pattern.charCodeAt(last), ignoreCase);
    return { end: last + 1, from: undefined };
  }
  const name = classAt(pattern, at);
  if (name !== undefined) {
    const isKnown = addClass(members, name, ignoreCase);
    return isKnown ? { end: at + "[:".length + name.length + ":]".length, from: undefined } : undefined;
  }
  const literal = character === "\\" ? at + 1 : at;
  const byte = pattern.charCodeAt(literal);
  members[byte] = 1;
  return { end: literal + 1, from: byte };
}

/** Whether there is a class of this name. */
function addClass(members: Uint8Array, name: string, ignoreCase: boolean): boolean {
  const found = classes.get(name === "upper" && ignoreCase ? "alpha" : name);
  if (found === undefined) return false;
  for (let byte = 0; byte < 128; byte++) if (found.test(String.fromCharCode(byte))) members[byte] = 1;
  return true;
}

/** The name in `[:name:]`; nothing where something else begins so, which is a bracket among the members then. */
function classAt(pattern: string, start: number): string | undefined {
  const begin = start + "[:".length;
  if (pattern[start] !== "[" || pattern[start + 1] !== ":") return undefined;
  const end = pattern.indexOf("]", begin);
  return end > begin && pattern[end - 1] === ":" ? pattern.slice(begin, end - 1) : undefined;
}

/** Adds the bytes between two, and where case is ignored the small letters of capital ones too. */
function addRange(members: Uint8Array, from: number, to: number, ignoreCase: boolean): void {
  for (let byte = from; byte <= to; byte++) {
    members[byte] = 1;
    if (ignoreCase) members[lowerCase(byte)] = 1;
  }
}

/** A byte in lower case, where it is a letter of ASCII. */
function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}
