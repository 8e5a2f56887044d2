"""Table `retrieval`: definition-hit MRR@10 and Recall@k of every method, with paired differences to BM25."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selfracg import intervals
from selfracg.data import crossfile, lexical
from selfracg.data.tasks import Cases
from selfracg.eval import retrievers
from selfracg.eval.package_under_test import Subject
from selfracg.eval.retrievers import Ranking
from selfracg.model import llora
from selfracg.tables import Table

Rankings = dict[str, dict[str, list[Ranking]]]


def rankings(subject: Subject, cases: Cases, processes: int = 1, device: str = "cpu") -> Rankings:
    """By language and method a ranking for each case of `cases.all()`.

    With a backbone in the work folder every baseline and training stage takes part; a package alone has the lexical
    baselines and its own adapter, trained and untrained, read from its graph.
    """
    if (cases.work / "backbone" / "config.json").is_file() and (cases.work / "llora" / "adapter.safetensors").is_file():
        return retrievers.rank(cases.work, cases, retrievers.methods(cases.work), processes, device)
    return {language: of_package(subject, found) for language, found in cases.all().items()}


def of_package(subject: Subject, found: Sequence[crossfile.Case]) -> dict[str, list[Ranking]]:
    """Rankings of the lexical methods and of the packaged graph, trained and untrained, for each case."""
    models = {retrievers.UNTRAINED: subject.untrained, retrievers.SHIPPED: subject.trained}
    out: dict[str, list[Ranking]] = {name: [[]] * len(found) for name in (*retrievers.LEXICAL, *models)}
    place = {id(case): i for i, case in enumerate(found)}
    plain = [retrievers.Method(name, "lexical") for name in retrievers.LEXICAL]
    for _, group in crossfile.by_repository(found):
        for method, own in retrievers.rank_repository(Path(), plain, group).items():
            for case, ranking in zip(group, own, strict=True):
                out[method.name][place[id(case)]] = ranking
        queries = [subject.format.query(case.task.file, case.prefix) for case in group]
        rows = [subject.format.fragment_embedding(fragment.path, fragment.text) for fragment in group[0].pool]
        for name, model in models.items():
            scores = model.embed(queries, llora.QUERY) @ model.embed(rows, llora.FRAGMENT).T
            for number, case in enumerate(group):
                out[name][place[id(case)]] = lexical.ranked(scores[number], case.others)[: retrievers.DEPTH]
    return out


def retrieval_table(cases: Cases, found: Rankings) -> Table:
    """MRR@10, Recall@1, 5, 10 of every method over the cases that need a definition, and what each has over BM25."""
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    hits: dict[str, dict[str, list[int | None]]] = {}
    groups: dict[str, list[str]] = {}
    for language, group in cases.all().items():
        needing = [i for i, case in enumerate(group) if case.needs]
        if not needing:
            continue
        for key in (language, "all"):
            groups.setdefault(key, []).extend(f"{language}/{group[i].task.repository}" for i in needing)
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
                "cases": len(own),
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
                    str(len(own)),
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
        f"{cases.source} Those whose answer no other file defines are left out. Fragments of {crossfile.LINES} lines every {crossfile.STEP}, of other "
        f"files; intervals resample repositories, differences and ratios are paired. Lexical methods have the last {lexical.QUERY_LINES} lines "
        "as their query and whole fragments, + next takes the fragment after each one found; the others read as many tokens as their "
        "adapter was trained on. Untrained: the adapter before its first step, which is the backbone's own attention.",
        figures,
    )
