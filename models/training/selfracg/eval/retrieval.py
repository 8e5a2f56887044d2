"""Table `retrieval`: definition-hit MRR@10 and Recall@k of every method, with paired differences to BM25."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selfracg import intervals
from selfracg.data import crossfile, lexical
from selfracg.data.tasks import TaskSet
from selfracg.eval import retrievers
from selfracg.eval.package_under_test import PackageUnderTest
from selfracg.eval.retrievers import Ranking
from selfracg.model import llora
from selfracg.tables import Table

Rankings = dict[str, dict[str, list[Ranking]]]


def rankings(package_under_test: PackageUnderTest, tasks: TaskSet, processes: int = 1, device: str = "cpu") -> Rankings:
    """By language and method a ranking for each task of `tasks.all()`.

    With a backbone in the work folder every baseline and training stage takes part; a package alone has the lexical
    baselines and its own adapter, trained and untrained, read from its graph.
    """
    if (tasks.work / "backbone" / "config.json").is_file() and (tasks.work / "llora" / "adapter.safetensors").is_file():
        return retrievers.rank(tasks.work, tasks, retrievers.methods(tasks.work), processes, device)
    return {language: of_package(package_under_test, found) for language, found in tasks.all().items()}


def of_package(package_under_test: PackageUnderTest, found: Sequence[crossfile.Task]) -> dict[str, list[Ranking]]:
    """Rankings of the lexical methods and of the packaged graph, trained and untrained, for each task."""
    models = {retrievers.UNTRAINED: package_under_test.untrained, retrievers.SHIPPED: package_under_test.trained}
    out: dict[str, list[Ranking]] = {name: [[]] * len(found) for name in (*retrievers.LEXICAL, *models)}
    place = {id(task): i for i, task in enumerate(found)}
    plain = [retrievers.Method(name, "lexical") for name in retrievers.LEXICAL]
    for _, group in crossfile.by_repository(found):
        for method, own in retrievers.rank_repository(Path(), plain, group).items():
            for task, ranking in zip(group, own, strict=True):
                out[method.name][place[id(task)]] = ranking
        queries = [package_under_test.format.query(task.cursor.file, task.prefix) for task in group]
        rows = [
            package_under_test.format.fragment_embedding(fragment.path, fragment.text) for fragment in group[0].pool
        ]
        for name, model in models.items():
            scores = model.embed(queries, llora.QUERY) @ model.embed(rows, llora.FRAGMENT).T
            for number, task in enumerate(group):
                out[name][place[id(task)]] = lexical.ranked(scores[number], task.others)[: retrievers.DEPTH]
    return out


def retrieval_table(tasks: TaskSet, found: Rankings) -> Table:
    """MRR@10, Recall@1, 5, 10 of every method over the tasks that need a definition, and what each has over BM25."""
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    hits: dict[str, dict[str, list[int | None]]] = {}
    groups: dict[str, list[str]] = {}
    for language, group in tasks.all().items():
        needing = [i for i, task in enumerate(group) if task.needs]
        if not needing:
            continue
        for key in (language, "all"):
            groups.setdefault(key, []).extend(f"{language}/{group[i].cursor.repository}" for i in needing)
            for method, own in found[language].items():
                hits.setdefault(key, {}).setdefault(method, []).extend(
                    crossfile.first_hit(group[i], own[i]) for i in needing
                )
    languages = [language for language in hits if language != "all"]
    for language in [*languages, *(["all"] if len(languages) > 1 else [])]:
        repositories = groups[language]
        bm25 = crossfile.reciprocal(hits[language][retrievers.BM25])
        figures[language] = {}
        for method, own_hits in hits[language].items():
            ranks = crossfile.measure(own_hits, repositories)
            ours = crossfile.reciprocal(own_hits)
            difference = intervals.mean(np.subtract(ours, bm25), repositories)
            ratio = intervals.ratio(ours, bm25, repositories)
            figures[language][method] = {
                "cases": len(own_hits),
                "mrr": ranks.mrr,
                "interval": [ranks.low, ranks.high],
                "recall": {str(k): v for k, v in ranks.recall.items()},
                "recallIntervals": {str(k): each.to_json() for k, each in ranks.recall_intervals.items()},
                "minusBm25": difference.to_json(),
                "overBm25": ratio.to_json(),
            }
            against = ["", ""] if method == retrievers.BM25 else [difference.text(signed=True), ratio.text(2)]
            rows.append(
                [
                    language,
                    method,
                    str(len(own_hits)),
                    f"{ranks.mrr:.3f} ({ranks.low:.3f} to {ranks.high:.3f})",
                    *(f"{ranks.recall[k]:.3f}" for k in (1, 5, 10)),
                    *against,
                ]
            )
    return Table(
        "retrieval",
        "Retrieval of the fragment that defines what comes next",
        [
            "language",
            "method",
            "cases",
            "MRR@10 (95 % interval)",
            "Recall@1",
            "Recall@5",
            "Recall@10",
            "MRR@10 minus BM25's",
            "MRR@10 over BM25's",
        ],
        rows,
        f"{tasks.source} Those whose answer no other file defines are left out. Fragments of {crossfile.LINES} lines every {crossfile.STEP}, of other "
        f"files; intervals resample repositories, differences and ratios are paired. Lexical methods have the last {lexical.QUERY_LINES} lines "
        "as their query and whole fragments, + next takes the fragment after each one found; the others read as many tokens as their "
        "adapter was trained on. Untrained: the adapter before its first step, which is the backbone's own attention.",
        figures,
    )
