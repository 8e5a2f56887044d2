"""Scores of a completion as CrossCodeEval defines them: exact match, edit similarity, identifier match.

Source: CrossCodeEval (Ding et al., 2023) and its evaluation script. What a prediction and a ground truth are cut to, one
statement, is decided here by the text alone, without a parser:

- Python: up to the first line break that has no open bracket of this line's before it, quotes and comments passed over
  (a quote left open ends with its line, a triple one goes on), and no backslash. White space in front does not count.
- Java and C#: up to and with the first `;`, `{` or `}`, as CrossCodeEval does.
- TypeScript: the same, and at most to the end of the line, since the ground truths are rests of lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What identifiers are sought in: code without its literals and comments.
_PASSED_OVER = re.compile(
    r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|`(?:\\.|[^`\\])*`|//[^\n]*|/\*[\s\S]*?\*/'
)
_PYTHON_COMMENT = re.compile(r"#[^\n]*")
_KEYWORDS = {
    "python": "False None True and as assert async await break class continue def del elif else except finally for from global if "
    "import in is lambda nonlocal not or pass raise return try while with yield",
    "java": "abstract assert boolean break byte case catch char class const continue default do double else enum extends false final "
    "finally float for goto if implements import instanceof int interface long native new null package private protected public "
    "return short static strictfp super switch synchronized this throw throws transient true try void volatile while",
    "typescript": "any as async await boolean break case catch class const continue debugger declare default delete do else enum export "
    "extends false finally for from function get if implements import in instanceof interface is keyof let module namespace never "
    "new null number of package private protected public readonly require return set static string super switch symbol this throw "
    "true try type typeof undefined unique unknown var void while with yield",
}
_KEYWORDS["csharp"] = (
    _KEYWORDS["java"]
    + " as base bool checked decimal delegate event explicit extern fixed foreach implicit in internal "
    "is lock namespace object operator out override params readonly ref sbyte sealed sizeof stackalloc string struct typeof uint "
    "ulong unchecked unsafe ushort using var virtual"
)
_RESERVED = {language: frozenset(words.split()) for language, words in _KEYWORDS.items()}


@dataclass(frozen=True)
class Score:
    """One prediction's scores; `es` from 0 to 100, the others from 0 to 1."""

    em: float
    es: float
    id_em: float
    id_f1: float


def score(language: str, line: str, prediction: str, groundtruth: str) -> Score:
    """Scores of a prediction; `line` is what the cursor's line holds before the cursor."""
    guess = (statement(language, line, prediction)[0]).strip()
    truth = (statement(language, line, groundtruth)[0]).strip()
    names, wanted = identifiers(language, guess), identifiers(language, truth)
    return Score(float(guess == truth), fuzz.ratio(guess, truth), float(names == wanted), _f1(set(names), set(wanted)))


def statement(language: str, line: str, text: str) -> tuple[str, bool]:
    """(the part of `text` that belongs to the statement at the cursor, whether its end was seen)."""
    body = len(text) - len(text.lstrip())
    if language == "python":
        end = _python_end(line, text, body)
    elif language == "typescript":
        found = re.search(r"[;{}]|\n", text[body:])
        end = None if found is None else body + (found.start() if found.group() == "\n" else found.end())
    else:
        found = re.search(r"[;{}]", text)
        end = None if found is None else found.end()
    return (text, False) if end is None else (text[:end], True)


def _python_end(line: str, text: str, body: int) -> int | None:
    """Where the statement ends in `text`, whose first character that is no white space is at `body`; None where it goes on."""
    joined = line + text
    first = len(line) + body
    depth, at, quote = 0, 0, ""
    while at < len(joined):
        character = joined[at]
        if quote:
            if character == "\\":
                at += 2
                continue
            if joined.startswith(quote, at):
                at += len(quote)
                quote = ""
                continue
            if character == "\n" and len(quote) == 1:
                quote = ""
                continue
        elif character in "\"'":
            quote = character * 3 if joined.startswith(character * 3, at) else character
            at += len(quote)
            continue
        elif character == "#":
            stop = joined.find("\n", at)
            at = len(joined) if stop < 0 else stop
            continue
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth = max(0, depth - 1)
        elif character == "\\" and joined.startswith("\n", at + 1):
            at += 2
            continue
        elif character == "\n" and depth == 0 and at > first:
            return at - len(line)
        at += 1
    return None


def identifiers(language: str, code: str) -> list[str]:
    """Names in order of appearance, without keywords, literals and comments."""
    plain = (
        _PASSED_OVER.sub(" ", code)
        if language != "python"
        else _PYTHON_COMMENT.sub(" ", _PASSED_OVER.sub(" ", code.replace("//", "/ /")))
    )
    reserved = _RESERVED.get(language, frozenset())
    return [name for name in _NAME.findall(plain) if name not in reserved]


def _f1(found: set[str], wanted: set[str]) -> float:
    """Harmonic mean of precision and recall; 1 where neither side names anything."""
    if not found and not wanted:
        return 1.0
    return 2 * len(found & wanted) / (len(found) + len(wanted))


def line_before(prefix: str) -> str:
    """What the cursor's line holds before the cursor."""
    return prefix[prefix.rfind("\n") + 1 :]


def means(scores: Sequence[Score]) -> dict[str, float]:
    """Means over predictions by JSON name: em, idEm, idF1 from 0 to 1, es from 0 to 100."""
    count = max(1, len(scores))
    return {
        "em": sum(s.em for s in scores) / count,
        "es": sum(s.es for s in scores) / count,
        "idEm": sum(s.id_em for s in scores) / count,
        "idF1": sum(s.id_f1 for s in scores) / count,
    }
