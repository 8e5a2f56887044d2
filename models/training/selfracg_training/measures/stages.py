"""Measurement 2, the ablation of training: retrieval and completion with the adapter of each stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import bench, completion, intervals
from ..retrievers import Method, Ranking
from ..tables import Table
from .bed import BM25, RETRIEVAL_HEADER, SHIPPED, UNTRAINED, Bed, retrieval, retrieval_cells

NAME = "stages"
# What the ablation calls an adapter, and its folder below WORK/stages. Rows appear for those that have been trained.
STAGES = {
    "stage 1 only": "stage1",
    "stage 2 only": "stage2-only",
    "stages 1 and 2": "stage2",
    "with the utility stage": "utility",
}
EVERY = "all"


def adapters(bed: Bed) -> list[str]:
    return ["llora", *(f"stages/{folder}" for name, folder in STAGES.items() if bed.stage(name, folder) is not None)]


def measure(bed: Bed) -> Table:
    """MRR@10, Recall@k, EM and ES by stage; paired differences to the untrained adapter."""
    wanted: list[Method] = [bed.methods[BM25], bed.methods[UNTRAINED]]
    wanted += [stage for name, folder in STAGES.items() if (stage := bed.stage(name, folder)) is not None]
    wanted.append(bed.methods[SHIPPED])
    ranked = bed.rank(wanted)
    found = bed.cases.load()
    written = completed(
        bed, found, {method.name: {language: ranked[language][method.name] for language in found} for method in wanted}
    )
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    for language in [*found, *([EVERY] if len(found) > 1 else [])]:
        chosen = [each for each in found if language in (EVERY, each)]
        cases = [case for each in chosen for case in found[each]]
        repositories = [f"{case.task.language}/{case.task.repository}" for case in cases]
        hits = {
            method.name: [
                bench.first_hit(case, ranking.order)
                for each in chosen
                for case, ranking in zip(found[each], ranked[each][method.name], strict=True)
            ]
            for method in wanted
        }
        start = bench.reciprocal(hits[UNTRAINED])
        figures[language] = {}
        for name in (completion.NOTHING, *hits):
            predictions = [prediction for each in chosen for prediction in written[name][each]]
            values = {
                measure: intervals.mean([of(prediction.score) for prediction in predictions], repositories)
                for measure, of in completion.MEASURES.items()
                if measure in ("em", "es")
            }
            figures[language][name] = {measure: value.to_json() for measure, value in values.items()}
            cells = ["", "", "", "", ""]
            if name in hits:
                figures[language][name] |= retrieval(hits[name], repositories)
                gained = intervals.mean(
                    [own - first for own, first in zip(bench.reciprocal(hits[name]), start, strict=True)], repositories
                )
                figures[language][name]["mrrMinusUntrained"] = gained.to_json()
                cells = [
                    *retrieval_cells(figures[language][name]),
                    "" if name == UNTRAINED else gained.text(signed=True),
                ]
            rows.append([language, name, str(len(cases)), *cells, *(value.text(1) for value in values.values())])
    return Table(
        NAME,
        "Ablation of training: what each stage adds",
        [
            "language",
            "retrieved by",
            "cases",
            *RETRIEVAL_HEADER,
            "MRR@10 minus untrained (95 % interval)",
            "EM (95 % interval)",
            "ES (95 % interval)",
        ],
        rows,
        f"{bed.cases.source} Cases whose answer another file defines. The best fragments always stand in the prompt, whatever they score. "
        f"{SHIPPED} is the adapter that ships. EM and ES from 0 to 100. Intervals resample repositories; differences are paired.",
        figures,
    )


def completed(
    bed: Bed, found: dict[str, list[bench.Case]], ranked: dict[str, dict[str, list[Ranking]]]
) -> dict[str, dict[str, list[completion.Prediction]]]:
    """By method (and with nothing retrieved) and language the completions of the cases; no ranking's threshold is applied."""
    flat = [case for cases in found.values() for case in cases]
    joined: dict[str, Sequence[Ranking]] = {completion.NOTHING: [Ranking([], []) for _ in flat]}
    joined |= {
        name: [completion.always(ranking) for language in found for ranking in own[language]]
        for name, own in ranked.items()
    }
    # Names of its own: `evaluate` keeps its predictions of all tasks under the plain ones.
    named = {f"measured {name}": own for name, own in joined.items()}
    written = completion.complete(bed.work, flat, named, bed.args.processes, device=bed.device)
    out: dict[str, dict[str, list[completion.Prediction]]] = {}
    for name in joined:
        rest = iter(written[f"measured {name}"])
        out[name] = {language: [next(rest) for _ in cases] for language, cases in found.items()}
    return out
