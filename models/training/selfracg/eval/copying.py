"""Table `copying`: does the model use the fragment that it is shown? Loss after the right one, others and none."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from selfracg.data import crossfile
from selfracg.data.prompt_format import PromptFormat
from selfracg.data.tasks import TaskSet
from selfracg.eval import retrievers
from selfracg.eval.package_under_test import PackageUnderTest
from selfracg.eval.retrievers import Ranking
from selfracg.tables import Table


def copying_table(package_under_test: PackageUnderTest, tasks: TaskSet, retrieved: dict[str, list[Ranking]]) -> Table:
    """Loss on the true continuation after no fragment, a random one, the defining one and the one retrieved first.

    `retrieved`: by language one ranking for each task of `tasks.all()`.
    """
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    totals: dict[str, list[np.ndarray]] = {}
    for language, found in tasks.load().items():
        own = [ranking for task, ranking in zip(tasks.all()[language], retrieved[language], strict=True) if task.needs]
        sums = {kind: np.zeros(4) for kind in ("none", "random", "right", "retrieved")}
        for task, ranking in zip(found, own, strict=True):
            chooser = random.Random(task.cursor.identifier)
            wrong = [i for i in task.others if i not in task.relevant]
            chosen = {
                "none": None,
                "random": chooser.choice(wrong) if wrong else None,
                "right": retrievers.defining_fragment(task),
                "retrieved": ranking[0],
            }
            target, is_name = _continuation(package_under_test.format, task)
            room = int(package_under_test.manifest["contextLength"]) - package_under_test.copy_limit()
            target, is_name = target[:room], is_name[:room]
            for kind, fragment in chosen.items():
                row = _prompt(package_under_test.format, task, fragment, package_under_test.copy_limit())
                losses = package_under_test.losses([[*row, *target]], [len(row)])[0]
                sums[kind] += [losses.sum(), len(losses), losses[is_name].sum(), is_name.sum()]
        figures[language] = {"cases": len(found)} | {
            kind: {"continuation": s[0] / s[1], "name": s[2] / s[3]} for kind, s in sums.items()
        }
        for kind, s in sums.items():
            totals.setdefault(kind, []).append(s)
        rows.append(_copy_row(language, len(found), sums))
    overall = {kind: np.sum(parts, axis=0) for kind, parts in totals.items()}
    rows.append(_copy_row("all", sum(len(found) for found in tasks.load().values()), overall))
    figures["all"] = {kind: {"continuation": s[0] / s[1], "name": s[2] / s[3]} for kind, s in overall.items()}
    kinds = ("none", "random", "right", "retrieved")
    return Table(
        "copying",
        "Use of fragments: loss behind a fragment",
        ["language", "cases", *(f"{kind}" for kind in kinds), *(f"name, {kind}" for kind in kinds)],
        rows,
        f"{tasks.source} Those whose answer no other file defines are left out. Nats a token of the true continuation, and of the tokens of the name that is defined elsewhere, behind one "
        "fragment: none, a random one of the repository, the one that defines the name, the one the model retrieves first.",
        figures,
    )


def _copy_row(language: str, count: int, sums: dict[str, np.ndarray]) -> list[str]:
    return [
        language,
        str(count),
        *(f"{s[0] / s[1]:.3f}" for s in sums.values()),
        *(f"{s[2] / s[3]:.3f}" for s in sums.values()),
    ]


def _prompt(form: PromptFormat, task: crossfile.Task, fragment: int | None, limit: int) -> list[int]:
    """Fragment, if any, and as much of the prefix as fits; the prefix has the same room in every variant."""
    prefix = form.left_to_right(task.cursor.file, task.prefix, limit - limit // 3)
    if fragment is None:
        return prefix
    return [*form.fragment(task.pool[fragment].path, task.pool[fragment].text, limit // 3), *prefix]


def _continuation(form: PromptFormat, task: crossfile.Task) -> tuple[list[int], np.ndarray]:
    """(ids of the ground truth, which of them write the name defined elsewhere)."""
    encoding = form.tokenizer.encode(task.cursor.groundtruth, add_special_tokens=False)
    begin = task.cursor.groundtruth.index(task.name)
    end = begin + len(task.name)
    is_name = np.array([start < end and stop > begin for start, stop in encoding.offsets])
    return list(encoding.ids), is_name
