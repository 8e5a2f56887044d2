"""Sentences of the report, each made from a table's figures alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from . import retrievers
from .tables import Table

_NUMBER = re.compile(r"([+-]?\d[\d,]*(?:\.\d+)?)%?(?: \(([+-]?\d+(?:\.\d+)?)%? to ([+-]?\d+(?:\.\d+)?)%?\))?")
# The goals that the project has set itself: MRR@10 on Python, and its ratio to BM25 in every language.
GOAL_MRR, GOAL_RATIO = 0.36, 2.0


def value(cell: str) -> tuple[float, float, float] | None:
    """(value, low, high) of a cell like "0.150 (0.100 to 0.200)"; a plain number is its own bounds; None for other text."""
    match = _NUMBER.match(cell)
    if match is None:
        return None
    number = float(match.group(1).replace(",", ""))
    return (number, float(match.group(2)), float(match.group(3))) if match.group(2) else (number, number, number)


def column(table: Table, start: str) -> int | None:
    """The place of the first column whose heading starts so."""
    return next((place for place, name in enumerate(table.header) if name.startswith(start)), None)


def by_language(table: Table, start: str) -> Iterator[tuple[str, dict[str, tuple[float, float, float]]]]:
    """(language, values of a column by the second column's text), languages in the table's order."""
    place = column(table, start)
    groups: dict[str, dict[str, tuple[float, float, float]]] = {}
    for row in table.rows if place is not None else []:
        found = value(row[place])
        if found is not None:
            groups.setdefault(row[0], {})[row[1]] = found
    yield from groups.items()


def promise(table: Table) -> str:
    """Whether a table's promise holds."""
    return "Holds: nothing differs." if table.holds else "**Broken: generation is changed.**"


def loss(table: Table) -> str:
    """The model against what it was before training."""
    trained, untrained = column(table, "model, bits"), column(table, "untrained, bits")
    row = next((row for row in table.rows if row[0] == "all"), None)
    if row is None or trained is None or untrained is None:
        return ""
    return f"Over all languages {row[trained]} bits a byte; untrained {row[untrained]}."


def copying(table: Table) -> str:
    """What the right fragment takes off the loss of the name that it defines."""
    columns = [column(table, f"name, {kind}") for kind in ("none", "random", "right")]
    row = next((row for row in table.rows if row[0] == "all"), None)
    if row is None or any(place is None for place in columns):
        return ""
    none, random, right = (value(row[place]) for place in columns if place is not None)
    if none is None or random is None or right is None:
        return ""
    return (
        f"The fragment that defines a name changes that name's loss by {right[0] - none[0]:+.3f} nats a token; a random fragment of the "
        f"repository by {random[0] - none[0]:+.3f}."
    )


def retrieval(table: Table) -> str:
    """SelfRACG against BM25 in each language, and against the goals."""
    said = []
    for language, found in by_language(table, "MRR@10"):
        own = found.get(retrievers.SHIPPED) or found.get("L-LoRA trained")
        lexical = found.get(retrievers.BM25)
        if own is None or lexical is None:
            continue
        ratio = f"{own[0] / lexical[0]:.2f} times" if lexical[0] else "no part of"
        goals = [f"goal of {GOAL_RATIO:g} times {'met' if own[0] >= GOAL_RATIO * lexical[0] else 'not met'}"]
        if language == "python":
            goals.append(f"goal of {GOAL_MRR} {'met' if own[0] >= GOAL_MRR else 'not met'}")
        said.append(f"{language}: MRR@10 {own[0]:.3f}, {ratio} BM25's {lexical[0]:.3f} ({', '.join(goals)})")
    return "; ".join(said) + "." if said else ""


def completion(table: Table) -> str:
    """Which baselines SelfRACG is above with an interval clear of zero."""
    oracles = (retrievers.SHIPPED, "SelfRACG, always", "defining fragment")
    said = []
    for measure in ("EM", "ES"):
        for language, found in by_language(table, f"{measure}: SelfRACG minus"):
            others = {
                name: each
                for name, each in found.items()
                if name not in oracles and not name.endswith(retrievers.KNOWING)
            }
            if not others:
                continue
            above = [name for name, (_, low, _) in others.items() if low > 0]
            below = [name for name, (_, _, high) in others.items() if high < 0]
            said.append(
                f"{measure}, {language}: above {len(above)} of {len(others)} with the interval clear of zero"
                + (f", below {', '.join(below)}" if below else "")
            )
    return "; ".join(said) + "." if said else ""


def stages(table: Table) -> str:
    """MRR@10 in the order of training, and the best."""
    said = []
    for language, found in by_language(table, "MRR@10 ("):
        own = {name: each[0] for name, each in found.items() if name != retrievers.BM25}
        if own:
            best = max(own, key=lambda name: own[name])
            said.append(
                f"{language}: {', '.join(f'{name} {number:.3f}' for name, number in own.items())}; highest: {best}"
            )
    return "MRR@10, " + ". ".join(said) + "." if said else ""


def scale(table: Table) -> str:
    """From the smallest to the largest index."""
    said = []
    for language, sizes in table.figures.items():
        first, last = list(sizes)[0], list(sizes)[-1]
        parts = [
            f"{method} {sizes[first][method]['mrr']['value']:.3f} to {sizes[last][method]['mrr']['value']:.3f}"
            for method in sizes[first]
            if method != "fragments"
        ]
        said.append(
            f"{language}: {', '.join(parts)} from {first} to {last} repositories ({sizes[first]['fragments']:,} to {sizes[last]['fragments']:,} fragments)"
        )
    return "MRR@10, " + "; ".join(said) + "."


def diagnosis(table: Table) -> str:
    """The signatures that are seen, and where."""
    seen = [
        f"{signature} ({language})"
        for language, values in table.figures.items()
        for signature, verdict in values["verdicts"].items()
        if verdict == "SEEN"
    ]
    open_ones = sum(
        verdict not in ("SEEN", "not seen")
        for values in table.figures.values()
        for verdict in values["verdicts"].values()
    )
    said = f"Seen: {'; '.join(seen)}." if seen else "No signature is seen."
    return said + (f" Too few hits to tell in {open_ones} of the rows." if open_ones else "")


def attention(table: Table) -> str:
    """What training drew attention to and from, where the interval is clear of zero."""
    groups = table.figures["groups"]
    kinds = groups.get("kind", {})
    top = sorted(kinds, key=lambda kind: -kinds[kind]["trained"]["value"] / kinds[kind]["tokens"])[:3]
    more, less = _moved(kinds, 1), _moved(kinds, -1)
    said = [
        "Most enriched after training: "
        + ", ".join(
            f"{kind} ({kinds[kind]['trained']['value'] / kinds[kind]['tokens']:.1f} times its share of tokens)"
            for kind in top
        )
    ]
    if more:
        said.append("training raised attention to " + ", ".join(more))
    if less:
        said.append("and lowered it for " + ", ".join(less))
    return "; ".join(said) + "."


def _moved(kinds: dict[str, dict], sign: int) -> Sequence[str]:
    """Kinds whose share changed in a direction with the interval clear of zero, the largest change first."""
    changed = {
        kind: values["change"]["value"]
        for kind, values in kinds.items()
        if (values["change"]["low"] > 0 if sign > 0 else values["change"]["high"] < 0)
    }
    return [
        f"{kind} ({100 * changed[kind]:+.1f} points)"
        for kind in sorted(changed, key=lambda kind: -sign * changed[kind])
    ]


def documents(table: Table) -> str:
    """The expression against BM25 and against no training, by task."""
    said = []
    for task, found in by_language(table, "MRR@10"):
        said.append(f"{task}: " + ", ".join(f"{name} {each[0]:.3f}" for name, each in found.items()))
    return "MRR@10, " + "; ".join(said) + "." if said else ""
