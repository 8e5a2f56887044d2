"""What a stage trains on besides stage-1 pairs: generations and rated contexts."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from selfracg.data.pairs import Pair


@dataclass
class RatedContext:
    """A context, candidates for it, and how much each lowered the loss of the true continuation (nats a token)."""

    repository: str
    query: Sequence[int]
    candidates: list[Sequence[int]]
    gains: list[float]


@dataclass
class Extra:
    """What a stage trains on besides stage-1 pairs, and how much of it a step takes, over all processes."""

    own: Sequence[Pair] = ()
    own_share: float = 0.0
    rated: Sequence[RatedContext] = ()
    rated_count: int = 0
    gain_temperature: float = 0.03


def skip_batches(rows: Sequence[Any], size: int, seed: int, skip: int) -> Iterator[list[Any]]:
    """Endless batches of ``size`` rows, each pass in its own order; the first ``skip`` batches are skipped."""
    each = max(1, len(rows) // size)
    for number in itertools.count(skip):
        order = list(range(len(rows)))
        random.Random(f"{seed}/{number // each}").shuffle(order)
        start = (number % each) * size
        yield [rows[place] for place in order[start : start + size]]
