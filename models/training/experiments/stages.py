"""Measurement 2, the ablation of training: retrieval and completion with the adapter of each stage.

EM and ES come from `npm run eval -- --json FILE`, run with the package of each stage: --completions "stage 1 only=FILE".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.fixtures import BM25, RETRIEVAL_HEADER, SHIPPED, UNTRAINED, Fixtures, retrieval, retrieval_cells
from selfracg import intervals
from selfracg.data import crossfile
from selfracg.eval import completions
from selfracg.eval.retrievers import Method
from selfracg.tables import Table

NAME = "stages"
# Names of the adapters in the table, and their folders below WORK/stages. The table has rows for those that exist.
STAGES = {
    "stage 1 only": "stage1",
    "stage 2 only": "stage2-only",
    "stages 1 and 2": "stage2",
    "with the utility stage": "utility",
}
EVERY = "all"


def measure(fixtures: Fixtures) -> Table:
    """MRR@10, Recall@k, EM and ES by stage; paired differences to the untrained adapter."""
    wanted: list[Method] = [fixtures.methods[BM25], fixtures.methods[UNTRAINED]]
    wanted += [stage for name, folder in STAGES.items() if (stage := fixtures.stage(name, folder)) is not None]
    wanted.append(fixtures.methods[SHIPPED])
    ranked = fixtures.rank(wanted)
    found = fixtures.tasks.load()
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    for language in [*found, *([EVERY] if len(found) > 1 else [])]:
        chosen = [each for each in found if language in (EVERY, each)]
        tasks = [task for each in chosen for task in found[each]]
        repositories = [f"{task.cursor.language}/{task.cursor.repository}" for task in tasks]
        hits = {
            method.name: [
                crossfile.first_hit(task, ranking)
                for each in chosen
                for task, ranking in zip(found[each], ranked[each][method.name], strict=True)
            ]
            for method in wanted
        }
        start = crossfile.reciprocal(hits[UNTRAINED])
        figures[language] = {}
        for name, own in hits.items():
            values = retrieval(own, repositories)
            gained = intervals.mean(
                [after - before for after, before in zip(crossfile.reciprocal(own), start, strict=True)], repositories
            )
            cells = [*retrieval_cells(values), "" if name == UNTRAINED else gained.text(signed=True)]
            values["mrrMinusUntrained"] = gained.to_json()
            scores = completions.of_tasks(fixtures.completions, name, tasks)
            for measure in ("em", "es"):
                if scores is None:
                    cells.append("")
                    continue
                mean = intervals.mean([getattr(score, measure) for score in scores], repositories)
                values[measure] = mean.to_json()
                cells.append(mean.text(1))
            figures[language][name] = values
            rows.append([language, name, str(len(tasks)), *cells])
    return Table(
        NAME,
        "Ablation of training: what each stage adds",
        [
            "language",
            "retrieved by",
            "tasks",
            *RETRIEVAL_HEADER,
            "MRR@10 minus untrained (95 % interval)",
            "EM (95 % interval)",
            "ES (95 % interval)",
        ],
        rows,
        f"{fixtures.tasks.source} Tasks whose answer another file defines. {SHIPPED} is the adapter that ships. EM and ES from 0 to 100, by "
        "`npm run eval`, where its results were given. Intervals resample repositories; differences are paired.",
        figures,
    )
