"""Measurement 7: stage 2 repeated: whether retrieval improves, degrades or reaches a plateau."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from experiments.fixtures import RETRIEVAL_HEADER, Fixtures, retrieval, retrieval_cells
from selfracg import intervals
from selfracg.data import crossfile
from selfracg.model import llora
from selfracg.model.expressions import Reader
from selfracg.tables import Table
from selfracg.train import need

NAME = "rounds"
CASES, POOL, MICRO = 24, 150, 32
START = "stage1"
_ROUND = re.compile(r"stage2-round-?(\d+)")


def rounds(fixtures: Fixtures) -> dict[int, str]:
    """Folders below WORK/stages by round; stage 1, where it is there, is round 0, and a stage 2 without rounds is round 1."""
    folder = fixtures.work / "stages"
    found = {
        int(match.group(1)): path.name
        for path in (folder.iterdir() if folder.is_dir() else [])
        if (match := _ROUND.fullmatch(path.name)) and (path / "adapter.safetensors").is_file()
    }
    if 1 not in found and (folder / "stage2" / "adapter.safetensors").is_file():
        found[1] = "stage2"
    if (folder / START / "adapter.safetensors").is_file():
        found[0] = START
    return dict(sorted(found.items()))


def measure(fixtures: Fixtures) -> Table:
    """Retrieval on held-out repositories after each round, and a finding from the paired differences of neighbouring rounds."""
    found = rounds(fixtures)
    if len(found) < 2:
        raise FileNotFoundError(
            f"expected stage 1 and at least one round of stage 2 in {fixtures.work / 'stages'}, found {list(found.values())}: "
            "run `stage2 --round K` for K = 1, 2, ..."
        )
    modules = [llora.load(fixtures.engine.model, fixtures.work / "stages" / folder) for folder in found.values()]
    path = fixtures.work / "corpus" / "heldout.jsonl"
    # All rounds continue the same stage, so they share its prompts.
    groups = need.groups(
        path, fixtures.engine.form(f"stages/{next(iter(found.values()))}"), 2 if fixtures.args.smoke else CASES, POOL, 0
    )
    measured = need.measure(Reader(fixtures.engine.model, MICRO, fixtures.engine.device, False), modules, groups)
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {"rounds": {}}
    previous: list[float] | None = None
    steps: list[str] = []
    for number, own in zip(found, measured, strict=True):
        values = retrieval(own.hits, own.repositories)
        current = crossfile.reciprocal(own.hits)
        cell = ""
        if previous is not None:
            change = intervals.mean(
                [now - before for now, before in zip(current, previous, strict=True)], own.repositories
            )
            values["minusPrevious"] = change.to_json()
            steps.append(trend(change))
            cell = f"{change.text(signed=True)}: {steps[-1]}"
        previous = current
        figures["rounds"][str(number)] = values
        rows.append([str(number), found[number], str(len(current)), *retrieval_cells(values), cell])
    figures["finding"] = dict(zip([str(number) for number in list(found)[1:]], steps, strict=True))
    words = "; ".join(f"round {number}: {what}" for number, what in figures["finding"].items())
    return Table(
        NAME,
        "Stage 2 repeated",
        ["round", "adapter", "cases", *RETRIEVAL_HEADER, "MRR@10 minus the round before (95 % interval)"],
        rows,
        f"Held-out repositories of the corpus, up to {POOL} fragments of each as candidates. Round 0 is stage 1; round K continues round "
        f"K - 1, whose backbone writes the positives. Improves or degrades: the paired interval is clear of zero; else it is a plateau. Finding: {words}.",
        figures,
    )


def trend(change: intervals.Interval) -> str:
    """What an interval of a difference says."""
    return "improves" if change.low > 0 else "degrades" if change.high < 0 else "plateau"
