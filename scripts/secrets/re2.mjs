// Translates Go's regular expressions (RE2) into JavaScript's without inline flags, which Node.js 20 does not support.

/** @type {Readonly<Record<string, string>>} */
const posixClasses = {
  alnum: "A-Za-z0-9",
  alpha: "A-Za-z",
  digit: "0-9",
  xdigit: "A-Fa-f0-9",
  upper: "A-Z",
  lower: "a-z",
};

/** JavaScript's anchors for the ends of the text. @type {Readonly<Record<string, string>>} */
const anchors = { "\\z": "$", "\\A": "^" };

/** @typedef {object} Flags
 * @property {boolean} anyCase `i`
 * @property {boolean} dotAll `s`
 */

/**
 * The same expression without flags: under `(?i)` letters become classes, under `(?s)` `.` matches every character.
 * @param {string} source
 * @returns {string}
 */
export function toJavaScript(source) {
  const translator = new Translator(source);
  const made = translator.group({ anyCase: false, dotAll: false });
  if (!translator.atEnd) throw new Error(`expected an expression whose brackets match, found ${source}`);
  return made;
}

class Translator {
  at = 0;

  /** @param {string} source */
  constructor(source) {
    this.source = source;
  }

  get atEnd() {
    return this.at === this.source.length;
  }

  /**
   * Translates up to the closing bracket of the group, or the end. A flag set inside applies until there.
   * @param {Flags} outer
   * @returns {string}
   */
  group(outer) {
    let flags = outer;
    let made = "";
    while (!this.atEnd && this.source[this.at] !== ")") {
      const set = this.take(/\(\?([a-z]*)(?:-([a-z]+))?\)/y);
      if (set === undefined) made += this.piece(flags);
      else flags = withFlags(flags, set[1], set[2]);
    }
    return made;
  }

  /** @param {Flags} flags @returns {string} */
  piece(flags) {
    const opened = this.take(/\((?:\?P?<\w+>|\?([a-z]*)(?:-([a-z]+))?:)?/y);
    if (opened !== undefined) return this.brackets(opened, flags);
    const characters = this.take(/\[(\^?)(\]?(?:\[:\w+:\]|\\.|[^\]\\])*)\]/sy);
    if (characters !== undefined) return charClass(characters[1] ?? "", characters[2] ?? "", flags);
    const escaped = this.take(/\\(?:x[0-9A-Fa-f]{2}|.)/sy)?.[0];
    if (escaped !== undefined) return anchors[escaped] ?? escaped;
    return single(this.source[this.at++] ?? "", flags);
  }

  /** Translates a group after its opening bracket and flags. @param {RegExpExecArray} opened @param {Flags} flags */
  brackets(opened, flags) {
    const captures = !opened[0].endsWith(":");
    const made = this.group(captures ? flags : withFlags(flags, opened[1], opened[2]));
    if (this.take(/\)/y) === undefined) throw new Error(`expected ")" in ${this.source}, found its end`);
    return captures ? `(${made})` : `(?:${made})`;
  }

  /** Matches a pattern with the flag `y` at the current position, and moves behind the match. @param {RegExp} pattern */
  take(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.source) ?? undefined;
    this.at += found?.[0].length ?? 0;
    return found;
  }
}

/** Translates a character that is neither escaped nor in a class. @param {string} character @param {Flags} flags */
function single(character, flags) {
  if (character === ".") return flags.dotAll ? "[\\s\\S]" : "[^\\n]";
  const isLetter = flags.anyCase && /[a-zA-Z]/.test(character);
  return isLetter ? `[${character.toLowerCase()}${character.toUpperCase()}]` : character;
}

/** @param {string} not @param {string} body @param {Flags} flags */
function charClass(not, body, flags) {
  const made = body
    .replace(/\[:(\w+):\]/g, (_, /** @type {string} */ name) => posixClasses[name] ?? "")
    .replace(/^\]/, "\\]");
  return `[${not}${flags.anyCase ? otherCase(made) : ""}${made}]`;
}

/** The letters of a class in the other case. @param {string} body */
function otherCase(body) {
  const plain = body.replace(/\\x[0-9A-Fa-f]{2}|\\./gs, "");
  const swap = (/** @type {string} */ letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
  return [...plain.matchAll(/([a-zA-Z])-([a-zA-Z])|[a-zA-Z]/g)]
    .map(([one, from, to]) => (from === undefined || to === undefined ? swap(one) : `${swap(from)}-${swap(to)}`))
    .filter((part) => !plain.includes(part))
    .join("");
}

/** @param {Flags} flags @param {string} [on] @param {string} [off] @returns {Flags} */
function withFlags(flags, on = "", off = "") {
  return {
    anyCase: (flags.anyCase || on.includes("i")) && !off.includes("i"),
    dotAll: (flags.dotAll || on.includes("s")) && !off.includes("s"),
  };
}
