"""Completions scored by `npm run eval -- --json FILE`: what a measurement reads of them, task by task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfracg.data.crossfile import Task


@dataclass(frozen=True)
class Score:
    """One completion's scores, both from 0 to 100: exact match and edit similarity."""

    em: float
    es: float


def parse(options: Sequence[str]) -> dict[str, dict[str, Score]]:
    """Scores by the name of a method and the id of a task, of options NAME=FILE.

    Raises ``ValueError`` for an option or a file of another form.
    """
    out = {}
    for option in options:
        name, separator, file = option.partition("=")
        if not separator:
            raise ValueError(f"expected --completions NAME=FILE, found {option!r}")
        out[name] = read(Path(file))
    return out


def read(path: Path) -> dict[str, Score]:
    """Scores by task of a file that `npm run eval -- --json` wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    try:
        return {row["id"]: Score(100 * float(row["em"]), float(row["es"])) for row in found["results"]}
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"expected results with id, em and es in {path}, found none ({error}): write it with `npm run eval -- --json`"
        ) from error


def of_tasks(scores: Mapping[str, Mapping[str, Score]], name: str, tasks: Sequence[Task]) -> list[Score] | None:
    """The scores of a method for some tasks, in their order; None where there are none or not of all of them."""
    own = scores.get(name, {})
    found = [own.get(task.cursor.identifier) for task in tasks]
    return [score for score in found if score is not None] if tasks and None not in found else None
