"""Lexical baselines: BM25 (through bm25s) and Jaccard over the words of code, each with or without the next fragment."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import bm25s
import numpy as np

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
# A word that the query repeats counts at most three times.
MAX_REPEATS = 3
QUERY_LINES = 20
# How many fragments of a ranking are replaced by the ones after them.
NEXT_DEPTH = 40


class Located(Protocol):
    """Anything that lies in a file."""

    @property
    def path(self) -> str: ...


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
    """A BM25 index over texts, in Lucene's form (Kamphuis et al., 2020) with k1 = 1.2 and b = 0.75."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.count = len(texts)
        self.index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        bags = [words(text) for text in texts]
        # The library cannot index texts without any word.
        self.index.index(bags if any(bags) else [[""]] * len(bags), show_progress=False)

    def scores(self, query: str) -> np.ndarray:
        """A score for every text [texts]; 0 where no word is shared."""
        repeated = Counter(words(query))
        if not repeated:
            return np.zeros(self.count)
        return np.asarray(
            self.index.get_scores([word for word, n in repeated.items() for _ in range(min(n, MAX_REPEATS))])
        )

    def rank(self, query: str, among: Sequence[int]) -> list[int]:
        """Indices of `among`, best first; equal scores keep their order."""
        return ranked(self.scores(query), among)


class Jaccard:
    """Similarity of word sets (RepoCoder's sparse retrieval): size of the intersection over size of the union."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.words = [frozenset(words(text)) for text in texts]

    def rank(self, query: str, among: Sequence[int]) -> list[int]:
        """Indices of `among`, best first; equal scores keep their order."""
        wanted = frozenset(words(query))
        return ranked(np.array([len(wanted & own) / max(1, len(wanted | own)) for own in self.words]), among)


def ranked(scores: np.ndarray, among: Sequence[int]) -> list[int]:
    """Indices of `among` by falling score; equal scores keep their order."""
    places = np.asarray(among, dtype=np.int64)
    return places[np.argsort(-scores[places], kind="stable")].tolist()


def next_fragments(ranking: Sequence[int], pool: Sequence[Located]) -> list[int]:
    """For each fragment of a ranking the one after it in its file (itself at the file's end), each once.

    RepoCoder and CrossCodeEval put these into the prompt: code like the code before the cursor is followed by code like
    what comes next.
    """
    out = []
    for i in ranking[:NEXT_DEPTH]:
        following = i + 1 if i + 1 < len(pool) and pool[i + 1].path == pool[i].path else i
        if following not in out:
            out.append(following)
    return out


def query_of(prefix: str) -> str:
    """The last lines before the cursor."""
    return "\n".join(prefix.split("\n")[-QUERY_LINES:])
