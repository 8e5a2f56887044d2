"""Command `evaluate`: loss, use of fragments, retrieval, completion and isolation of a model, one table each.

Loss, copying and isolation are measured on the packaged graph through ONNX Runtime; retrieval and completion on the work
folder's backbone and adapters in PyTorch, where many methods share a pass. Every table lies in WORK/figures when it is
done and is not measured again while nothing it depends on has changed; the long ones go on task by task.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from . import card, completion, package, retrieval, retrievers, tables
from .cases import Cases
from .copying import copying_table
from .isolation import isolation_table
from .loss import loss_table
from .subject import Subject
from .tables import Table

REPOSITORY = Path(__file__).resolve().parents[3]
PARTS = ("loss", "copying", "retrieval", "completion", "isolation")
# Cases a language whose loss behind four kinds of fragments is measured, each by itself through the graph.
COPY_CASES = 60
VERSION = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options beside the common --work, --smoke and --device."""
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
    parser.add_argument("--limit", type=int, default=40, help="tasks a language for retrieval; 0 for all")
    parser.add_argument(
        "--completions", type=int, default=20, help="tasks a language for completion, of those; 0 for all of them"
    )
    parser.add_argument("--rows", type=int, default=12, help="held-out files a language for the loss")
    parser.add_argument(
        "--processes", type=int, default=0, help="processes for retrieval and completion (0: one a core)"
    )
    parser.add_argument(
        "--dtype", choices=("bfloat16", "float32"), default="bfloat16", help="what completions are computed in"
    )
    parser.add_argument(
        "--suffix",
        action=argparse.BooleanOptionalAction,
        default=package.FILL_IN_MIDDLE,
        help="complete with the code behind the cursor in the prompt",
    )
    parser.add_argument(
        "--check", action="store_true", help="compare the lexical rows with the benchmark's retrieval_baselines.py"
    )
    parser.add_argument(
        "--again", action="store_true", help="measure even where a finished table of the same model and sizes is there"
    )
    parser.add_argument("--json", action="store_true", help="print every figure as one JSON object on the last line")


def run(args: argparse.Namespace) -> int:
    """Prints the tables. Returns 0, or 1 when isolation does not hold or a check fails."""
    started = time.monotonic()
    if args.card is not None and args.only is not None:
        raise ValueError("expected --card without --only, found both: the card holds every table")
    if args.smoke:
        args.limit, args.rows, args.completions = (
            min(args.limit or 6, 6),
            min(args.rows, 2),
            min(args.completions or 2, 2),
        )
        args.processes = 1
    evaluation = Evaluation(args)
    found: list[Table] = []
    status = 0
    for part in PARTS if args.only is None else (args.only,):
        if part == "completion" and not evaluation.has_backbone:
            print(
                f"\ncompletion: left out, no backbone in {evaluation.work / 'backbone'}; a package alone is measured by `npm run eval`"
            )
            continue
        begun = time.monotonic()
        own = evaluation.part(part)
        for table in own:
            print(f"\n{table.markdown()}", flush=True)
        print(f"({time.monotonic() - begun:.0f} s)", flush=True)
        if part == "retrieval" and args.check:
            lines = retrieval.agreement(evaluation.cases, own[0])
            print("\n".join(lines or ["retrieval_baselines.py: not there, nothing compared"]), flush=True)
            status |= any("DIFFERS" in line for line in lines)
        found += own
    if args.card is not None:
        package.replace_figures(evaluation.folder, card.figures(found, evaluation.work))
        print(f"\nwritten into {evaluation.folder / 'MODEL_CARD.md'}")
    print(f"evaluate: {time.monotonic() - started:.0f} s")
    if args.json:
        print(json.dumps({table.name: table.figures for table in found}))
    return int(status or not all(table.holds for table in found))


class Evaluation:
    """What the parts share: the package, the cases, their rankings, and which finished tables still hold."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.work = Path(args.work)
        self.folder: Path = (
            args.card or args.package or (self.work / "package" if args.smoke else REPOSITORY / "models" / "default")
        )
        self.cases = Cases(self.work, args.bench, args.limit or None)
        self.processes = args.processes or os.cpu_count() or 1
        self.device = (
            "cuda" if args.device == "cuda" or (args.device == "auto" and torch.cuda.is_available()) else "cpu"
        )

    @cached_property
    def subject(self) -> Subject:
        return Subject.load(self.folder)

    @cached_property
    def rankings(self) -> retrieval.Rankings:
        return retrieval.rankings(self.subject, self.cases, self.processes, self.device)

    @cached_property
    def has_backbone(self) -> bool:
        return (self.work / "backbone" / "config.json").is_file() and (
            self.work / "llora" / "adapter.safetensors"
        ).is_file()

    @property
    def size(self) -> tables.Measured:
        """The work folder's backbone, where the package is of its size; else what the package says of itself."""
        parameters = int(self.subject.manifest["architecture"]["parameters"])
        if (self.work / "backbone" / "model.safetensors").is_file():
            found = tables.of_backbone(self.work / "backbone")
            # A package counts its adapters too.
            if found.parameters <= parameters <= 1.5 * found.parameters:
                return found
        return tables.Measured(parameters)

    def part(self, name: str) -> list[Table]:
        """The tables of a part, as they were saved where nothing that they depend on has changed."""
        names = ["completion", "needless"] if name == "completion" else [name]
        key = self.key(name)
        kept = [
            table
            for table in (tables.load(self.work, each) for each in names)
            if table is not None and table.key == key
        ]
        if kept and kept[0].name == names[0] and not self.args.again:
            return kept
        measures: dict[str, Callable[[], list[Table]]] = {
            "loss": lambda: [loss_table(self.subject, self.work, self.args.rows)],
            "copying": lambda: [self._copying()],
            "retrieval": lambda: [retrieval.retrieval_table(self.cases, self.rankings)],
            "completion": lambda: completion.completion_tables(
                self.work,
                self.cases.first(self.args.completions or None),
                self.processes,
                self.args.dtype,
                self.device,
                self.args.suffix,
            ),
            "isolation": lambda: [isolation_table(self.subject, self.cases, self.work)],
        }
        found = measures[name]()
        for table in found:
            table.key, table.command, table.model = key, self.command(name), self.size
            table.save(self.work)
        return found

    def _copying(self) -> Table:
        few = self.cases.first(min(self.args.limit or COPY_CASES, COPY_CASES))
        return copying_table(
            self.subject, few, {language: own[retrievers.SHIPPED] for language, own in self.rankings.items()}
        )

    def command(self, part: str) -> str:
        """The command that prints one part again, with the sizes used."""
        sizes = {
            "loss": f" --rows {self.args.rows}",
            "completion": f" --limit {self.args.limit} --completions {self.args.completions}",
        }
        return (
            f"python -m selfracg_training evaluate --only {part}{sizes.get(part, f' --limit {self.args.limit}')}"
            + (
                ""
                if part != "completion" or self.args.suffix == package.FILL_IN_MIDDLE
                else " --suffix"
                if self.args.suffix
                else " --no-suffix"
            )
            + (" --smoke" if self.args.smoke else "")
        )

    def key(self, part: str) -> dict[str, Any]:
        """What the tables of a part are computed from."""
        files = self.subject.manifest["files"]
        key: dict[str, Any] = {"version": VERSION, "origin": self.cases.origin, "smoke": bool(self.args.smoke)}
        if part in ("loss", "copying", "isolation"):
            key |= {"model": files["model.onnx"]["sha256"], "tokenizer": files["tokenizer.json"]["sha256"]}
        if part in ("copying", "retrieval", "completion") and self.has_backbone:
            key["methods"] = {method.name: method.key for method in retrievers.methods(self.work)}
        elif part == "retrieval":
            key["model"] = files["model.onnx"]["sha256"]
        if part == "isolation":
            adapter = self.work / "stages" / "vanilla" / "adapter.safetensors"
            key["vanilla"] = hashlib.sha256(adapter.read_bytes()).hexdigest() if adapter.is_file() else None
        if part == "completion":
            key |= {"completions": self.args.completions, "dtype": self.args.dtype, "suffix": self.args.suffix}
        key["size"] = self.args.rows if part == "loss" else self.args.limit
        return key
