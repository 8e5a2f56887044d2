"""Command `report`: every table of a work folder as REPORT.md, with plots, and the main ones for a model card.

Sentences are made from the figures alone, so that none outlives them. The same figures give the same bytes.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import tables, verdicts
from .tables import Table

HOME = Path(__file__).resolve().parents[1]
# Tables that a model card shows; the report has all of them.
CARD = ("loss", "retrieval", "completion", "needless", "copying", "isolation", "quantisation", "cost")
CARD_LINK = "Every table, with plots and the seven measurements of the method: `models/training/REPORT.md`."


@dataclass(frozen=True)
class Section:
    """A table's place in the report: the question that it answers, and what its figures say."""

    name: str
    question: str
    verdict: Callable[[Table], str] | None = None


SECTIONS = (
    Section("loss", "How well does the model predict code of repositories that it has never seen?", verdicts.loss),
    Section("copying", "Does the model use the fragments that it is shown?", verdicts.copying),
    Section("retrieval", "Is the fragment found that defines what comes next?", verdicts.retrieval),
    Section("completion", "What does retrieval change in the text that is written?", verdicts.completion),
    Section("needless", "Does retrieval harm where nothing of other files is needed?", verdicts.completion),
    Section("isolation", "Does the packaged graph write the same with the adapter as without?", verdicts.promise),
    Section(
        "bit-for-bit",
        "Measurement 1, isolation: is generation with the adapter bit for bit that of the bare backbone?",
        verdicts.promise,
    ),
    Section("stages", "Measurement 2, ablation of training: what does each stage add?", verdicts.stages),
    Section("scale", "Measurement 3, corpus scale: does retrieval hold as the index grows?", verdicts.scale),
    Section(
        "diagnosis", "Measurement 4, failure signatures: which of the known ways to fail show?", verdicts.diagnosis
    ),
    Section("attention", "Measurement 5: what does the expression look at?", verdicts.attention),
    Section("documents", "Measurement 6, text: does the same machinery retrieve documentation?", verdicts.documents),
    Section("rounds", "Measurement 7: does stage 2 repeated plateau, degrade or improve?"),
    Section("ablation-expression", "Which form of the expression retrieves best?"),
    Section("shapes", "Which shape of backbone is worth its latency?"),
    Section("quantisation", "What do weights in fewer bits cost?"),
    Section("cost", "What does each stage of training cost against the backbone's own training?"),
)
INTRODUCTION = """\
# Report

Everything measured, printed by commands that anyone can run again. Made by `python -m selfracg_training report`;
do not edit: run the command under a table, then this one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options beside the common --work, --smoke and --device."""
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        help="folder of REPORT.md and report/*.svg (default: beside this package; with --smoke: the work folder)",
    )


def run(args: argparse.Namespace) -> int:
    """Writes REPORT.md and its plots, and removes plots that it no longer shows. Returns 0."""
    work = Path(args.work)
    out = args.out or (work if args.smoke else HOME)
    found = read(work)
    if not found:
        raise FileNotFoundError(f"expected tables in {work / 'figures'}, found none: run `evaluate` or `measure` first")
    pictures = drawn(found)
    folder = out / "report"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        if old.name not in pictures:
            old.unlink()
    for name, picture in pictures.items():
        (folder / name).write_text(picture, encoding="utf-8")
    text = render(found, set(pictures), _model(work))
    (out / "REPORT.md").write_text(text, encoding="utf-8")
    print(f"report: {len(found)} tables and {len(pictures)} plots, {out / 'REPORT.md'}")
    return 0


def read(work: Path) -> dict[str, Table]:
    """Tables of a work folder by name: those of SECTIONS in that order, then others by name."""
    names = sorted(path.stem for path in (work / "figures").glob("*.json"))
    order = {section.name: place for place, section in enumerate(SECTIONS)}
    out = {}
    for name in sorted(names, key=lambda name: (order.get(name, len(order)), name)):
        table = tables.load(work, name)
        if table is not None:
            out[name] = table
    return out


def drawn(found: dict[str, Table]) -> dict[str, str]:
    """SVG texts by file name. Without matplotlib (an optional dependency: `pip install -e '.[report]'`) there are none."""
    try:
        from . import plots
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("matplotlib"):
            raise
        print("report: matplotlib is not installed, so there are no plots: pip install -e '.[report]'")
        return {}
    out = {}
    for name, table in found.items():
        out |= plots.draw(table)
    return out


def _model(work: Path) -> tables.Measured:
    folder = work / "backbone"
    return tables.of_backbone(folder) if (folder / "model.safetensors").is_file() else tables.Measured()


def render(found: dict[str, Table], pictures: set[str], model: tables.Measured) -> str:
    """REPORT.md: contents, then a section a table."""
    sections = {section.name: section for section in SECTIONS}
    lines = [INTRODUCTION, ""]
    if model.label():
        lines += [f"**Model: {model.label()}.** Each table names the size of the model that it was measured on.", ""]
    # By tokens: some tables count the adapters' parameters too.
    older = [table.title for table in found.values() if table.model.tokens not in (0, model.tokens)]
    if older and model.label():
        lines += [f"Not measured on this model, but on the one that they name: {'; '.join(older)}.", ""]
    lines += [f"- [{table.title}](#{_anchor(table.title)})" for table in found.values()]
    for name, table in found.items():
        heading, _, body = table.markdown().partition("\n")
        lines += ["", f"## {heading.removeprefix('### ')}", ""]
        section = sections.get(name)
        if section is not None:
            lines += [f"*{section.question}*", ""]
            said = section.verdict(table) if section.verdict is not None else ""
            if said:
                lines += [said, ""]
        lines.append(body.strip("\n"))
        for picture in sorted(
            picture for picture in pictures if picture == f"{name}.svg" or picture.startswith(f"{name}-")
        ):
            lines += ["", f"![{table.title}](report/{picture})"]
        lines += examples(table)
    return "\n".join(lines) + "\n"


def examples(table: Table) -> list[str]:
    """Lines of the cases that a diagnosis names, none for other tables."""
    if table.name != "diagnosis":
        return []
    rows = [
        "",
        "| language | kind | repository, file | name sought | its rank | ranked first | the right one |",
        "|---|---|---|---|---|---|---|",
    ]
    for language, values in table.figures.items():
        for case in values.get("examples", []):
            rows.append(
                f"| {language} | {case['kind']} | {case['repository']}, {case['file']} | `{case['name']}` | {case['rank']} | "
                f"{case['first']} | {case['right']} |"
            )
    return rows if len(rows) > 3 else []


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def card_figures(measured: Sequence[Table], work: Path) -> str:
    """What a model card shows: the tables of CARD in that order, and where the rest is.

    `measured` are taken as they are; other tables come from the work folder where they speak of the same model.
    """
    of = {table.model.tokens for table in measured}
    by_name = {name: table for name, table in read(work).items() if table.model.tokens in of} | {
        table.name: table for table in measured
    }
    return "\n\n".join([*(by_name[name].markdown() for name in CARD if name in by_name), CARD_LINK])
