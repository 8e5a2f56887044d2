"""Packs files into compressed parts of a bounded size with checksums, and joins them again on a machine without network.

    python -m scripts.parts pack NAME --from WORK --out DIR --part-mib 45 PATH...
    python -m scripts.parts join DIR/NAME.json --to WORK

`pack` writes DIR/NAME-001.part, ... (one stretch of NAME.tar.xz each) and, last, DIR/NAME.json with each part's size and
SHA-256. `join` names every part that is missing or damaged before it writes anything. Needs Python's standard library alone.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

MIB = 1 << 20


class Parts(io.RawIOBase):
    """A stream that is written to files of at most `limit` bytes, or read from them one after another."""

    def __init__(self, folder: Path, name: str, limit: int) -> None:
        self.folder, self.name, self.limit = folder, name, limit
        self.written: list[dict[str, Any]] = []
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.waiting += data
        while len(self.waiting) >= self.limit:
            self.flush_part(self.limit)
        return len(data)

    def flush_part(self, size: int) -> None:
        """Writes the first `size` bytes that wait as the next part."""
        content = bytes(self.waiting[:size])
        del self.waiting[:size]
        file = f"{self.name}-{len(self.written) + 1:03}.part"
        (self.folder / file).write_bytes(content)
        self.written.append({"file": file, "bytes": size, "sha256": hashlib.sha256(content).hexdigest()})


class Joined(io.RawIOBase):
    """The bytes of files, one after another."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.chunks = self._chunks(files)
        self.rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.rest:
            self.rest = next(self.chunks, b"")
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size

    @staticmethod
    def _chunks(files: Sequence[Path]) -> Iterator[bytes]:
        for path in files:
            with path.open("rb") as file:
                while chunk := file.read(MIB):
                    yield chunk


def pack(work: Path, paths: Sequence[str], out: Path, name: str, limit: int) -> list[dict[str, Any]]:
    """Writes the files and folders `paths` of `work` as parts of at most `limit` bytes. Returns what NAME.json says of them."""
    missing = [path for path in paths if not (work / path).exists()]
    if missing:
        raise FileNotFoundError(f"expected {missing[0]} in {work}, found nothing there: name what exists")
    out.mkdir(parents=True, exist_ok=True)
    parts = Parts(out, name, limit)
    with tarfile.open(mode="w|xz", fileobj=parts) as tar:
        for path in paths:
            tar.add(work / path, arcname=path)
    if parts.waiting:
        parts.flush_part(len(parts.waiting))
    (out / f"{name}.json").write_text(json.dumps({"parts": parts.written}, indent=1) + "\n", encoding="utf-8")
    return parts.written


def join(index: Path, work: Path) -> None:
    """Writes the files of the parts beside `index` into `work`. ValueError names the first part that is missing or damaged."""
    parts = json.loads(index.read_text(encoding="utf-8"))["parts"]
    files = [index.parent / part["file"] for part in parts]
    for path, part in zip(files, parts, strict=True):
        if not path.is_file():
            raise ValueError(f"expected the part {path}, found none: bring it there")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != part["sha256"]:
            raise ValueError(f"{path}: expected SHA-256 {part['sha256']}, found {found}: bring it again")
    work.mkdir(parents=True, exist_ok=True)
    with tarfile.open(mode="r|xz", fileobj=io.BufferedReader(Joined(files))) as tar:
        tar.extractall(work, filter="data")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("name")
    packing.add_argument("paths", nargs="+")
    packing.add_argument("--from", dest="work", type=Path, required=True)
    packing.add_argument("--out", type=Path, required=True)
    packing.add_argument("--part-mib", type=float, default=45.0)
    joining = commands.add_parser("join")
    joining.add_argument("index", type=Path)
    joining.add_argument("--to", type=Path, required=True)
    args = parser.parse_args(arguments)
    try:
        if args.command == "pack":
            written = pack(args.work, args.paths, args.out, args.name, int(args.part_mib * MIB))
            print(f"{len(written)} parts, {sum(part['bytes'] for part in written):,} bytes")
        else:
            join(args.index, args.to)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
