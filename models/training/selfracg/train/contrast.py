"""Contrastive training of expressions: batches, which candidates count as wrong, windows as hard negatives, the losses."""

from __future__ import annotations

import itertools
import random
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from selfracg.data import pairs
from selfracg.data.pairs import Pair, Window


def batches(drawn: Sequence[Pair], size: int, group: int, seed: int) -> Iterator[list[Pair]]:
    """One pass over the pairs: ``group`` of a repository stay together, ``size`` pairs a batch, whole batches only."""
    source = random.Random(seed)
    by_repository: dict[str, list[Pair]] = defaultdict(list)
    for pair in drawn:
        by_repository[pair.repository].append(pair)
    groups: list[list[Pair]] = []
    for name in sorted(by_repository):
        members = by_repository[name]
        source.shuffle(members)
        groups.extend(members[start : start + group] for start in range(0, len(members), group))
    source.shuffle(groups)
    flat = list(itertools.chain.from_iterable(groups))
    for start in range(0, len(flat) - size + 1, size):
        yield flat[start : start + size]


def wrong(batch: Sequence[Pair], candidates: Sequence[Pair | Window]) -> Tensor:
    """True [pairs, candidates] where a candidate counts as wrong for the pair's query, its own fragment left out."""
    mask = torch.ones(len(batch), len(candidates), dtype=torch.bool)
    places: dict[str, list[int]] = defaultdict(list)
    texts: dict[bytes, list[int]] = defaultdict(list)
    for column, other in enumerate(candidates):
        places[other.repository].append(column)
        texts[_key(other.fragment)].append(column)
    for row, one in enumerate(batch):
        # Only the same text can be interchangeable across repositories.
        for column in itertools.chain(places[one.repository], texts[_key(one.fragment)]):
            if one is not candidates[column] and pairs.interchangeable(one, candidates[column]):
                mask[row, column] = False
        if one.kind == "no-need":
            # Its fragment is any window of the repository, and so are those that overlap it: all are wrong.
            for column in places[one.repository]:
                mask[row, column] = True
    return mask


def _key(ids: Sequence[int]) -> bytes:
    return array("i", ids).tobytes()


def targets(batch: Sequence[Pair], null: int | None) -> Tensor:
    """Right column [pairs] of each query: its own fragment, or for those without a need the null candidate's column (-100: without one)."""
    return torch.tensor(
        [place if pair.kind != "no-need" else (-100 if null is None else null) for place, pair in enumerate(batch)]
    )


def null_counts(batch: Sequence[Pair]) -> Tensor:
    """True [pairs] where "nothing" is a candidate: whether other kinds need anything of another file is not known."""
    return torch.tensor([pair.kind in ("definition", "no-need") for pair in batch])


def info_nce(scores: Tensor, mask: Tensor, right: Tensor, temperature: float) -> Tensor:
    """Loss [] of inner products [queries, candidates]: the right column against those that ``mask`` lets in (InfoNCE).

    A right column of -100 leaves its query out. Right columns count even where the mask excludes them.
    """
    counted = right >= 0
    own = F.one_hot(right.clamp(min=0), scores.shape[1]).bool() & counted[:, None]
    return F.cross_entropy((scores / temperature).masked_fill(~(mask | own), float("-inf")), right, ignore_index=-100)


def in_batch(queries: Tensor, fragments: Tensor, batch: Sequence[Pair], temperature: float) -> tuple[Tensor, float]:
    """(loss [], Recall@1) of expressions [pairs, dimension] each, with the batch's fragments alone as candidates."""
    scores = queries @ fragments.T
    mask, right = wrong(batch, batch).to(scores.device), targets(batch, None).to(scores.device)
    best = scores.detach().masked_fill(~mask, float("-inf")).argmax(1)
    return info_nce(scores, mask, right, temperature), (best == right).float().mean().item()


def listwise(scores: Tensor, gains: Tensor, temperature: float, gain_temperature: float) -> Tensor:
    """Loss [] of inner products [contexts, candidates] against what each candidate was worth [contexts, candidates].

    Cross entropy with the gains' softmax as the target: a candidate is right by how much it lowered the loss of the true
    continuation (RLCoder's supervision, with every candidate counted). Gains of -inf leave a candidate out.
    """
    absent = torch.isinf(gains)
    wanted = (gains / gain_temperature).softmax(1)
    found = (scores / temperature).masked_fill(absent, float("-inf")).log_softmax(1).masked_fill(absent, 0.0)
    return -(wanted * found).sum(1).mean()


class WindowBank:
    """Windows of each repository with the expressions they had when last seen: what is hard is chosen by these."""

    def __init__(self, windows: Sequence[Window], seed: int) -> None:
        self.windows = list(windows)
        self.random = random.Random(seed)
        self.places: dict[str, list[int]] = defaultdict(list)
        for place, window in enumerate(self.windows):
            self.places[window.repository].append(place)
        self.expressions: dict[int, Tensor] = {}

    def choose(self, batch: Sequence[Pair], queries: Tensor, share: float, hard: float = 0.5) -> list[int]:
        """About ``share`` windows for each pair, of the pairs' repositories, without repetition.

        ``hard`` of them are those that score highest for one of the queries [pairs, dimension] and would be wrong there;
        the rest, and all of a repository not seen yet, are random.
        """
        chosen: list[int] = []
        rows: dict[str, list[int]] = defaultdict(list)
        for row, pair in enumerate(batch):
            rows[pair.repository].append(row)
        for name, members in rows.items():
            places = self.places.get(name, [])
            wanted = min(len(places), max(1, round(share * len(members))))
            known = [place for place in places if place in self.expressions]
            taken: list[int] = []
            if known:
                stored = torch.stack([self.expressions[place] for place in known])
                scores = queries[members].detach().float().cpu() @ stored.T
                asked = [batch[row] for row in members]
                scores = scores.masked_fill(~wrong(asked, [self.windows[place] for place in known]), float("-inf"))
                best = scores.max(0).values
                order = best.argsort(descending=True)[: round(wanted * hard)]
                taken = [known[place] for place in order.tolist() if best[place] > float("-inf")]
            rest = [place for place in places if place not in set(taken)]
            taken += self.random.sample(rest, min(len(rest), wanted - len(taken)))
            chosen += taken
        return chosen

    def keep(self, places: Sequence[int], expressions: Tensor) -> None:
        """Remembers the expressions [windows, dimension] of some windows."""
        for place, expression in zip(places, expressions.detach().float().cpu(), strict=True):
            self.expressions[place] = expression
