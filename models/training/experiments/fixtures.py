"""Shared by the measurements: the work folder's backbone and adapters, cross-file tasks, rankings, cells of tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from selfracg import tables
from selfracg.data import crossfile
from selfracg.data.prompt_format import PromptFormat
from selfracg.data.tasks import TaskSet
from selfracg.eval import completions, retrievers
from selfracg.eval.retrievers import Engine, Method, Ranking
from selfracg.intervals import Interval
from selfracg.model import llora
from selfracg.train import parallel

BM25, UNTRAINED, SHIPPED = retrievers.BM25, retrievers.UNTRAINED, retrievers.SHIPPED


class Fixtures:
    """One work folder under measurement. Everything is loaded once, when it is first needed."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.work = Path(args.work)
        self.tasks = TaskSet(self.work, args.bench, args.limit or None)
        self.completions = completions.parse(args.completions)
        self.device = str(parallel.choose_device(args.device))

    @cached_property
    def engine(self) -> Engine:
        return Engine(self.work, self.device)

    @cached_property
    def form(self) -> PromptFormat:
        """Prompts as the shipped adapter was trained on them."""
        return self.engine.form("llora")

    @cached_property
    def size(self) -> tables.Measured:
        return tables.of_backbone(self.work / "backbone")

    @cached_property
    def methods(self) -> dict[str, Method]:
        """What can be ranked with, by name: the baselines, the adapters of the training stages, the one that ships."""
        return {method.name: method for method in retrievers.methods(self.work)}

    def stage(self, name: str, folder: str) -> Method | None:
        """The method that ranks with WORK/stages/FOLDER; None where that stage has not been trained."""
        trained = (self.work / "stages" / folder / "adapter.safetensors").is_file()
        return Method(name, "adapter", f"stages/{folder}") if trained else None

    def rank(self, wanted: Sequence[Method]) -> dict[str, dict[str, list[Ranking]]]:
        """Rankings by language and method's name of the tasks that need another file."""
        ranked = retrievers.rank(self.work, self.tasks, wanted, self.args.processes, self.device)
        needing = {language: [task.needs for task in found] for language, found in self.tasks.all().items()}
        return {
            language: {
                name: [ranking for ranking, needs in zip(rankings, needing[language], strict=True) if needs]
                for name, rankings in methods.items()
            }
            for language, methods in ranked.items()
            if any(needing[language])
        }

    def express(self, names: Sequence[str], rows: Sequence[Sequence[int]], adapter: int) -> dict[str, np.ndarray]:
        """By method's name the expressions [rows, dimension] of rows of ids; one pass of the backbone serves all."""
        found = self.engine.express([self.methods[name] for name in names], rows, adapter)
        return {name: found[self.methods[name]] for name in names}

    def queries(self, names: Sequence[str], group: Sequence[crossfile.Task]) -> dict[str, np.ndarray]:
        """What the cases' contexts express, [tasks, dimension] by method's name."""
        return self.express(names, [self.form.query(task.cursor.file, task.prefix) for task in group], llora.QUERY)

    def fragments(self, names: Sequence[str], pool: Sequence[crossfile.Fragment]) -> dict[str, np.ndarray]:
        """What fragments express, [fragments, dimension] by method's name."""
        return self.express(
            names, [self.form.fragment_embedding(each.path, each.text) for each in pool], llora.FRAGMENT
        )


RETRIEVAL_HEADER = ["MRR@10 (95 % interval)", "Recall@1", "Recall@5", "Recall@10"]


def retrieval(ranks: Sequence[int | None], groups: Sequence[str]) -> dict[str, Any]:
    """Figures of first-hit ranks: MRR@10 with its interval, Recall@1, 5 and 10."""
    found = crossfile.measure(ranks, groups)
    return {
        "cases": len(ranks),
        "mrr": {"value": found.mrr, "low": found.low, "high": found.high},
        "recall": {str(k): value for k, value in found.recall.items()},
    }


def retrieval_cells(figures: dict[str, Any]) -> list[str]:
    """The cells under RETRIEVAL_HEADER."""
    return [Interval(**figures["mrr"]).text(), *(f"{figures['recall'][k]:.3f}" for k in ("1", "5", "10"))]
