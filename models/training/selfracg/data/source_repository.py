"""A repository as training sees it: its files, what they define, and which fragments of other files a place uses."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter, defaultdict
from typing import NamedTuple

from selfracg.data.definitions import IDENTIFIER, definitions, language_of
from selfracg.data.special_tokens import END, FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX, FRAGMENT, PATH

PATH_TOKENS = 24
FRAGMENT_TOKENS = 128
PREFIX_TOKENS = 400
MIDDLE_TOKENS = 128
# Fragments of one sample: mostly as many as the product shows, now and then as many as its settings allow in a longer context.
FRAGMENT_COUNTS = (1, 2, 2, 3, 3, 4, 4, 5, 6, 9, 12)
TOKENS_A_FRAGMENT = 170
# Left-to-right samples of a long row: the product shows at most 512 tokens of code after the fragments.
CODE_TOKENS = (512, 768, 1024)
# A text cut by the end of the row must leave at least this many tokens of it.
MIN_TEXT_TOKENS = 48
# Identifiers defined in more files of a repository than this say nothing about which file is meant.
MAX_DEFINERS = 4
MAX_REPEATS = 6
Piece = int | str  # a special token's id, or text to be tokenised


class Link(NamedTuple):
    """Something that a line of one file has in common with a line of another."""

    line: int  # line here
    weight: float  # the likelier that the fragment there is what is needed here, the more
    there: int  # number of the other file
    place: int  # line there
    name: str  # the identifier used here and defined there; empty for a line that stands in both files


class Sample:
    """Pieces of one sample: `head` must stand whole in a row, `tail` (left-to-right text) may be cut at its end."""

    __slots__ = ("kind", "fragments", "head", "tail")

    def __init__(self, kind: str, fragments: list[list[Piece]], head: list[Piece], tail: list[Piece]):
        self.kind = kind
        self.fragments = fragments
        self.head = head
        self.tail = tail


class SourceFile:
    """One file with what cutting it needs: line offsets, definitions and where its identifiers first occur."""

    __slots__ = ("path", "text", "lines", "starts", "words", "vocabulary", "folder", "stem", "defined", "cursor")

    def __init__(self, path: str, text: str):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        # Each line's identifiers once, in order: a set's order would change from run to run, and the rows with it.
        self.words = [tuple(dict.fromkeys(IDENTIFIER.findall(line))) for line in self.lines]
        self.vocabulary = set().union(*self.words)
        self.folder, _, name = path.rpartition("/")
        self.stem = name.partition(".")[0]
        if self.stem in ("__init__", "index", "mod", "lib"):
            self.stem = self.folder.rpartition("/")[2]
        self.defined = definitions(language_of(path) or "", text)
        self.cursor = 0

    def line_at(self, offset: int) -> int:
        """Number of the line that holds a character offset."""
        return bisect_right(self.starts, offset) - 1


class Repository:
    """The files of a repository, with the links between them."""

    def __init__(self, row: dict, ratio: float, source: random.Random):
        self.ratio = ratio  # characters a token, roughly
        self.random = source
        self.files = [SourceFile(path, text) for path, text in sorted(row["files"].items())]
        definers: dict[str, dict[int, int]] = defaultdict(dict)
        for number, file in enumerate(self.files):
            for name, line in file.defined:
                if len(name) > 3 and not name.startswith("__"):
                    definers[name].setdefault(number, line)
        users: Counter[str] = Counter()
        for file in self.files:
            users.update(name for name in file.vocabulary if name in definers)
        most_users = max(4, len(self.files) // 6)
        self.rare = {
            name for name, places in definers.items() if len(places) <= MAX_DEFINERS and users[name] <= most_users
        }
        self.definers = dict(definers)
        repeats: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, file in enumerate(self.files):
            for line, text in enumerate(file.lines):
                stripped = text.strip()
                if 24 <= len(stripped) <= 160 and not stripped.startswith(
                    ("#", "//", "*", "import ", "from ", "use ", "using ")
                ):
                    repeats[stripped].append((number, line))
        self.repeats = {
            text: places for text, places in repeats.items() if 1 < len({number for number, _ in places}) <= MAX_REPEATS
        }

    def links(self, number: int, first: int, last: int) -> list[Link]:
        """Links from lines first..last of a file to other files: definitions there of names used here, and equal lines.

        A name that few files define and few use stands for itself; any other counts only where this file names the
        file that defines it, which mostly means that it imports it.
        """
        file = self.files[number]
        found: list[Link] = []
        seen: set[str] = set()
        for line in range(first, min(last, len(file.lines))):
            for name in file.words[line]:
                places = self.definers.get(name)
                if places is None or name in seen or number in places:
                    continue
                seen.add(name)
                known = [
                    there
                    for there in places
                    if self.files[there].stem in file.vocabulary or self.files[there].stem == name
                ]
                if known and len(known) <= 2:
                    weight = 1.0 if name in self.rare or self.files[known[0]].stem in file.words[line] else 0.5
                    found.extend(Link(line, weight / len(known), there, places[there], name) for there in known)
                elif name in self.rare:
                    # Plain lower-case words are often another thing of the same name.
                    sure = 1.0 if "_" in name.strip("_") or not name.islower() else 0.4
                    for there, place in places.items():
                        near = 0.5 if self.files[there].folder == file.folder else 0.25
                        if sure * near > 0.1:
                            found.append(Link(line, sure * near / len(places), there, place, name))
            stripped = file.lines[line].strip()
            if stripped in self.repeats and stripped not in seen:
                seen.add(stripped)
                others = [(there, place) for there, place in self.repeats[stripped] if there != number]
                if others:
                    there, place = self.random.choice(others)
                    found.append(Link(line, 0.3, there, place, ""))
        return found

    def fragment(self, number: int, line: int) -> tuple[int, int]:
        """First and last line (exclusive) of a fragment around a line: 8..20 lines, at most about 118 tokens."""
        file = self.files[number]
        first = max(0, line - self.random.choice((0, 0, 1, 1, 2, 3, 5)))
        last = min(len(file.lines), first + self.random.randint(8, 20))
        limit = 118 * self.ratio
        while last > line + 1 and file.starts[last] - file.starts[first] > limit:
            last -= 1
        while first < line and file.starts[last] - file.starts[first] > limit:
            first += 1
        return first, last

    def fragments(self, number: int, first: int, last: int, maximum: int) -> list[list[Piece]]:
        """Up to `maximum` fragments for lines first..last of a file, best last; empty when nothing is linked."""
        links = self.links(number, first, last)
        if not links:
            return []
        chosen: list[tuple[float, int, int, int]] = []
        span = max(1, last - first)
        for line, weight, there, place, _ in links:
            # What is needed first matters most; the noise keeps the order from being always the same.
            score = weight * (1.2 - (line - first) / span) * self.random.uniform(0.6, 1.0)
            chosen.append((score, there, place, line))
        chosen.sort(reverse=True)
        taken: list[tuple[int, int, int]] = []
        for _, there, place, _ in chosen:
            if len(taken) >= maximum:
                break
            start, stop = self.fragment(there, place)
            if all(there != other or stop <= low or start >= high for other, low, high in taken):
                taken.append((there, start, stop))
        wanted = (
            self._similar_fragment(number, first, last, taken)
            if len(taken) < maximum and self.random.random() < 0.5
            else None
        )
        if wanted is not None:
            taken.append(wanted)
        taken.reverse()
        if self.random.random() < 0.25 and len(self.files) > 2:
            there = self.random.randrange(len(self.files))
            if there != number:
                start, stop = self.fragment(there, self.random.randrange(len(self.files[there].lines)))
                if all(there != other or stop <= low or start >= high for other, low, high in taken):
                    # A distractor may stand anywhere: the model must look, not trust the place.
                    taken.insert(self.random.randrange(len(taken) + 1), (there, start, stop))
                    taken = taken[-maximum:]
        return [
            piece for there, start, stop in taken if (piece := self.fragment_pieces(there, start, stop)) is not None
        ]

    def _similar_fragment(
        self, number: int, first: int, last: int, taken: list[tuple[int, int, int]]
    ) -> tuple[int, int, int] | None:
        """The fragment of another file most similar (Jaccard) to the lines, among a few drawn at random."""
        file = self.files[number]
        words = set().union(*file.words[first:last]) if first < last else set()
        best, best_score = None, 0.12
        for _ in range(12):
            there = self.random.randrange(len(self.files))
            if there == number:
                continue
            start, stop = self.fragment(there, self.random.randrange(len(self.files[there].lines)))
            other = set().union(*self.files[there].words[start:stop]) if start < stop else set()
            score = len(words & other) / max(1, len(words | other))
            if score > best_score and all(there != file_ or stop <= low or start >= high for file_, low, high in taken):
                best, best_score = (there, start, stop), score
        return best

    def fragment_pieces(self, number: int, first: int, last: int) -> list[Piece] | None:
        """The fragment format filled in, or None when the lines are blank."""
        file = self.files[number]
        text = "\n".join(file.lines[first:last]).rstrip()
        return [FRAGMENT, file.path, "\n", text, "\n"] if text.strip() else None

    def _split(self, text: str) -> list[Piece]:
        """A text cut at one or two random characters, as a cursor would cut it."""
        if len(text) < 40:
            return [text]
        cuts = sorted(self.random.randrange(1, len(text)) for _ in range(self.random.choice((1, 1, 2))))
        pieces, before = [], 0
        for cut in cuts:
            pieces.append(text[before:cut])
            before = cut
        return [piece for piece in [*pieces, text[before:]] if piece]

    def _max_fragments(self, length: int) -> int:
        """How many fragments a sample may have in a row of `length` tokens."""
        return min(self.random.choice(FRAGMENT_COUNTS), max(1, length // TOKENS_A_FRAGMENT))

    def left_to_right(
        self, number: int, start: int, tokens: int, with_fragments: bool, length: int, to_the_end: bool = True
    ) -> tuple[Sample, int]:
        """A sample of a file from line `start` on, to fill about `tokens`. Returns it and the line it likely ends at.

        With `to_the_end`, where the end of the row cuts the text, it is a little longer than what likely fits.
        """
        file = self.files[number]
        first = start
        pieces: list[list[Piece]] = []
        if with_fragments:
            reach = file.line_at(file.starts[first] + int(250 * self.ratio))
            links = self.links(number, first, reach + 40)
            if links:
                near = min(links, key=lambda link: link.line - 10 * link.weight + self.random.randint(0, 20))
                first = max(first, near.line - self.random.randint(3, 20))
            reach = file.line_at(file.starts[first] + int(350 * self.ratio))
            pieces = self.fragments(number, first, reach + 1, self._max_fragments(length))
        left = max(MIN_TEXT_TOKENS, tokens - sum(self._tokens(fragment) for fragment in pieces) - 16)
        begin = file.starts[first]
        reach_of_text = int(left * self.ratio * 1.25) + 200 if to_the_end else int(left * self.ratio)
        end = file.line_at(min(len(file.text), begin + reach_of_text))
        text = file.text[begin : file.starts[min(end + 1, len(file.lines))]]
        whole = begin + len(text) >= len(file.text)
        if whole:
            text = text.rstrip("\n") + "\n"
        body: list[Piece] = [*self._split(text)] if self.random.random() < 0.4 else [text]
        tail: list[Piece] = [*body, END] if whole else body
        stop = file.line_at(min(len(file.text), begin + int(left * self.ratio)))
        sample = Sample("leftToRight", pieces, [PATH, file.path, "\n"], tail)
        return sample, (len(file.lines) if whole and stop >= len(file.lines) - 2 else stop)

    def _tokens(self, pieces: list[Piece]) -> int:
        """Rough count of the tokens of some pieces."""
        return sum(
            1 if isinstance(piece, int) else min(FRAGMENT_TOKENS, int(len(piece) / self.ratio) + 1) for piece in pieces
        )

    def fill_in_middle(self, number: int, line: int, with_fragments: bool, length: int) -> tuple[Sample, int] | None:
        """A fill-in-the-middle sample with its cursor at or after `line`. Returns it and the line after its suffix."""
        file = self.files[number]
        reach = min(len(file.lines), line + 40)
        use = None
        name = ""
        if with_fragments:
            links = self.links(number, line, reach)
            if links:
                use, _, _, _, name = min(
                    links, key=lambda link: link.line - 12 * link.weight + self.random.randint(0, 12)
                )
        if use is None:
            candidates = [n for n in range(line, reach) if file.lines[n].strip()]
            if not candidates:
                return None
            use = self.random.choice(candidates[: 1 + self.random.randrange(len(candidates))])
        text = file.lines[use]
        indent = len(text) - len(text.lstrip())
        place = self.random.random()
        if name and name in text and self.random.random() < 0.45:
            # Where the name that a fragment defines is about to be written, or was just begun.
            column = text.index(name) + self.random.choice((0, 0, 0, 1, 2, 3))
            column = min(column, len(text) - 1)
        elif place < 0.3:
            column = indent
        elif place < 0.4:
            column = 0
        elif place < 0.47:
            column = len(text)
        else:
            column = self.random.randint(indent, max(indent, len(text) - 1))
        cursor = file.starts[use] + column
        last = use
        extent = self.random.random()
        if extent > 0.75 or column == len(text):
            last = min(len(file.lines) - 1, use + self.random.randint(1, 4))
        elif extent > 0.5:
            # To the end of the block that this line opens: the following lines that are indented more.
            while last + 1 < len(file.lines) and last < use + 12:
                following = file.lines[last + 1]
                if following.strip() and len(following) - len(following.lstrip()) <= indent:
                    break
                last += 1
        while last > use and (
            not file.lines[last].strip() or file.starts[last] - cursor > MIDDLE_TOKENS * self.ratio * 0.8
        ):
            last -= 1
        end = file.starts[last] + len(file.lines[last])
        if last == use and end - cursor > 4 and self.random.random() < 0.12:
            # The editor may already hold the rest of the line, such as a closing bracket.
            end = self.random.randint(cursor + 2, end)
        if end <= cursor:
            return None
        prefix_tokens = self.random.choice((48, 96, 128, 192, 256, 320, PREFIX_TOKENS))
        begin = file.starts[file.line_at(max(0, cursor - int(prefix_tokens * self.ratio * 0.9)))]
        suffix_tokens = self.random.choice((24, 48, 96, 96))
        stop = min(len(file.text), end + int(suffix_tokens * self.ratio))
        suffix = file.text[end : max(end, file.text.rfind("\n", end, stop) + 1)]
        if not suffix.strip():
            return None
        pieces: list[list[Piece]] = []
        if with_fragments:
            pieces = self.fragments(number, use, last + 1, self._max_fragments(length))
        # Fragments of other samples of this file may already stand in the row; this one names its own.
        head: list[Piece] = [FIM_PREFIX, PATH, file.path, "\n"]
        if begin < cursor:
            head.append(file.text[begin:cursor])
        head += [FIM_SUFFIX, suffix, FIM_MIDDLE, file.text[cursor:end], END]
        # The next sample begins after this suffix: otherwise the row would already show its answer.
        return Sample("fillInMiddle", pieces, head, []), file.line_at(end + len(suffix.rstrip())) + 1
