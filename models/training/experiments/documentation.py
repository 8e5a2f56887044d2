"""Measurement 6: retrieval of documentation: the next passage, and the section below a heading."""

from __future__ import annotations

import importlib
import random
import re
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.fixtures import BM25, RETRIEVAL_HEADER, SHIPPED, UNTRAINED, Fixtures, retrieval, retrieval_cells
from selfracg.data import lexical
from selfracg.model import llora
from selfracg.tables import Table

NAME = "documents"
# Characters of a passage, about as many as a fragment's tokens; and maximum number of passages of one document.
MIN_CHARACTERS, MAX_CHARACTERS, PASSAGES = 120, 480, 24
DOCUMENTS, QUERIES_EACH = 60, 4
# All documents have the same path: a path of its own would give away a document's passages.
PATH = "README.md"
TASKS = ("next passage", "section of a heading")
METHODS = (BM25, UNTRAINED, SHIPPED)
_HEADING = re.compile(r"^(?:#{1,5}[ \t]+(.+?)[ \t#]*|([^\n]{3,70})\n(?:={3,}|-{3,}|\*{3,}|~{3,}))$", re.MULTILINE)


@dataclass(frozen=True)
class Passage:
    """Some paragraphs of a document under one heading; `opens` where they are the section's first."""

    document: str
    heading: str
    opens: bool
    text: str


def measure(fixtures: Fixtures) -> Table:
    """MRR@10 and Recall@k of BM25, the untrained and the shipped expression over passages of many documents."""
    found = documents(fixtures.work)
    names = sorted(found)
    random.Random(0).shuffle(names)
    names = names[: 6 if fixtures.args.smoke else DOCUMENTS]
    pool = [passage for name in names for passage in found[name]]
    if len(pool) < 2:
        raise ValueError(
            f"expected documentation with at least two passages, found {len(pool)}: run `corpus` to download packages"
        )
    index = lexical.Bm25([passage.text for passage in pool])
    rows = [fixtures.form.fragment_embedding(PATH, passage.text) for passage in pool]
    offered = fixtures.express(METHODS[1:], rows, llora.FRAGMENT)
    table: list[Sequence[str]] = []
    figures: dict[str, Any] = {"documents": len(names), "passages": len(pool)}
    for task in TASKS:
        asked = queries(pool, task)
        shown = [before for before, _, _ in asked]
        needs = fixtures.express(METHODS[1:], [fixtures.form.query(PATH, before) for before in shown], llora.QUERY)
        ranks: dict[str, list[int | None]] = {name: [] for name in METHODS}
        for number, (before, target, own) in enumerate(asked):
            among = [i for i in range(len(pool)) if i not in own]
            ordered = {BM25: index.rank(before, among)[:10]}
            for name in METHODS[1:]:
                scores = offered[name][among] @ needs[name][number]
                ordered[name] = [among[i] for i in np.argsort(-scores, kind="stable")[:10]]
            for name, ranking in ordered.items():
                ranks[name].append(next((rank for rank, i in enumerate(ranking) if i == target), None))
        groups = [pool[target].document for _, target, _ in asked]
        figures[task] = {name: retrieval(ranks[name], groups) for name in METHODS}
        table += [[task, name, str(len(asked)), *retrieval_cells(figures[task][name])] for name in METHODS]
    return Table(
        NAME,
        "Documentation: retrieval of text",
        ["query and target", "method", "queries", *RETRIEVAL_HEADER],
        table,
        f"{len(pool):,} passages of {len(names)} documents: Python's own language reference and the README and documentation files inside the "
        "downloaded permissively licensed packages. Next passage: the document up to a passage's end, and what follows. "
        "Section of a heading: the title and the heading, and the passage below it. The query's own passages are not offered. Every document has "
        "the same path. Intervals resample documents.",
        figures,
    )


def queries(pool: Sequence[Passage], task: str) -> list[tuple[str, int, set[int]]]:
    """(what stands before the cursor, the target's place, places not offered), up to QUERIES_EACH of every document."""
    by_document: dict[str, list[int]] = {}
    for i, passage in enumerate(pool):
        by_document.setdefault(passage.document, []).append(i)
    out: list[tuple[str, int, set[int]]] = []
    for name, places in by_document.items():
        if task == TASKS[0]:
            chosen = [i for i in places[1:] if not pool[i].opens]
        else:
            chosen = [i for i in places if pool[i].opens and pool[i].heading]
        random.Random(name).shuffle(chosen)
        for target in sorted(chosen[:QUERIES_EACH]):
            before = [i for i in places if i < target]
            if task == TASKS[0]:
                text = "\n\n".join(pool[i].text for i in before[-3:]) + "\n\n"
                out.append((text, target, set(before)))
            else:
                out.append((f"# {name.rsplit('/', 1)[-1]}\n\n## {pool[target].heading}\n\n", target, set()))
    return out


def documents(work: Path) -> dict[str, list[Passage]]:
    """Passages by document: Python's language reference, and what the archives under WORK/downloads document."""
    texts = {f"python/{name}": text for name, text in importlib.import_module("pydoc_data.topics").topics.items()}
    for archive in sorted((work / "downloads").glob("*/*")):
        name = re.sub(r"-[^-]*$", "", archive.parent.name)
        for number, text in enumerate(_written(archive)):
            texts[f"{name}/{number}" if number else name] = text
    cut = {name: list(passages(name, text)) for name, text in texts.items()}
    return {name: found[:PASSAGES] for name, found in cut.items() if len(found) >= 4}


def _written(archive: Path, maximum: int = 3) -> Iterator[str]:
    """The longest documentation files of a wheel or a package archive; nothing of other files."""
    found: list[str] = []
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if name.endswith((".md", ".rst")):
                    found.append(wheel.read(name).decode("utf-8", "replace"))
                elif name.endswith(".dist-info/METADATA"):
                    # The description follows the header fields.
                    found.append(wheel.read(name).decode("utf-8", "replace").partition("\n\n")[2])
    elif archive.suffix == ".tgz":
        with tarfile.open(archive) as packed:
            for member in packed.getmembers():
                if member.isfile() and member.name.endswith((".md", ".rst")) and "CHANGELOG" not in member.name.upper():
                    content = packed.extractfile(member)
                    if content is not None:
                        found.append(content.read().decode("utf-8", "replace"))
    yield from sorted(found, key=lambda text: (-len(text), text))[:maximum]


def passages(document: str, text: str) -> Iterator[Passage]:
    """Cuts a text at its headings and empty lines into passages of MIN_CHARACTERS to MAX_CHARACTERS characters; longer ones are cut off."""
    text = text.replace("\r\n", "\n")
    heads = [
        (match.start(), match.end(), (match.group(1) or match.group(2)).strip()) for match in _HEADING.finditer(text)
    ]
    starts = [(0, "")] + [(end, heading) for _, end, heading in heads]
    stops = [start for start, _, _ in heads] + [len(text)]
    seen: set[str] = set()
    for (start, heading), stop in zip(starts, stops, strict=True):
        parts: list[str] = []
        opens = True
        for paragraph in [*re.split(r"\n[ \t]*\n", text[start:stop]), None]:
            gathered = "\n\n".join(parts)
            if parts and (paragraph is None or len(gathered) + len(paragraph) > MAX_CHARACTERS):
                if len(gathered) >= MIN_CHARACTERS and gathered not in seen:
                    seen.add(gathered)
                    yield Passage(document, heading, opens, gathered[:MAX_CHARACTERS])
                    opens = False
                parts = []
            if paragraph is not None and paragraph.strip():
                parts.append(paragraph.strip("\n"))
