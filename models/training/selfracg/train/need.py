"""Measures expressions on held-out repositories: is the right fragment found, and is it known when none is needed?"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from selfracg.data import crossfile, heldout, pair_sampler, pairs
from selfracg.data.prompt_format import PromptFormat
from selfracg.model import llora
from selfracg.model.expressions import Reader

# Contexts that need something and still pass the null score's threshold.
KEPT = 0.9


@dataclass
class Group:
    """One held-out repository: its tasks, fragments offered, contexts without a need, and the token rows of all of them.

    ``chosen`` are the offered fragments' places in the cases' pool.
    """

    name: str
    tasks: list[crossfile.Task]
    chosen: list[int]
    no_need: list[pairs.Pair]
    queries: Sequence[Sequence[int]]
    fragments: Sequence[Sequence[int]]


def groups(corpus: Path, form: PromptFormat, per_language: int, pool_size: int, seed: int) -> list[Group]:
    """Held-out cross-file tasks (``heldout.tasks``) and as many contexts without a need, by repository.

    A case's candidates are ``pool_size`` fragments of its repository, the defining ones among them, without its own file.
    """
    if not corpus.is_file():
        raise FileNotFoundError(f"expected held-out repositories in {corpus}, found none: run `corpus` first")
    found = [task for tasks in heldout.tasks(corpus, per_language, seed).values() for task in tasks]
    by_name = dict(crossfile.by_repository(found))
    no_need: dict[str, list[pairs.Pair]] = {}
    with corpus.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["repository"] in by_name:
                sampler = pair_sampler.Sampler(row, form, seed)
                count = len(by_name[row["repository"]])
                draws = (sampler.no_need() for _ in range(40 * count))
                no_need[row["repository"]] = list(itertools.islice(filter(None, draws), count))
    out = []
    for name, tasks in by_name.items():
        pool = tasks[0].pool
        kept = set().union(*(task.relevant for task in tasks))
        rest = [place for place in range(len(pool)) if place not in kept]
        random.Random(f"{seed}{name}").shuffle(rest)
        chosen = sorted(kept | set(rest[: max(0, pool_size - len(kept))]))
        queries = [form.query(task.cursor.file, task.prefix) for task in tasks] + [pair.query for pair in no_need[name]]
        rows = [form.fragment_embedding(pool[place].path, pool[place].text) for place in chosen]
        out.append(Group(name, tasks, chosen, no_need[name], queries, rows))
    return out


@dataclass
class Measured:
    """What one module achieved: each case's first hit, and margins (best score above "nothing") with and without a need."""

    hits: list[int | None] = field(default_factory=list)
    repositories: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    with_need: list[float] = field(default_factory=list)
    without_need: list[float] = field(default_factory=list)

    @property
    def null_score(self) -> float:
        """The margin that KEPT of the contexts with a need reach."""
        return threshold(self.with_need)

    def ranks(self) -> dict[str, Any]:
        """MRR@10 with its interval over repositories, Recall@k, and MRR@10 by language."""
        summary = crossfile.measure(self.hits, self.repositories)
        by_language = {
            language: round(crossfile.measure([self.hits[i] for i in own], [self.repositories[i] for i in own]).mrr, 4)
            for language in sorted(set(self.languages))
            if (own := [i for i, other in enumerate(self.languages) if other == language])
        }
        return {
            "cases": len(self.hits),
            "repositories": len(set(self.repositories)),
            "mrr_at_10": round(summary.mrr, 4),
            "low": round(summary.low, 4),
            "high": round(summary.high, 4),
            **{f"recall_at_{k}": round(value, 4) for k, value in summary.recall.items()},
            "by_language": by_language,
        }

    def calibration(self) -> dict[str, Any]:
        """How the null score was chosen and what it does on the contexts it was chosen from."""
        return {
            "method": f"the margin that {KEPT:.0%} of held-out contexts whose next word another file defines exceed",
            "contextsWithNeed": len(self.with_need),
            "contextsWithout": len(self.without_need),
            "keptWithNeed": round(share_above(self.with_need, self.null_score), 3),
            "keptWithout": round(share_above(self.without_need, self.null_score), 3),
            "separation": round(separation(self.with_need, self.without_need), 3),
        }


@torch.no_grad()
def measure(
    reader: Reader, modules: Sequence[llora.LLoRA], found: Sequence[Group], nulls: Sequence[Tensor | None] | None = None
) -> list[Measured]:
    """Of each module what it achieves on the groups; ``nulls`` are the modules' null vectors [dimension], where they have one."""
    out = [Measured() for _ in modules]
    for group in found:
        pool = group.tasks[0].pool
        fragments = reader.express(modules, group.fragments, llora.FRAGMENT)
        needs = reader.express(modules, group.queries, llora.QUERY)
        for number, own in enumerate(out):
            scores = (needs[number] @ fragments[number].T).cpu()
            null = nulls[number] if nulls is not None else None
            nothing = (needs[number] @ null).cpu() if null is not None else torch.zeros(len(scores))
            for place in range(len(group.queries)):
                task = group.tasks[place] if place < len(group.tasks) else None
                path = task.cursor.file if task else group.no_need[place - len(group.tasks)].query_path
                others = [column for column, fragment in enumerate(group.chosen) if pool[fragment].path != path]
                if not others:
                    continue
                ranked = sorted(others, key=lambda column: -scores[place, column].item())
                margin = scores[place, ranked[0]].item() - nothing[place].item()
                (own.with_need if task else own.without_need).append(margin)
                if task:
                    own.hits.append(crossfile.first_hit(task, [group.chosen[column] for column in ranked[:10]]))
                    own.repositories.append(group.name)
                    own.languages.append(task.cursor.language)
    return out


def share_above(scores: Sequence[float], threshold: float) -> float:
    """Share of scores at or above a threshold; 0 without scores."""
    return sum(score >= threshold for score in scores) / len(scores) if scores else 0.0


def separation(higher: Sequence[float], lower: Sequence[float]) -> float:
    """Probability that one of ``higher`` exceeds one of ``lower`` (area under the ROC curve); 0.5 is chance."""
    if not higher or not lower:
        return 0.5
    wins = sum((one > other) + 0.5 * (one == other) for one in higher for other in lower)
    return wins / (len(higher) * len(lower))


def threshold(with_need: Sequence[float], kept: float = KEPT) -> float:
    """The highest score that at least ``kept`` of the contexts with a need reach; 0 without contexts."""
    if not with_need:
        return 0.0
    ordered = sorted(with_need, reverse=True)
    return ordered[max(1, math.ceil(len(ordered) * kept)) - 1]
