"""Command `evaluate`: loss, use of fragments, retrieval and isolation of a model, one table each.

Loss, copying and isolation are measured on the packaged graph through ONNX Runtime; retrieval on the work folder's
backbone and adapters in PyTorch, where many methods share a pass. Completions are measured by `npm run eval`.

Reads  a package, backbone/, llora/, stages/, corpus/heldout.jsonl, a benchmark.
Writes figures/NAME.json, rankings/, and with --card the tables of a MODEL_CARD.md.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from selfracg import tables
from selfracg.data.tasks import TaskSet
from selfracg.eval import retrieval, retrievers
from selfracg.eval.copying import copying_table
from selfracg.eval.isolation import isolation_table
from selfracg.eval.loss import loss_table
from selfracg.eval.package_under_test import PackageUnderTest
from selfracg.export import card, package
from selfracg.tables import Table
from selfracg.train import parallel

REPOSITORY = Path(__file__).resolve().parents[4]
PARTS = ("loss", "copying", "retrieval", "isolation")
# Tasks of each language whose loss after four kinds of fragments is measured, one at a time through the graph.
COPYING_TASKS = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options besides the common --work, --smoke and --device."""
    parser.add_argument(
        "--package",
        type=Path,
        default=None,
        help="package folder (default: models/default; with --smoke: WORK/package)",
    )
    parser.add_argument(
        "--card", type=Path, default=None, help="evaluate the package in this folder and write the tables into its card"
    )
    parser.add_argument("--only", choices=PARTS, default=None, help="print one of the tables")
    parser.add_argument(
        "--bench", type=Path, default=None, help="cross-file benchmark folder; without one, held-out repositories serve"
    )
    parser.add_argument("--limit", type=int, default=40, help="tasks a language; 0 for all")
    parser.add_argument("--rows", type=int, default=12, help="held-out files a language for the loss")
    parser.add_argument("--processes", type=int, default=0, help="processes that rank fragments (0: one a core)")
    parser.add_argument("--json", action="store_true", help="print every figure as one JSON object on the last line")


def run(args: argparse.Namespace) -> int:
    """Prints the tables and saves them in WORK/figures. Returns 0, or 1 when isolation does not hold."""
    started = time.monotonic()
    if args.card is not None and args.only is not None:
        raise ValueError("expected --card without --only, found both: the card holds every table")
    if args.smoke:
        args.limit, args.rows, args.processes = min(args.limit or 6, 6), min(args.rows, 2), 1
    evaluation = Evaluation(args)
    found: list[Table] = []
    for part in PARTS if args.only is None else (args.only,):
        begun = time.monotonic()
        table = evaluation.table(part)
        table.save(evaluation.work)
        print(f"\n{table.markdown()}\n({time.monotonic() - begun:.0f} s)", flush=True)
        found.append(table)
    if args.card is not None:
        package.replace_figures(evaluation.folder, card.figures(found, evaluation.work))
        print(f"\nwritten into {evaluation.folder / 'MODEL_CARD.md'}")
    print(f"evaluate: {time.monotonic() - started:.0f} s")
    if args.json:
        print(json.dumps({table.name: table.figures for table in found}))
    return int(not all(table.holds for table in found))


class Evaluation:
    """What the tables share: the package, the tasks and their rankings."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.work = Path(args.work)
        self.folder: Path = (
            args.card or args.package or (self.work / "package" if args.smoke else REPOSITORY / "models" / "default")
        )
        self.tasks = TaskSet(self.work, args.bench, args.limit or None)

    @cached_property
    def package_under_test(self) -> PackageUnderTest:
        return PackageUnderTest.load(self.folder)

    @cached_property
    def rankings(self) -> retrieval.Rankings:
        processes = self.args.processes or os.cpu_count() or 1
        return retrieval.rankings(
            self.package_under_test, self.tasks, processes, str(parallel.choose_device(self.args.device))
        )

    @property
    def size(self) -> tables.Measured:
        """The work folder's backbone, where the package is of its size; else what the package says of itself."""
        parameters = int(self.package_under_test.manifest["architecture"]["parameters"])
        if (self.work / "backbone" / "model.safetensors").is_file():
            found = tables.of_backbone(self.work / "backbone")
            # A package counts its adapters too.
            if found.parameters <= parameters <= 1.5 * found.parameters:
                return found
        return tables.Measured(parameters)

    def table(self, part: str) -> Table:
        """Measures one of PARTS."""
        measures: dict[str, Callable[[], Table]] = {
            "loss": lambda: loss_table(self.package_under_test, self.work, self.args.rows),
            "copying": self._copying,
            "retrieval": lambda: retrieval.retrieval_table(self.tasks, self.rankings),
            "isolation": lambda: isolation_table(self.package_under_test, self.tasks, self.work),
        }
        table = measures[part]()
        sizes = f"--rows {self.args.rows}" if part == "loss" else f"--limit {self.args.limit}"
        smoke = " --smoke" if self.args.smoke else ""
        table.command = f"python -m scripts.evaluate --only {part} {sizes}{smoke}"
        table.model = self.size
        return table

    def _copying(self) -> Table:
        few = self.tasks.first(min(self.args.limit or COPYING_TASKS, COPYING_TASKS))
        ranked = {language: own[retrievers.SHIPPED] for language, own in self.rankings.items()}
        return copying_table(self.package_under_test, few, ranked)
