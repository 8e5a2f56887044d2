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
/** In front of a globstar and a slash: both may be left out together. */
const maybeFolders: Step = { takes: new Uint8Array(256), repeats: false, jumps: [1, 3] };
const literalSlash = one(new Uint8Array(256).fill(1, slash, slash + 1));

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
      const character = pattern[at];
      if (character === "*") {
        at = addStars(pattern, at, options, steps);
      } else if (character === "[") {
        const bracket = readBracket(pattern, at, options);
        if (bracket === undefined) return undefined;
        steps.push(one(bracket.takes));
        at = bracket.end;
      } else if (character === "?") {
        steps.push(one(options.paths ? allButSlash : everyByte));
        at++;
      } else {
        const isEscaped = character === "\\";
        const byte = pattern.charCodeAt(isEscaped ? at + 1 : at);
        const literal = literals[options.ignoreCase && !isEscaped ? lowerCase(byte) : byte];
        if (literal === undefined) return undefined;
        steps.push(literal);
        at += isEscaped ? 2 : 1;
      }
    }
    const needed = steps.filter(({ jumps }, index) => jumps.length === 0 && steps[index - 2] !== maybeFolders);
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

/** Adds what a run of asterisks stands for, with the slash behind `**`. @returns where the pattern goes on */
function addStars(pattern: string, start: number, { paths }: WildcardOptions, steps: Step[]): number {
  let end = start;
  while (pattern[end] === "*") end++;
  const isWholeName =
    (start === 0 || pattern[start - 1] === "/") &&
    (end === pattern.length || pattern[end] === "/" || pattern.startsWith("\\/", end));
  if (!paths || (end - start > 1 && isWholeName && pattern[end] !== "/")) {
    steps.push(globstar);
    return end;
  }
  if (end - start === 1 || !isWholeName) {
    steps.push(star);
    return end;
  }
  // Once more says nothing more, and would only take time.
  if (steps.at(-3) !== maybeFolders) steps.push(maybeFolders, globstar, literalSlash);
  return end + 1;
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

/**
 * A bracket expression from `pattern[start]` on, and where it ends. Nothing where it does not end or names an unknown class.
 * Its members are read as git reads them: a range that begins behind a range or a class is none.
 */
function readBracket(
  pattern: string,
  start: number,
  { paths, ignoreCase }: WildcardOptions,
): { takes: Uint8Array; end: number } | undefined {
  const members = new Uint8Array(256);
  const isNegated = pattern[start + 1] === "!" || pattern[start + 1] === "^";
  const first = start + (isNegated ? 2 : 1);
  /** The byte that a range may begin with. */
  let from: number | undefined;
  let at = first;
  // A closing bracket that comes first is a member.
  for (; at === first || pattern[at] !== "]"; at++) {
    const character = pattern[at];
    const next = pattern[at + 1];
    const name = character === "[" ? classAt(pattern, at) : undefined;
    if (character === "-" && from !== undefined && next !== undefined && next !== "]") {
      at += next === "\\" ? 2 : 1;
      addRange(members, from, pattern.charCodeAt(at), ignoreCase);
      from = undefined;
    } else if (name !== undefined) {
      const found = classes.get(name === "upper" && ignoreCase ? "alpha" : name);
      if (found === undefined) return undefined;
      for (let byte = 0; byte < 128; byte++) if (found.test(String.fromCharCode(byte))) members[byte] = 1;
      at += "[:".length + name.length + ":".length;
      from = undefined;
    } else {
      if (character === "\\") at++;
      from = pattern.charCodeAt(at);
      members[from] = 1;
    }
    if (at >= pattern.length) return undefined;
  }
  const takes = isNegated ? members.map((member) => 1 - member) : members;
  if (paths) takes[slash] = 0;
  return { takes, end: at + 1 };
}

/** The name in `[:name:]`; nothing where something else begins so, which is a bracket among the members then. */
function classAt(pattern: string, start: number): string | undefined {
  const begin = start + "[:".length;
  if (pattern[start + 1] !== ":") return undefined;
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
