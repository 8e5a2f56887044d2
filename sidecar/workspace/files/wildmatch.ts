// Matches git's wildcards with automata: time is at most proportional to the length of the pattern times that of the path.

interface WildcardOptions {
  /** Whether the pattern is matched with whole paths, in which only `**` matches slashes; else with names. */
  readonly paths: boolean;
  /** For letters of ASCII only, as in git. The text to match must be in lower case then. */
  readonly ignoreCase: boolean;
}

/** One element of a pattern. */
interface Step {
  /** By byte, 1 where the step matches it. */
  readonly matches: Uint8Array;
  /** Whether it matches any number of bytes instead of one. */
  readonly repeats: boolean;
  /** How many steps further the pattern may continue without reading a byte. */
  readonly jumps: readonly number[];
}

const slash = 0x2f;
const everyByte = new Uint8Array(256).fill(1);
const allButSlash = everyByte.with(slash, 0);
const literals = Array.from({ length: 256 }, (_, byte) => one(new Uint8Array(256).fill(1, byte, byte + 1)));
const star: Step = { matches: allButSlash, repeats: true, jumps: [1] };
const globstar: Step = { matches: everyByte, repeats: true, jumps: [1] };
/** Any number of folders, or none: all three steps may be passed over. */
const anyFolders: readonly Step[] = [
  { matches: new Uint8Array(256), repeats: false, jumps: [1, 3] },
  globstar,
  one(new Uint8Array(256).fill(1, slash, slash + 1)),
];

function one(matches: Uint8Array): Step {
  return { matches, repeats: false, jumps: [] };
}

/**
 * A pattern of git's wildmatch, with `*`, `**`, `?`, brackets and escapes. Patterns and texts are strings of one character per byte.
 * Source: git's wildmatch.c, and its documentation gitignore(5) and fnmatch(3). The automaton is Thompson's (1968).
 */
export class Wildcard {
  /** By state, the last round in which it was entered. */
  private readonly entered: Float64Array;
  private round = 0;

  private constructor(
    private readonly steps: readonly Step[],
    /** No shorter text matches. */
    private readonly minLength: number,
  ) {
    this.entered = new Float64Array(steps.length + 1);
  }

  /** Undefined for a pattern that matches nothing: one that ends in a backslash or an open bracket, or names an unknown class. */
  static compile(pattern: string, options: WildcardOptions): Wildcard | undefined {
    const steps: Step[] = [];
    for (let at = 0; at < pattern.length; ) {
      const piece = readPiece(pattern, at, options);
      if (piece === undefined) return undefined;
      // `**/**/` matches the same as `**/`, and would take longer.
      if (piece.steps !== anyFolders || steps.at(-anyFolders.length) !== anyFolders[0]) steps.push(...piece.steps);
      at = piece.end;
    }
    const needed = steps.filter(({ jumps }, index) => jumps.length === 0 && steps[index - 2] !== anyFolders[0]);
    return new Wildcard(steps, needed.length);
  }

  /** Whether the whole text matches. */
  matches(text: string): boolean {
    return this.ends(text).at(-1) === text.length;
  }

  /** The lengths of the beginnings of a text that match and end before a slash or with the text. */
  ends(text: string): number[] {
    const ends: number[] = [];
    if (text.length < this.minLength) return ends;
    let states = this.enter([0]);
    for (let at = 0; at < text.length && states.length > 0; at++) {
      const byte = text.charCodeAt(at);
      if (byte === slash && states.includes(this.steps.length)) ends.push(at);
      const next: number[] = [];
      for (const state of states) {
        const step = this.steps[state];
        if (step?.matches[byte] === 1) next.push(step.repeats ? state : state + 1);
      }
      states = this.enter(next);
    }
    if (states.includes(this.steps.length)) ends.push(text.length);
    return ends;
  }

  /** The states, each once, and those that are reached from them without reading a byte. */
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

/** The steps of one element of a pattern, and where the next one begins. */
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

/** A run of asterisks, with the slash after `**`. */
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

/** Git's own classes: those of the C locale, except that vertical tab and form feed are not space. */
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

/** A bracket expression; undefined when it does not end or names an unknown class. */
function readBracket(pattern: string, start: number, { paths, ignoreCase }: WildcardOptions): Piece | undefined {
  const members = new Uint8Array(256);
  const isNegated = pattern[start + 1] === "!" || pattern[start + 1] === "^";
  let at = start + (isNegated ? 2 : 1);
  let from: number | undefined;
  // A closing bracket in the first place is a member.
  do {
    const member = addMember(members, pattern, at, from, ignoreCase);
    if (member === undefined) return undefined;
    ({ end: at, from } = member);
  } while (pattern[at] !== "]");
  const matched = isNegated ? members.map((member) => 1 - member) : members;
  if (paths) matched[slash] = 0;
  return { steps: [one(matched)], end: at + 1 };
}

/**
 * Adds one member of a bracket expression as git reads it.
 * @param from the byte that a range may begin with: none after a range or a class
 * @returns where the next member begins, and what a range may begin with there; undefined when the pattern matches nothing
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

/** The name in `[:name:]`; undefined when `[` is a member. */
function classAt(pattern: string, start: number): string | undefined {
  const begin = start + "[:".length;
  if (pattern[start] !== "[" || pattern[start + 1] !== ":") return undefined;
  const end = pattern.indexOf("]", begin);
  return end > begin && pattern[end - 1] === ":" ? pattern.slice(begin, end - 1) : undefined;
}

/** Adds the bytes of a range, and when case is ignored the lower-case letters of upper-case ones too. */
function addRange(members: Uint8Array, from: number, to: number, ignoreCase: boolean): void {
  for (let byte = from; byte <= to; byte++) {
    members[byte] = 1;
    if (ignoreCase) members[lowerCase(byte)] = 1;
  }
}

/** The byte in lower case when it is a letter of ASCII. */
function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}
