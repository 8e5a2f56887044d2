"""Draws pairs and windows from the repositories of a corpus."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfracg.data import crossfile, source_repository
from selfracg.data.pairs import VISIBLE_LINES, Pair, Window
from selfracg.data.prompt_format import PromptFormat

# Pairs that a repository gives to a pass at least, so that batches hold several of one; and windows of all of them.
MIN_PAIRS_PER_REPOSITORY = 64
MAX_WINDOWS = 60_000
# Share of definition pairs where both kinds are asked for.
DEFINITION_SHARE = 0.65
MAX_FRAGMENT_LINES = 20
# A definition this many characters into a fragment may be cut off by the token limit.
REACH = 280
# Imports and comments name things without needing them.
_PASSED_OVER = re.compile(
    r"\s*(?:import|from|using|use|require|include|#|package|export\s.*\bfrom|.*\brequire\(|//|/\*|\*)(?:\b|\W|$)"
)


class Sampler:
    """Draws pairs from one repository (a row of the corpus)."""

    def __init__(self, row: dict[str, Any], form: PromptFormat, seed: int) -> None:
        self.name: str = row["repository"]
        self.form = form
        self.random = random.Random(f"{seed}/{self.name}")
        self.repository = source_repository.Repository(row, 3.0, self.random)
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

    def no_need(self) -> Pair | None:
        """A context whose line and the next two use nothing that another file defines.

        Its cursor stands at or in a word, as that of a definition pair does: where it stands must not tell them apart.
        """
        if not self.files:
            return None
        number = self.random.choices(self.files, self.weights)[0]
        file = self.repository.files[number]
        line = self.random.randrange(3, len(file.lines))
        text = file.lines[line]
        words = list(re.finditer(r"(?<![\w$])[A-Za-z_$][\w$]{3,}", text))
        if not words or _PASSED_OVER.match(text) or self._follows(number, line):
            return None
        word = self.random.choice(words)
        column = self._column(text, word.start(), len(word.group()))
        there = self.random.choice(self.files)
        first = self.random.randrange(
            0, max(1, len(self.repository.files[there].lines) - crossfile.STEP), crossfile.STEP
        )
        return self._pair("no-need", number, line, file.starts[line] + column, there, *self._window(there, first))

    def windows(self, maximum: int) -> Iterator[Window]:
        """Up to ``maximum`` of the windows that a search offers, ``crossfile.LINES`` lines every ``crossfile.STEP``, in random order."""
        places = [
            (number, first)
            for number, file in enumerate(self.repository.files)
            for first in range(0, max(1, len(file.lines) - crossfile.STEP), crossfile.STEP)
        ]
        self.random.shuffle(places)
        for number, first in places[:maximum]:
            file = self.repository.files[number]
            first, last = self._window(number, first)
            text = "\n".join(file.lines[first:last])
            if text.strip():
                yield Window(
                    self.name,
                    self.form.fragment_embedding(file.path, text),
                    file.path,
                    first,
                    last,
                    self._defined(number, first, last),
                )

    def _window(self, number: int, first: int) -> tuple[int, int]:
        return first, min(len(self.repository.files[number].lines), first + crossfile.LINES)

    def _column(self, line: str, start: int, length: int) -> int:
        """Where a cursor stands that is about to write the word at ``start`` of a line, or soon will."""
        place = self.random.random()
        if place < 0.5:
            return start
        if place < 0.7:
            return start + self.random.randint(1, min(3, length - 1))
        return self._indent(line) if place < 0.9 else -1

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
        column = self._column(line, match.start(), len(link.name))
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
        last = min(len(file.lines), first + self.random.randint(8, MAX_FRAGMENT_LINES))
        if sum(bool(text.strip()) for text in file.lines[first:last]) < 3:
            return None
        return self._pair("next", number, line, file.starts[line] + column, number, first, last)

    def _pair(self, kind: str, number: int, line: int, offset: int, there: int, first: int, last: int) -> Pair:
        file, other = self.repository.files[number], self.repository.files[there]
        return Pair(
            repository=self.name,
            kind=kind,
            query=self._query(file, offset),
            fragment=self.form.fragment_embedding(other.path, "\n".join(other.lines[first:last])),
            query_path=file.path,
            query_line=line,
            path=other.path,
            first=first,
            last=last,
            defines=self._defined(there, first, last),
            follows=self._follows(number, line),
            offset=offset,
        )

    def _defined(self, number: int, first: int, last: int) -> list[str]:
        """Names that some lines of a file define."""
        return sorted(
            {name for name, at in self.repository.files[number].defined if first <= at < last and len(name) > 3}
        )

    def _follows(self, number: int, line: int) -> list[str]:
        """Names in a line and the next two that another file defines."""
        words: set[str] = set().union(*self.repository.files[number].words[line : line + 3])
        definers = self.repository.definers
        return sorted(word for word in words if word in definers and any(there != number for there in definers[word]))

    def _query(self, file: source_repository.SourceFile, offset: int) -> list[int]:
        return self.form.query(file.path, file.text[:offset])

    def _around(self, file: source_repository.SourceFile, place: int) -> tuple[int, int] | None:
        """Lines of a fragment that shows the definition at line ``place``: its own block, or a window that holds it."""
        if self.random.random() < 0.5:
            first = place
            while first > 0 and place - first < 4 and re.match(r"\s*(?:@|#|//|/\*|\*|\[)", file.lines[first - 1]):
                first -= 1
            indent = self._indent(file.lines[place])
            last = place + 1
            while last < len(file.lines) and last - first < MAX_FRAGMENT_LINES:
                text = file.lines[last]
                if (
                    text.strip()
                    and self._indent(text) <= indent
                    and not re.match(r"\s*[)\]}]", text)
                    and last - place > 2
                ):
                    break
                last += 1
        else:
            first = max(0, place - self.random.randint(0, 9))
            last = min(len(file.lines), first + MAX_FRAGMENT_LINES)
        if file.starts[place] - file.starts[first] > REACH:
            first = place
        if sum(bool(text.strip()) for text in file.lines[first:last]) < 2:
            return None
        return first, last

    @staticmethod
    def _indent(line: str) -> int:
        return len(line) - len(line.lstrip())


@dataclass(frozen=True)
class Draw:
    """How pairs are drawn: about ``count`` of a kind, a share of them without a need, and windows up to a number a repository."""

    count: int
    kind: str
    seed: int
    no_need_share: float = 0.0
    windows: int = 0


def draw(corpus: Path, form: PromptFormat, wanted: Draw, part: int = 0, parts: int = 1) -> Iterator[Pair | Window]:
    """Pairs and windows of every ``parts``-th repository of a corpus file from ``part`` on, each repository by the root of
    its size. Of a corpus with more repositories than the count allows for, some are drawn, large ones more often.
    """
    with corpus.open(encoding="utf-8") as lines:
        sizes = [float(len(line)) ** 0.7 for line in lines]
    max_repositories = max(1, wanted.count // MIN_PAIRS_PER_REPOSITORY)
    source = random.Random(wanted.seed)
    # Weighted sampling without replacement (Efraimidis and Spirakis): the largest of u^(1/weight).
    order = sorted(range(len(sizes)), key=lambda number: math.log(source.random()) / sizes[number], reverse=True)
    kept = sorted(order[:max_repositories])
    total = sum(sizes[number] for number in kept)
    mine = set(kept[part::parts])
    windows = min(wanted.windows, MAX_WINDOWS // len(kept))
    with corpus.open(encoding="utf-8") as lines:
        for number, (size, line) in enumerate(zip(sizes, lines, strict=True)):
            if number not in mine:
                continue
            sampler = Sampler(json.loads(line), form, wanted.seed)
            share = max(1, round(wanted.count * size / total))
            made = 0
            for _ in range(share * 6):
                no_need = sampler.random.random() < wanted.no_need_share
                pair = sampler.no_need() if no_need else sampler.draw(wanted.kind)
                if pair is not None and len(pair.query) > 24:
                    yield pair
                    made += 1
                    if made == share:
                        break
            if windows:
                yield from sampler.windows(windows)
