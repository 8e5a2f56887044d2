"""N-gram models over tokens, the references that a trained model's loss stands beside: interpolated Kneser-Ney.

Source: Chen and Goodman, "An empirical study of smoothing techniques for language modeling" (1999), interpolated
Kneser-Ney with one discount an order, n1 / (n1 + 2 n2). The lowest order is mixed with the uniform distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Tokens that the counts are taken from: a sample of whole rows, so that memory stays bounded.
SAMPLE = 8_000_000


@dataclass(frozen=True)
class _Order:
    """Counts of one order: n-grams as sorted numbers with their counts, contexts with their totals and distinct successors."""

    grams: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray
    discount: float


class Ngram:
    """A model of `order` 1 to 3 of rows of ids [rows, length]; the vocabulary to the power of the order must fit 64 bits."""

    def __init__(self, rows: np.ndarray, vocabulary: int, order: int, sample: int = SAMPLE) -> None:
        self.size, self.order = vocabulary, order
        step = max(1, -(-rows.size // sample))
        chosen = np.asarray(rows[::step]).astype(np.uint64)
        grams, counts = np.unique(self._pack(chosen, order).ravel(), return_counts=True)
        self.orders = [self._order(grams, counts)]
        for below in range(order - 1, 0, -1):
            # Lower orders count in how many different places an n-gram stands, not how often.
            grams, counts = np.unique(grams % np.uint64(self.size**below), return_counts=True)
            self.orders.append(self._order(grams, counts))

    def _pack(self, rows: np.ndarray, order: int) -> np.ndarray:
        """Every n-gram of rows [rows, length] as one number [rows, length - order + 1]."""
        width = rows.shape[1] - order + 1
        packed = np.zeros((rows.shape[0], max(0, width)), dtype=np.uint64)
        for place in range(order):
            packed = packed * np.uint64(self.size) + rows[:, place : place + width]
        return packed

    def _order(self, grams: np.ndarray, counts: np.ndarray) -> _Order:
        contexts, first = np.unique(grams // np.uint64(self.size), return_index=True)
        totals = np.add.reduceat(counts, first)
        kinds = np.diff(np.append(first, len(grams)))
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        # Small samples may hold no n-gram once, or none twice; a discount of 1 would leave nothing of the counts.
        discount = min(0.9, once / (once + 2 * twice)) if once else 0.5
        return _Order(grams, counts, contexts, totals, kinds, discount)

    def probabilities(self, contexts: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """P(target | context) of contexts [n, order - 1], the nearest token last, and targets [n]."""
        found = np.full(len(targets), 1.0 / self.size)
        for level in range(len(self.orders) - 1, -1, -1):
            counted = self.orders[level]
            context = np.zeros(len(targets), dtype=np.uint64)
            for place in range(level, self.order - 1):
                context = context * np.uint64(self.size) + contexts[:, place].astype(np.uint64)
            total, kinds = (
                _look_up(counted.contexts, context, counted.totals),
                _look_up(counted.contexts, context, counted.kinds),
            )
            own = _look_up(counted.grams, context * np.uint64(self.size) + targets.astype(np.uint64), counted.counts)
            seen = total > 0
            mixed = (np.maximum(own - counted.discount, 0) + counted.discount * kinds * found) / np.maximum(total, 1)
            found = np.where(seen, mixed, found)
        return found

    def losses(self, row: list[int], start: int) -> np.ndarray:
        """Nats of the tokens of a row from `start` on, each given those before it; the row's begin counts as token 0."""
        ids = np.array([0] * (self.order - 1) + list(row), dtype=np.int64)
        places = np.arange(start, len(row)) + self.order - 1
        contexts = (
            np.stack([ids[places - back] for back in range(self.order - 1, 0, -1)], axis=1)
            if self.order > 1
            else np.zeros((len(places), 0))
        )
        return -np.log(self.probabilities(contexts, ids[places]))


def _look_up(keys: np.ndarray, wanted: np.ndarray, values: np.ndarray) -> np.ndarray:
    """values of the sorted keys that are wanted, 0 for those that are not there."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0).astype(np.float64)
