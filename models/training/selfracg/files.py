"""Digests of files, and files that readers find whole: the old one or the new one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sha256(*paths: Path) -> str:
    """SHA-256 (hexadecimal) of files, one after another, read in blocks."""
    found = hashlib.sha256()
    for path in paths:
        with path.open("rb") as content:
            hashlib.file_digest(content, lambda: found)
    return found.hexdigest()


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A path to write to, whose file takes the place of ``path`` where the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".writing-{path.name}")
    yield scratch
    os.replace(scratch, path)
