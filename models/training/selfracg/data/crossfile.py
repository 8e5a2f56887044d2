"""Cross-file benchmark: tasks, the fragments of a repository, which of them define what comes next, and rank measures.

A folder of the benchmark holds tasks_{language}.jsonl, one task a line ({id, language, repository, file, offset,
groundtruth}), and repos_{language}.jsonl.xz, one repository a line ({repository, language, files: {path: text}}). It is
for measuring alone: nothing in it is ever trained on.

There is no official label of what to retrieve. A fragment counts as relevant when it defines the first identifier of
the ground truth that any other file of the repository defines: what the next line needs, not what looks like the last.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfracg import intervals

LANGUAGES = ("python", "java", "typescript")
LINES, STEP = 20, 10
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MIN_NAME_LENGTH = 3

# {n} is the escaped name. Leading white space may span lines, which is harmless: the name still begins a statement.
_DEFINES = {
    "python": r"^\s*(?:(?:async\s+)?(?:def|class)\s+{n}\b|(?:self\.)?{n}\s*(?::[^=\n]+)?=(?!=))",
    # A member: white space or a modifier, its type, the name, then what follows a method, a field or a value.
    "java": r"(?:class|interface|enum|record)\s+{n}\b"
    r"|^(?:\s|public|protected|private|static|final|abstract|synchronized|default)[\w<>\[\],.?\s]+\s{n}\s*[(;=]",
    "typescript": r"(?:class|interface|enum|type|function|const|let|var|namespace)\s+{n}\b"
    r"|^(?:\s|public|protected|private|static|async|readonly|get|set)*{n}\s*(?:<[^>\n]*>)?\s*[(:=?]",
}


@dataclass(frozen=True)
class Cursor:
    """A cursor in a file, what was written there, and where."""

    identifier: str
    language: str
    repository: str
    file: str
    offset: int
    groundtruth: str


@dataclass(frozen=True)
class Fragment:
    """LINES lines of a file from `line` (counted from 0)."""

    path: str
    line: int
    text: str


def read_cursors(folder: Path, language: str, limit: int | None = None) -> list[Cursor]:
    """The first `limit` tasks of a language, in the file's order."""
    out: list[Cursor] = []
    with (folder / f"tasks_{language}.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            if limit is not None and len(out) >= limit:
                break
            row = json.loads(line)
            out.append(
                Cursor(row["id"], row["language"], row["repository"], row["file"], row["offset"], row["groundtruth"])
            )
    return out


def read_repositories(folder: Path, language: str, wanted: Iterable[str] | None = None) -> dict[str, dict[str, str]]:
    """Files by path of each wanted repository, or of every one."""
    names = None if wanted is None else set(wanted)
    out: dict[str, dict[str, str]] = {}
    with lzma.open(folder / f"repos_{language}.jsonl.xz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if names is None or row["repository"] in names:
                out[row["repository"]] = row["files"]
    missing = (names or set()) - out.keys()
    if missing:
        raise ValueError(
            f"expected repository {sorted(missing)[0]} in repos_{language}.jsonl.xz, found none: is the benchmark complete?"
        )
    return out


def fragments(files: dict[str, str]) -> list[Fragment]:
    """Overlapping windows over every file; the last one ends where the file ends."""
    out = []
    for path, text in files.items():
        lines = text.split("\n")
        start = 0
        while True:
            out.append(Fragment(path, start, "\n".join(lines[start : start + LINES])))
            if start + LINES >= len(lines):
                break
            start += STEP
    return out


def relevant(cursor: Cursor, pool: Sequence[Fragment]) -> tuple[str | None, set[int]]:
    """(name, indices of the fragments outside the cursor's file that define it), or (None, empty) where nothing does."""
    others = [i for i, fragment in enumerate(pool) if fragment.path != cursor.file]
    for name in dict.fromkeys(NAME.findall(cursor.groundtruth)):
        if len(name) < MIN_NAME_LENGTH:
            continue
        pattern = re.compile(_DEFINES[cursor.language].replace("{n}", re.escape(name)), re.MULTILINE)
        found = {i for i in others if name in pool[i].text and pattern.search(pool[i].text)}
        if found:
            return name, found
    return None, set()


@dataclass(frozen=True)
class Task:
    """A cursor with its repository's fragments and, where another file defines what comes next, that name and its fragments."""

    cursor: Cursor
    prefix: str
    pool: Sequence[Fragment]
    others: Sequence[int]
    name: str
    relevant: frozenset[int]
    suffix: str = ""

    @property
    def needs(self) -> bool:
        """Whether the ground truth names something that another file defines."""
        return bool(self.relevant)


def languages(folder: Path) -> list[str]:
    """Languages that the folder has both tasks and repositories of."""
    return [
        name
        for name in LANGUAGES
        if (folder / f"tasks_{name}.jsonl").is_file() and (folder / f"repos_{name}.jsonl.xz").is_file()
    ]


def all_tasks(folder: Path, language: str, limit: int | None) -> list[Task]:
    """The first `limit` tasks, those without a definition in another file among them (name "" and nothing relevant)."""
    cursors = read_cursors(folder, language, limit)
    repositories = read_repositories(folder, language, (cursor.repository for cursor in cursors))
    pools = {name: fragments(files) for name, files in repositories.items()}
    out = []
    for cursor in cursors:
        pool = pools[cursor.repository]
        name, found = relevant(cursor, pool)
        others = [i for i, fragment in enumerate(pool) if fragment.path != cursor.file]
        text = repositories[cursor.repository][cursor.file]
        suffix = text[cursor.offset + len(cursor.groundtruth) :]
        out.append(Task(cursor, text[: cursor.offset], pool, others, name or "", frozenset(found), suffix))
    return out


def first_hit(task: Task, ranking: Sequence[int], depth: int = 10) -> int | None:
    """Rank from 0 of the first relevant fragment among the first `depth`, or None."""
    return next((rank for rank, i in enumerate(ranking[:depth]) if i in task.relevant), None)


@dataclass(frozen=True)
class Ranks:
    """Rank measures over tasks, each with its 95 % interval by resampling whole repositories."""

    mrr: float
    recall: dict[int, float]
    low: float
    high: float
    recall_intervals: dict[int, intervals.Interval]


def reciprocal(hits: Sequence[int | None]) -> list[float]:
    """Reciprocal ranks of first-hit ranks, 0 for none."""
    return [0.0 if hit is None else 1.0 / (hit + 1) for hit in hits]


def measure(hits: Sequence[int | None], repositories: Sequence[str]) -> Ranks:
    """MRR@10 and Recall@1, 5, 10 of first-hit ranks."""
    mrr = intervals.mean(reciprocal(hits), repositories)
    recall = {k: intervals.mean([float(hit is not None and hit < k) for hit in hits], repositories) for k in (1, 5, 10)}
    return Ranks(mrr.value, {k: found.value for k, found in recall.items()}, mrr.low, mrr.high, recall)


def by_repository(found: Sequence[Task]) -> Iterator[tuple[str, list[Task]]]:
    """Cases grouped by repository, in order of first appearance."""
    groups: dict[str, list[Task]] = {}
    for task in found:
        groups.setdefault(task.cursor.repository, []).append(task)
    yield from groups.items()
