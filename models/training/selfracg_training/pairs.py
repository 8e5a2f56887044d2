"""Training pairs of ING: a context and the fragment that its continuation needs, from one repository.

Two kinds. ``next`` (stage 1 of arXiv 2507.19033): the context ends anywhere, the fragment is what follows in the same
file. ``definition``: the context ends where a name is about to be used that another file defines, the fragment is that
definition. Contexts end at arbitrary characters, as in an editor.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from . import pack, package
from .prompt_format import PromptFormat

KINDS = ("next", "definition", "both")
QUERY_TOKENS = 192
FRAGMENT_TOKENS = 128
# Share of definition pairs where both kinds are asked for.
DEFINITION_SHARE = 0.65
LONGEST_FRAGMENT = 20
# Lines before the cursor that a query shows at most, roughly: a name used in them is no news.
VISIBLE_LINES = 18
# A definition this many characters into a fragment may be cut off by the token limit.
REACH = 280
# Imports and comments name things without needing them.
_PASSED_OVER = re.compile(
    r"\s*(?:import|from|using|use|require|include|#|package|export\s.*\bfrom|.*\brequire\(|//|/\*|\*)(?:\b|\W|$)"
)


@dataclass
class Pair:
    """Token ids of a query and of its fragment, and what is needed to see that another pair's fragment would do as well.

    Lines count from 0, ``last`` exclusive. ``defines``: names that the fragment defines; ``follows``: names after the
    cursor that other files define.
    """

    repository: str
    kind: str
    query: list[int]
    fragment: list[int]
    query_path: str
    query_line: int
    path: str
    first: int
    last: int
    defines: list[str]
    follows: list[str]


def prompt_format(tokenizer: Tokenizer) -> PromptFormat:
    """The prompt layout of the tokenizer's family, with the limits that pairs are cut to."""
    layout = package.layout_for(tokenizer.to_str())
    retrieval = {"queryTokens": QUERY_TOKENS, "fragmentTokens": FRAGMENT_TOKENS}
    return PromptFormat({"prompt": layout.to_json(), "retrieval": retrieval}, tokenizer)


class Sampler:
    """Draws pairs from one repository (a row of the corpus)."""

    def __init__(self, row: dict[str, Any], form: PromptFormat, seed: int) -> None:
        self.name: str = row["repository"]
        self.form = form
        self.random = random.Random(f"{seed}/{self.name}")
        self.repository = pack.Repository(row, 3.0, self.random)
        self.files = [number for number, file in enumerate(self.repository.files) if len(file.lines) > 12]
        self.weights = [len(self.repository.files[number].lines) ** 0.5 for number in self.files]

    def draw(self, kind: str) -> Pair | None:
        """One pair of a kind, or None where the drawn place holds none."""
        if not self.files:
            return None
        if kind == "both":
            kind = "definition" if self.random.random() < DEFINITION_SHARE else "next"
        number = self.random.choices(self.files, self.weights)[0]
        return self._definition(number) if kind == "definition" else self._next(number)

    def without_need(self) -> tuple[str, int, list[int]] | None:
        """(path, line, query ids) at a cursor whose line and the next two use nothing that another file defines."""
        if not self.files:
            return None
        number = self.random.choices(self.files, self.weights)[0]
        file = self.repository.files[number]
        line = self.random.randrange(3, len(file.lines))
        if not file.lines[line].strip() or self._follows(number, line):
            return None
        return file.path, line, self._query(file, file.starts[line] + self._indent(file.lines[line]))

    def _definition(self, number: int) -> Pair | None:
        file = self.repository.files[number]
        start = self.random.randrange(2, len(file.lines))
        links = [
            link
            for link in self.repository.links(number, start, start + 40)
            if link.name
            and not _PASSED_OVER.match(file.lines[link.line])
            and not any(link.name in words for words in file.words[max(0, link.line - VISIBLE_LINES) : link.line])
        ]
        if not links:
            return None
        link = self.random.choices(links, [link.weight for link in links])[0]
        line = file.lines[link.line]
        match = re.search(rf"(?<![\w$]){re.escape(link.name)}(?![\w$])", line)
        if match is None:
            return None
        place = self.random.random()
        if place < 0.5:
            column = match.start()
        elif place < 0.7:
            column = match.start() + self.random.randint(1, min(3, len(link.name) - 1))
        elif place < 0.9:
            column = self._indent(line)
        else:
            column = -1
        other = self.repository.files[link.there]
        span = self._around(other, link.place)
        if span is None:
            return None
        return self._pair("definition", number, link.line, file.starts[link.line] + column, link.there, *span)

    def _next(self, number: int) -> Pair | None:
        file = self.repository.files[number]
        line = self.random.randrange(2, len(file.lines) - 4)
        text = file.lines[line]
        if _PASSED_OVER.match(text):
            return None
        column = len(text) if self.random.random() < 0.4 else self.random.randint(self._indent(text), len(text))
        first = line + 1
        while first < len(file.lines) and not file.lines[first].strip():
            first += 1
        last = min(len(file.lines), first + self.random.randint(8, LONGEST_FRAGMENT))
        if sum(bool(text.strip()) for text in file.lines[first:last]) < 3:
            return None
        return self._pair("next", number, line, file.starts[line] + column, number, first, last)

    def _pair(self, kind: str, number: int, line: int, offset: int, there: int, first: int, last: int) -> Pair:
        file, other = self.repository.files[number], self.repository.files[there]
        return Pair(
            repository=self.name, kind=kind, query=self._query(file, offset),
            fragment=self.form.fragment_embedding(other.path, "\n".join(other.lines[first:last])),
            query_path=file.path, query_line=line, path=other.path, first=first, last=last,
            defines=sorted({name for name, at in other.defined if first <= at < last and len(name) > 3}),
            follows=self._follows(number, line),
        )

    def _follows(self, number: int, line: int) -> list[str]:
        """Names in a line and the next two that another file defines."""
        words: set[str] = set().union(*self.repository.files[number].words[line : line + 3])
        definers = self.repository.definers
        return sorted(word for word in words if word in definers and any(there != number for there in definers[word]))

    def _query(self, file: pack.SourceFile, offset: int) -> list[int]:
        return self.form.query(file.path, file.text[max(0, offset - 4000) : offset])

    def _around(self, file: pack.SourceFile, place: int) -> tuple[int, int] | None:
        """Lines of a fragment that shows the definition at line ``place``: its own block, or a window that holds it."""
        if self.random.random() < 0.5:
            first = place
            while first > 0 and place - first < 4 and re.match(r"\s*(?:@|#|//|/\*|\*|\[)", file.lines[first - 1]):
                first -= 1
            indent = self._indent(file.lines[place])
            last = place + 1
            while last < len(file.lines) and last - first < LONGEST_FRAGMENT:
                text = file.lines[last]
                if text.strip() and self._indent(text) <= indent and not re.match(r"\s*[)\]}]", text) and last - place > 2:
                    break
                last += 1
        else:
            first = max(0, place - self.random.randint(0, 9))
            last = min(len(file.lines), first + LONGEST_FRAGMENT)
        if file.starts[place] - file.starts[first] > REACH:
            first = place
        if sum(bool(text.strip()) for text in file.lines[first:last]) < 2:
            return None
        return first, last

    @staticmethod
    def _indent(line: str) -> int:
        return len(line) - len(line.lstrip())


def interchangeable(one: Pair, other: Pair) -> bool:
    """Whether the other pair's fragment may not count as wrong for this pair's query.

    So with the same text, windows that overlap, text that the query already shows, and what defines a name that follows.
    """
    if one.fragment == other.fragment:
        return True
    if one.repository != other.repository:
        return False
    if one.path == other.path and one.first < other.last and other.first < one.last:
        return True
    if one.query_path == other.path and other.first <= one.query_line + 1 and one.query_line - VISIBLE_LINES < other.last:
        return True
    return not set(one.follows).isdisjoint(other.defines)


def draw_pairs(
    corpus: Path, tokenizer: Tokenizer, count: int, kind: str, seed: int, candidates: int = 0
) -> Iterator[Pair]:
    """About ``count`` pairs from every repository of a corpus file, each by the root of its size.

    ``candidates`` bounds the draws a repository gets, in multiples of the pairs wanted (0: six).
    """
    form = prompt_format(tokenizer)
    sizes: list[float] = []
    with corpus.open(encoding="utf-8") as lines:
        for line in lines:
            sizes.append(float(len(line)) ** 0.7)
    total = sum(sizes)
    with corpus.open(encoding="utf-8") as lines:
        for size, line in zip(sizes, lines):
            sampler = Sampler(json.loads(line), form, seed)
            wanted = max(1, round(count * size / total))
            made = 0
            for _ in range(wanted * (candidates or 6)):
                pair = sampler.draw(kind)
                if pair is not None and len(pair.query) > 24:
                    yield pair
                    made += 1
                    if made == wanted:
                        break


def write(path: Path, pairs: Iterator[Pair]) -> int:
    """Writes pairs as JSON lines; the file appears once it is whole. Returns their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part")
    count = 0
    with scratch.open("w", encoding="utf-8") as out:
        for pair in pairs:
            out.write(json.dumps(asdict(pair), separators=(",", ":")) + "\n")
            count += 1
    scratch.replace(path)
    return count


def read(path: Path) -> list[Pair]:
    """Pairs of a file that ``write`` wrote."""
    with path.open(encoding="utf-8") as lines:
        return [Pair(**json.loads(line)) for line in lines]
