// Tells generated and minified files from those that people write, by their structure.

/** Comments are looked at in the first lines of a file only. */
const headLines = 30;
/** Of one comment line that is looked at. */
const maxCommentLength = 400;
const commentMark = /^\s*(?:\/\/+!?|\/\*+!?|\*+(?!\/)|#+!?|--+|;+|%+|<!--+|"""|'''|\(\*+)/;

/** Whatever stands at the end of a comment's line and is no text. */
const closingMark = /\s*(?:\*+\/|--+>|"""|'''|\*+\)|[#*=-]+)\s*$/;
/** By what opens a comment of several lines, what closes it. */
const closers: ReadonlyMap<string, string> = new Map([
  ["/*", "*/"],
  ["<!-", "-->"],
  ['"""', '"""'],
  ["'''", "'''"],
  ["(*", "*)"],
]);

const generated = `@?(?:(?:automatically|auto|machine|programmatically|code)[- ]?)?generated`;
const nouns =
  "(?:file|code|source|module|header|class|script|document|package|interface|stub|client|library|parser|lexer|schema|page|configuration|content)s?";
/** What may follow "generated" in a sentence that says where the text comes from. */
const origin = String.raw`(?=\s*$|\s*[.,;:!)(<{]|\s+-+\s|\s+(?:automatically\s+)?(?:by(?! hand)|from|with|using|via|and|at build|on \d|during|out of|do not|don't)\b)`;

/** Sentences by which a file says of itself that it is generated, each from the start of a comment's text or of a sentence. */
const statements: readonly RegExp[] = [
  // The standard form of Go, which other generators use as well.
  /^code generated\b.*\bdo not edit\b/i,
  // A tag, not the word in a sentence about the tag.
  new RegExp(String.raw`^@(?:auto)?generated${origin}|^@generated\s+signedsource\b|^<auto-?generated\b`, "i"),
  new RegExp(
    String.raw`^(?:(?:warning|note|notice|attention|important|caution)\W+)?this (?:[\w.-]+ )?${nouns} (?:is|was|were|has been|are) (?:(?!not|never|partly|partially)\w+ly |been |being )?${generated}${origin}`,
    "i",
  ),
  new RegExp(String.raw`^this (?:[\w.-]+ )?${nouns} (?:is|was|are) an? ${generated} ${nouns}\b`, "i"),
  new RegExp(`^(?:this is|these are) (?:an? )?(?:automatically )?${generated} ${nouns}${origin}`, "i"),
  new RegExp(
    String.raw`^(?:${nouns} )?(?:automatically |auto-?|machine[- ])generated(?: ${nouns})?${origin}(?!.*\b(?:is|are|was|were|can|must|should|may|will|has|have)\b)`,
    "i",
  ),
  /^generated automatically (?:by|from|with|using)\b/i,
  new RegExp(
    String.raw`^${nouns} generated (?:by|from|with|using) (?!.*\b(?:is|are|was|were|can|must|should|may|will|has|have)\b)`,
    "i",
  ),
];

/** Asks not to edit the file as a whole, and no more than that; people ask so too, with a condition. */
const keepOut =
  /^(?:please )?(?:do not|don't|never) (?:edit|modify|change)(?: (?:this|the) (?:generated )?(?:file|code))?(?: (?:by hand|manually|directly))?\W*$/i;
/** What a comment that asks so must say besides: that something else writes the file. */
const writtenBySomethingElse =
  /^(?:this file (?:is|was) )?(?:generated|created|produced|built|compiled|written) (?:by|from|with|using)\b|\b(?:generated|overwritten|regenerated?|will be lost)\b/i;
/** In capital letters it is the mark of generators, also alone. */
const keepOutMark =
  /^(?:PLEASE )?DO NOT (?:EDIT|MODIFY|CHANGE)(?: (?:THIS|THE) (?:FILE|CODE))?(?: (?:BY HAND|MANUALLY|DIRECTLY))?\W*$/;

/** The line (1-based) at the top of a file with a comment by which the file says of itself that it is generated. */
export function generatedLine(text: string): number | undefined {
  let asks: number | undefined;
  let saysWhy = false;
  for (const { line, sentence } of headSentences(text)) {
    if (keepOutMark.test(sentence) || statements.some((statement) => statement.test(sentence))) return line;
    if (keepOut.test(sentence)) asks ??= line;
    else saysWhy ||= writtenBySomethingElse.test(sentence);
    if (asks !== undefined && saysWhy) return asks;
  }
  return undefined;
}

interface CommentSentence {
  /** Where it begins, 1-based. */
  readonly line: number;
  readonly sentence: string;
}

/** After a line of a comment that ends with none of these, the next line goes on with its sentence if it begins with a small letter. */
const sentenceEnd = /[.!?:;]$/;
/** Where a sentence ends within a line, or another one is joined to it. */
const sentenceBreak = /(?<=[.!;])\s+|\s+-+\s|,\s+(?=do not\b|don't\b)/i;

/** The sentences of the comments at the top of a file; a heading, a tag or a line of its own counts as a sentence. */
function headSentences(text: string): CommentSentence[] {
  const found: CommentSentence[] = [];
  let isOpen = false;
  for (const { line, comment, isClosed } of headComments(text)) {
    const last = found.at(-1);
    const goesOn =
      isOpen && last !== undefined && (/^\p{Ll}/u.test(comment) || /^@\w+\s+(?!signedsource)\w/i.test(comment));
    if (goesOn) found.pop();
    let from = goesOn ? last.line : line;
    for (const sentence of (goesOn ? `${last.sentence} ${comment}` : comment).split(sentenceBreak)) {
      found.push({ line: from, sentence: sentence.trim() });
      from = line;
    }
    isOpen = comment !== "" && !isClosed && !sentenceEnd.test(comment);
  }
  return found;
}

interface CommentLine {
  /** 1-based. */
  readonly line: number;
  /** Without its marks; empty for a line that is no comment. */
  readonly comment: string;
  /** Whether a comment of several lines ends here. */
  readonly isClosed: boolean;
}

function* headComments(text: string): Generator<CommentLine> {
  let start = 0;
  let closer: string | undefined;
  for (let line = 1; line <= headLines && start < text.length; line++) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const content = text.slice(start, Math.min(end, start + maxCommentLength));
    const mark = commentMark.exec(content)?.[0] ?? "";
    const isComment = mark !== "" || closer !== undefined;
    if (closer === undefined) closer = closers.get(mark.trim().slice(0, 3)) ?? closers.get(mark.trim().slice(0, 2));
    const rest = content.slice(mark.length);
    const isClosed = closer !== undefined && rest.includes(closer);
    if (isClosed) closer = undefined;
    yield { line, comment: isComment ? rest.replace(closingMark, "").trim() : "", isClosed };
    start = end + 1;
  }
}

/** Characters per line, on average and in one line, above which a file is taken for minified. */
const maxMeanLineLength = 180;
const maxLineLength = 20_000;
/** Smaller files say too little about their lines. */
const minMinifiedLength = 4096;
/** One word without a break is data in a literal, such as an image in base64: it says nothing about how the line was written. */
const dataWord = /[\w+/=-]{100,}/g;
/** Of the characters of a line of prose: letters of any script, and spaces where words have spaces between them. */
const minProseLetters = 0.65;
const minProseSpaces = 0.09;

/**
 * Why the text is minified, if it is: its lines are long, and what is long about them is code. Prose has long lines too, a
 * paragraph in each, and so have literals with data.
 */
export function whyMinified(text: string): string | undefined {
  /** Without those of prose. */
  let lines = 0;
  let codeLength = 0;
  for (let start = 0, lineNumber = 1; start < text.length; lineNumber++) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const length = end - start;
    const line = length > maxMeanLineLength ? text.slice(start, Math.min(end, start + maxLineLength)) : "";
    if (line === "" || !isProse(line)) {
      if (length > maxLineLength)
        return `line ${lineNumber} has ${length} characters; code that people write has at most ${maxLineLength}`;
      codeLength += line === "" ? length : line.replace(dataWord, "").length;
      lines++;
    }
    start = end + 1;
  }
  const mean = Math.round(codeLength / lines);
  if (codeLength > minMinifiedLength && mean > maxMeanLineLength)
    return `a line has ${mean} characters on average; code that people write has at most ${maxMeanLineLength}`;
  return undefined;
}

function isProse(line: string): boolean {
  const letters = line.match(/[\p{L}\p{M}]/gu)?.length ?? 0;
  if (letters < minProseLetters * line.length) return false;
  // Chinese, Japanese and Thai have no spaces between words.
  const unspaced = line.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/gu)?.length ?? 0;
  const spaces = line.match(/\s/g)?.length ?? 0;
  return unspaced > letters / 2 || spaces >= minProseSpaces * line.length;
}
