"""Measurement 3: retrieval as the index grows from the task's own repository to many repositories in one index."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from experiments.fixtures import BM25, RETRIEVAL_HEADER, SHIPPED, Fixtures, retrieval, retrieval_cells
from selfracg.data import crossfile, heldout, lexical
from selfracg.tables import Table

NAME = "scale"
SIZES = (1, 2, 5, 10, 20, 50)
SMOKE_SIZES = (1, 2, 3)
# Maximum number of fragments that a further repository adds, so that no large repository dominates.
SHARE = 60
METHODS = (BM25, SHIPPED)


def measure(fixtures: Fixtures) -> Table:
    """MRR@10 and Recall@k of BM25 and the shipped expression at each size of the index."""
    rows, figures = [], {}
    for language, found in fixtures.tasks.load().items():
        further = others(fixtures, language, {task.cursor.repository for task in found})
        sizes = [size for size in (SMOKE_SIZES if fixtures.args.smoke else SIZES) if size <= len(further) + 1]
        print(f"scale: {language}, {len(found)} tasks, {sum(map(len, further)):,} further fragments", flush=True)
        ranks = grown(fixtures, found, further, sizes)
        repositories = [task.cursor.repository for task in found]
        by_size: dict[str, dict[str, Any]] = {}
        for size in sizes:
            fragments = float(np.mean([len(task.others) for task in found])) + sum(map(len, further[: size - 1]))
            by_size[str(size)] = {
                "fragments": round(fragments),
                **{name: retrieval(ranks[size][name], repositories) for name in METHODS},
            }
            for name in METHODS:
                rows.append(
                    [language, str(size), f"{fragments:,.0f}", name, *retrieval_cells(by_size[str(size)][name])]
                )
        figures[language] = by_size
    return Table(
        NAME,
        "Corpus scale: retrieval as the index grows",
        ["language", "repositories", "fragments", "method", *RETRIEVAL_HEADER],
        rows,
        f"{fixtures.tasks.source} The task's own repository whole, without the task's file; every further repository adds up to {SHARE} fragments, the "
        "same ones for every task. Only the own repository holds what is sought. Fragments: the mean over tasks.",
        figures,
    )


def others(fixtures: Fixtures, language: str, used: set[str]) -> list[list[crossfile.Fragment]]:
    """Fragments of repositories that no task comes from, in a fixed order: of the benchmark, else of the training corpus."""
    if fixtures.tasks.bench is not None:
        files = {
            name: found
            for name, found in crossfile.read_repositories(fixtures.tasks.bench, language).items()
            if name not in used
        }
    else:
        files = {
            each.name: each.files
            for each in heldout.repositories(fixtures.work / "corpus" / "train.jsonl")
            if each.language == language
        }
    names = sorted(files)
    random.Random(0).shuffle(names)
    out = []
    for name in names[: max(SIZES) - 1]:
        pool = crossfile.fragments(files[name])
        out.append([pool[i] for i in sorted(random.Random(name).sample(range(len(pool)), min(SHARE, len(pool))))])
    return out


def grown(
    fixtures: Fixtures, found: list[crossfile.Task], further: list[list[crossfile.Fragment]], sizes: list[int]
) -> dict[int, dict[str, list[int | None]]]:
    """By size of the index and method, the rank of each case's first relevant fragment."""
    added = [fragment for part in further[: sizes[-1] - 1] for fragment in part]
    ends = {size: sum(map(len, further[: size - 1])) for size in sizes}
    offered = fixtures.fragments([SHIPPED], added)[SHIPPED]
    out: dict[int, dict[str, list[int | None]]] = {
        size: {name: [None] * len(found) for name in METHODS} for size in sizes
    }
    place = {id(task): i for i, task in enumerate(found)}
    for _, group in crossfile.by_repository(found):
        pool = group[0].pool
        own = fixtures.fragments([SHIPPED], pool)[SHIPPED]
        asked = fixtures.queries([SHIPPED], group)[SHIPPED]
        for size in sizes:
            index = lexical.Bm25([fragment.text for fragment in (*pool, *added[: ends[size]])])
            beyond = list(range(len(pool), len(pool) + ends[size]))
            for number, task in enumerate(group):
                among = [*task.others, *beyond]
                scores = np.concatenate([own[task.others] @ asked[number], offered[: ends[size]] @ asked[number]])
                ranked = {
                    BM25: index.rank(lexical.query_of(task.prefix), among)[:10],
                    SHIPPED: [among[i] for i in np.argsort(-scores, kind="stable")[:10]],
                }
                for name, ranking in ranked.items():
                    out[size][name][place[id(task)]] = crossfile.first_hit(task, ranking)
    return out
