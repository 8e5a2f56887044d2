"""BM25 and Jaccard over code words, alone and with the next fragment: lexical retrieval that an expression has to beat."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bench import Fragment

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
# Okapi BM25's usual constants; a word repeated in the query counts at most three times.
K1, B, QUERY_CAP = 1.2, 0.75, 3
QUERY_LINES = 20


def words(text: str) -> list[str]:
    """Identifiers in lower case, each followed by its camel-case and snake-case parts when it has several."""
    out = []
    for word in _WORD.findall(text):
        out.append(word.lower())
        parts = _PART.findall(word)
        if len(parts) > 1:
            out.extend(part.lower() for part in parts)
    return out


class Bm25:
    """An index over texts (Robertson and Walker's BM25, with the idf that is never negative)."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(words(text)) for text in texts]
        self.lengths = [sum(count.values()) for count in counts]
        self.average = sum(self.lengths) / max(1, len(texts))
        self.postings: dict[str, list[tuple[int, int]]] = {}
        for i, count in enumerate(counts):
            for word, frequency in count.items():
                self.postings.setdefault(word, []).append((i, frequency))

    def scores(self, query: str) -> list[float]:
        """A score for every text; 0 where no word is shared."""
        total = len(self.lengths)
        out = [0.0] * total
        for word, repeated in Counter(words(query)).items():
            found = self.postings.get(word, [])
            idf = math.log(1 + (total - len(found) + 0.5) / (len(found) + 0.5))
            for i, frequency in found:
                length = K1 * (1 - B + B * self.lengths[i] / self.average)
                out[i] += idf * frequency * (K1 + 1) / (frequency + length) * min(repeated, QUERY_CAP)
        return out

    def rank(self, query: str, among: Sequence[int]) -> list[int]:
        """Indices of `among`, best first; equal scores keep their order."""
        scores = self.scores(query)
        return sorted(among, key=lambda i: -scores[i])


class Jaccard:
    """Likeness of word sets (RepoCoder's sparse retrieval): size of the intersection over size of the union."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.words = [frozenset(words(text)) for text in texts]

    def scores(self, query: str) -> list[float]:
        """A score for every text; 0 where nothing is shared."""
        asked = frozenset(words(query))
        out = []
        for found in self.words:
            union = len(asked | found)
            out.append(len(asked & found) / union if union else 0.0)
        return out

    def rank(self, query: str, among: Sequence[int]) -> list[int]:
        """Indices of `among`, best first; equal scores keep their order."""
        scores = self.scores(query)
        return sorted(among, key=lambda i: -scores[i])


# Places of a ranking whose next fragments are looked at.
NEXT_DEPTH = 40


def next_ones(ranking: Sequence[int], pool: Sequence[Fragment]) -> list[int]:
    """For each fragment of a ranking the one after it in its file (itself at the file's end), each once: what RepoCoder and
    CrossCodeEval put into the prompt, for code like the code before the cursor is followed by code like what comes next."""
    out = []
    for i in ranking[:NEXT_DEPTH]:
        following = i + 1 if i + 1 < len(pool) and pool[i + 1].path == pool[i].path else i
        if following not in out:
            out.append(following)
    return out


def query_of(prefix: str) -> str:
    """The last lines before the cursor."""
    return "\n".join(prefix.split("\n")[-QUERY_LINES:])
