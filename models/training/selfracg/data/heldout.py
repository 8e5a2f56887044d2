"""Measuring data from the corpus's held-out repositories: rows for the loss, and cross-file tasks without a benchmark."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from selfracg.data.crossfile import Cursor, Task, fragments
from selfracg.data.definitions import definitions

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Naming something in an import says where it comes from, not what the code needs next.
_IMPORT = re.compile(r"\s*(?:import|from|using|use|require|include|#\s*include|package|export\s.*\bfrom|.*\brequire\()")
MIN_NAME_LENGTH = 4


@dataclass(frozen=True)
class Repository:
    """A repository of the corpus: files are texts by path."""

    name: str
    language: str
    files: dict[str, str]


def repositories(path: Path) -> Iterator[Repository]:
    """Rows of corpus/train.jsonl or corpus/heldout.jsonl."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield Repository(row["repository"], row["language"], row["files"])


def texts(path: Path, per_language: int, seed: int = 0) -> dict[str, list[tuple[str, str]]]:
    """Up to `per_language` files (path, text) of each language, taken from its repositories in turn."""
    queues: dict[str, list[list[tuple[str, str]]]] = {}
    for repository in repositories(path):
        files = sorted(repository.files.items())
        random.Random(f"{seed}{repository.name}").shuffle(files)
        queues.setdefault(repository.language, []).append(files)
    out = {}
    for language, queue in sorted(queues.items()):
        chosen: list[tuple[str, str]] = []
        while len(chosen) < per_language and any(queue):
            for files in queue:
                if files and len(chosen) < per_language:
                    chosen.append(files.pop())
        out[language] = chosen
    return out


def tasks(path: Path, per_language: int, seed: int = 0) -> dict[str, list[Task]]:
    """Cross-file tasks: the cursor stands at a file's first use of a name that exactly one other file defines.

    The rest of the line is the ground truth. At most two tasks come from one file, so that no file dominates.
    """
    out: dict[str, list[Task]] = {}
    for repository in repositories(path):
        found = list(_tasks_of(repository, seed))
        random.Random(f"{seed}{repository.name}").shuffle(found)
        out.setdefault(repository.language, []).extend(found[:per_language])
    for language, found in out.items():
        random.Random(seed).shuffle(found)
        out[language] = found[:per_language]
    return {language: found for language, found in sorted(out.items()) if found}


def _tasks_of(repository: Repository, seed: int) -> Iterator[Task]:
    homes: dict[str, set[str]] = {}
    for path, text in repository.files.items():
        for name, _ in definitions(repository.language, text):
            homes.setdefault(name, set()).add(path)
    known = {
        name: next(iter(paths)) for name, paths in homes.items() if len(paths) == 1 and len(name) >= MIN_NAME_LENGTH
    }
    pool = fragments(repository.files)
    defined = [{name for name, _ in definitions(repository.language, fragment.text)} for fragment in pool]
    for path, text in repository.files.items():
        found = list(_first_uses(path, text, known))
        random.Random(f"{seed}{path}").shuffle(found)
        others = [i for i, fragment in enumerate(pool) if fragment.path != path]
        for name, offset in found[:2]:
            relevant = frozenset(i for i in others if name in defined[i])
            rest = text[offset:].split("\n", 1)[0]
            if relevant and len(rest) >= MIN_NAME_LENGTH:
                cursor = Cursor(
                    f"{repository.name}:{path}:{offset}", repository.language, repository.name, path, offset, rest
                )
                yield Task(cursor, text[:offset], pool, others, name, relevant, text[offset + len(rest) :])


def _first_uses(path: str, text: str, known: dict[str, str]) -> Iterator[tuple[str, int]]:
    """(name, offset) of the first use of each name that another file defines, import lines left out."""
    seen: set[str] = set()
    start = 0
    for number, line in enumerate(text.split("\n")):
        if number and not _IMPORT.match(line):
            for match in _WORD.finditer(line):
                name = match.group()
                if name not in seen and known.get(name, path) != path:
                    seen.add(name)
                    yield name, start + match.start()
        start += len(line) + 1
