"""Tables of measured figures: printed as Markdown, saved in WORK/figures/NAME.json."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from selfracg.files import replaced


@dataclass(frozen=True)
class Measured:
    """The model that a table speaks of: its parameters and the tokens that its backbone was trained on (0: not known)."""

    parameters: int = 0
    tokens: int = 0

    def label(self) -> str:
        """For people: "6.8M parameters, 15.6M training tokens"; what is not known is left out."""
        known = [(self.parameters, "parameters"), (self.tokens, "training tokens")]
        return ", ".join(f"{_short(value)} {what}" for value, what in known if value)


def _short(value: int) -> str:
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return str(value)


@dataclass
class Table:
    """A titled table and the same figures as data; `holds` is false where a promise is broken.

    `figures` holds plain JSON values.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: str
    figures: Any
    command: str = ""
    model: Measured = field(default_factory=Measured)
    holds: bool = True

    def markdown(self) -> str:
        """The table under a heading, with the model's size, the notes and the command that prints it again."""
        lines = [f"### {self.title}", "", "| " + " | ".join(self.header) + " |", "|" + "---|" * len(self.header)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        label = self.model.label()
        parts = [f"Model: {label}." if label else "", self.notes, f"Command: `{self.command}`." if self.command else ""]
        return "\n".join([*lines, "", " ".join(part for part in parts if part)])

    def save(self, work: Path) -> Path:
        """Writes WORK/figures/NAME.json in one step. Returns its path."""
        path = path_of(work, self.name)
        with replaced(path) as scratch:
            scratch.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        return path


def path_of(work: Path, name: str) -> Path:
    """Where a table of that name lies."""
    return Path(work) / "figures" / f"{name}.json"


def load(work: Path, name: str) -> Table | None:
    """A table that `save` wrote, or None where there is none. Raises ``ValueError`` for a file that is no table."""
    path = path_of(work, name)
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    try:
        return Table(**(found | {"model": Measured(**found.get("model", {}))}))
    except TypeError as error:
        raise ValueError(
            f"expected a table in {path}, found other members ({error}): remove it and measure again"
        ) from error


def of_backbone(directory: Path) -> Measured:
    """What a table says of a backbone folder: config.json's model and training.json's tokens. Loads no weights into torch."""
    from safetensors import safe_open

    parameters = 0
    with safe_open(directory / "model.safetensors", framework="np") as tensors:
        for name in tensors.keys():
            parameters += math.prod(tensors.get_slice(name).get_shape())
    return Measured(parameters, training_tokens(directory))


def training_tokens(directory: Path) -> int:
    """How many tokens a backbone was trained on, by its training.json; 0 where it has none."""
    note = directory / "training.json"
    return int(json.loads(note.read_text(encoding="utf-8")).get("tokens", 0)) if note.is_file() else 0
