"""Definitions and identifiers of source text, by one regular expression a language."""

from __future__ import annotations

import re

IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")

# A definition's name is the group that matched. Lines are matched one at a time from their start, which is fast and
# errs towards missing a definition spread over several lines rather than inventing one.
_MODIFIERS = r"(?:(?:public|private|protected|internal|static|final|abstract|sealed|virtual|override|async|partial|readonly|default|synchronized|native|unsafe|extern|new|strictfp)\s+)*"
_NOT_KEYWORD = (
    r"(?!(?:return|else|new|throw|await|case|in|is|as|using|yield|goto|delete|typedef|if|for|while|switch|catch)\b)"
)

_PYTHON = r"\s*(?:async\s+def|def|class)\s+(\w+)|([A-Za-z_]\w*)\s*(?::[^=()]+)?=(?!=)"
_TYPESCRIPT = (
    r"\s*(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?"
    r"(?:function\s*\*?|class|interface|enum|type|namespace)\s+([\w$]+)"
    r"|(?:export\s+)?(?:const|let|var)\s+([\w$]+)"
    r"|\s+(?:(?:public|private|protected|static|readonly|async|override|get|set)\s+)*"
    r"(?!(?:if|for|while|switch|catch|function|return|super|constructor|await|throw|new|else|do|typeof)\b)([\w$]+)\s*(?:<[^>]*>)?\([^;]*\)\s*(?::[^;{]+)?\{\s*$"
)
_JAVA = (
    rf"\s*{_MODIFIERS}(?:class|interface|enum|record|@interface)\s+(\w+)"
    rf"|\s*(?:@\w+\s+)?{_MODIFIERS}(?:<[^>]+>\s+)?{_NOT_KEYWORD}[\w.$]+(?:<[^()=;]*>)?(?:\[\])*\s+(\w+)\s*\([^;=]*(?:\{{|,|\)|\()\s*(?:throws\s+[\w., ]+)?\{{?\s*$"
    rf"|\s+(?:(?:public|private|protected|static|final)\s+)+{_NOT_KEYWORD}[\w.$]+(?:<[^()=;]*>)?(?:\[\])*\s+(\w+)\s*[=;]"
)
_CSHARP = (
    rf"\s*{_MODIFIERS}(?:class|interface|enum|record|struct|delegate\s+[\w<>\[\],.?]+)\s+(\w+)"
    rf"|\s*{_MODIFIERS}{_NOT_KEYWORD}[\w.]+(?:<[^()=;]*>)?[\[\]?]*\s+(\w+)\s*(?:<[^>]*>)?\([^;=]*\)?\s*(?:=>.*|\{{)?\s*$"
    rf"|\s+(?:(?:public|private|protected|internal|static|readonly|const|virtual|override|required)\s+)+{_NOT_KEYWORD}[\w.]+(?:<[^()=;]*>)?[\[\]?]*\s+(\w+)\s*[={{;]"
)
_GO = r"func\s+(?:\([^)]*\)\s*)?(\w+)|type\s+(\w+)|(?:var|const)\s+(\w+)|\t([A-Z]\w*)\s*(?:[\w.\[\]*]+\s*)?=\s*iota"
_RUST = (
    r"\s*(?:pub(?:\([^)]*\))?\s+)?(?:default\s+)?(?:const\s+)?(?:async\s+)?(?:unsafe\s+)?(?:extern\s+\"[^\"]*\"\s+)?"
    r"(?:fn|struct|enum|trait|type|union|mod|const|static)\s+(?:mut\s+)?(\w+)|\s*macro_rules!\s*(\w+)"
)
_CPP = (
    r"\s*(?:template\s*<[^>]*>\s*)?(?:class|struct|enum(?:\s+class)?|union|namespace)\s+(?:[A-Z_]+\s+)?(\w+)(?!.*;\s*$)"
    r"|#\s*define\s+(\w+)"
    r"|\s*using\s+(\w+)\s*="
    rf"|\s*(?:(?:static|inline|constexpr|virtual|explicit|extern|const|friend)\s+)*{_NOT_KEYWORD}[\w:]+(?:<[^()=;]*>)?[\s*&]+(?:\w+::)*(\w+)\s*\([^=]*(?:\)|,|\{{)[^()=]*$"
)
_RUBY = r"\s*def\s+(?:self\.)?(\w+[?!=]?)|\s*(?:class|module)\s+(?:\w+::)*(\w+)|\s*([A-Z]\w*)\s*=(?!=)"
_PHP = (
    r"\s*(?:(?:public|private|protected|static|final|abstract)\s+)*function\s+&?(\w+)"
    r"|\s*(?:(?:final|abstract|readonly)\s+)*(?:class|interface|trait|enum)\s+(\w+)"
    r"|\s*(?:(?:public|private|protected)\s+)?const\s+(?:\w+\s+)?(\w+)\s*="
)

_PATTERNS = {
    language: re.compile(pattern)
    for language, pattern in {
        "python": _PYTHON,
        "typescript": _TYPESCRIPT,
        "javascript": _TYPESCRIPT,
        "java": _JAVA,
        "csharp": _CSHARP,
        "go": _GO,
        "rust": _RUST,
        "cpp": _CPP,
        "ruby": _RUBY,
        "php": _PHP,
    }.items()
}

LANGUAGES = tuple(_PATTERNS)

_EXTENSIONS = {
    "py": "python", "pyi": "python",
    "ts": "typescript", "tsx": "typescript", "mts": "typescript", "cts": "typescript",
    "js": "javascript", "jsx": "javascript", "mjs": "javascript", "cjs": "javascript",
    "java": "java", "cs": "csharp", "go": "go", "rs": "rust",
    "cc": "cpp", "cpp": "cpp", "cxx": "cpp", "h": "cpp", "hh": "cpp", "hpp": "cpp", "c": "cpp",
    "rb": "ruby", "php": "php",
}  # fmt: skip


def language_of(path: str) -> str | None:
    """Language of a file by its extension, or None when it is none of LANGUAGES."""
    name = path.rsplit("/", 1)[-1]
    return _EXTENSIONS.get(name.rsplit(".", 1)[-1].lower()) if "." in name else None


def definitions(language: str, text: str) -> list[tuple[str, int]]:
    """Names defined in a text, with their line (counted from 0), in order of appearance.

    Functions, classes, types and top-level or constant-like values. Lines longer than 300 characters are skipped: on
    such lines the patterns could backtrack for long. An unknown language has no definitions.
    """
    pattern = _PATTERNS.get(language)
    if pattern is None:
        return []
    found = []
    for number, line in enumerate(text.split("\n")):
        if len(line) > 300 or not line:
            continue
        match = pattern.match(line)
        if match is not None and match.lastindex is not None:
            found.append((match.group(match.lastindex), number))
    return found
