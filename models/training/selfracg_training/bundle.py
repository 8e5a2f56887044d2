"""Command `bundle`: files and folders as numbered, compressed parts of a bounded size with checksums, and back.

Parts are made so that training data reaches a machine without network in several portions, and weights come back so. Each
part is an .xz file of its own over one stretch of the files laid end to end, small files first. `--join` takes the parts
that have arrived, in order, and goes on with the next ones another time; a file of which only the beginning has arrived
stands as NAME.partial, which `pretrain` takes for rows of tokens.

Of the standard library's compressors xz serves tokens best: rows of 16-bit ids shrink to 0.29 of their size, against 0.44
with bzip2 and 0.47 with zlib; source text to 0.17, against 0.18 and 0.22. Filters for 16-bit data and higher settings than
the default gain less than two hundredths of that and take longer.

Writes OUT/NAME.json: {name, files: [{path, bytes, sha256}], parts: [{file, begin, end, bytes, sha256}]}, OUT/NAME-001.xz, ...
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from . import parallel

MIB = 1 << 20
# Stretches compressed apart, so that cores share the work and a part can be filled: this many a part, or more.
BLOCKS_A_PART = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `bundle`."""
    parser.add_argument("paths", nargs="*", help="files and folders, relative to the work folder; with --join unused")
    parser.add_argument("--out", type=Path, default=None, help="folder of the parts (default: WORK/bundle)")
    parser.add_argument("--name", default="bundle")
    parser.add_argument("--part-mib", type=float, default=60.0, help="most MiB of a part")
    parser.add_argument("--parts", default=None, metavar="K..M", help="write these parts alone; the index names all")
    parser.add_argument(
        "--join",
        type=Path,
        default=None,
        metavar="DIR",
        help="write the files of the parts in DIR into the work folder",
    )
    parser.add_argument("--processes", type=int, default=0, help="processes that compress (0: one a core)")


def run(args: argparse.Namespace) -> int:
    """Packs or joins. Returns 0, or 1 where parts are still missing after a join."""
    work = Path(args.work)
    if args.join is not None:
        joined = join(args.join, work, args.name)
        print(f"bundle: {joined.done} of {joined.parts} parts of {args.name} joined into {work}")
        return 0 if joined.done == joined.parts else 1
    if not args.paths:
        raise SystemExit("expected files or folders to pack, found none: name them, or pass --join DIR")
    wanted = None
    if args.parts:
        first, _, last = args.parts.partition("..")
        wanted = range(int(first), int(last or first) + 1)
    pack(work, args.paths, args.out or work / "bundle", args.name, int(args.part_mib * MIB), wanted, args.processes)
    return 0


def pack(
    root: Path, paths: Iterable[str], out: Path, name: str, most: int, wanted: range | None = None, processes: int = 0
) -> dict[str, Any]:
    """Writes the parts (those numbered in ``wanted``, from 1) of files under ``root``, each of at most ``most`` bytes.

    Returns the index. The same files give the same parts, so parts left out can be written by another call.
    """
    files = sorted(_files(root, paths, out), key=lambda path: (path.stat().st_size, str(path)))
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob(f"{name}-*.xz"):
        if stale.stem.removeprefix(f"{name}-").isdigit():
            stale.unlink()
    members = [
        {"path": str(PurePosixPath(path.relative_to(root))), "bytes": path.stat().st_size, "sha256": _digest(path)}
        for path in files
    ]
    size = max(1, most // BLOCKS_A_PART)
    parts: list[dict[str, Any]] = []
    held: list[bytes] = []
    begin = end = 0

    def close() -> None:
        nonlocal held, begin
        if not held:
            return
        data = b"".join(held)
        file = f"{name}-{len(parts) + 1:03}.xz"
        if wanted is None or len(parts) + 1 in wanted:
            _write(out / file, data)
        parts.append(
            {"file": file, "begin": begin, "end": end, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        )
        print(f"bundle: part {len(parts)}: {len(data):,} bytes of {end - begin:,}", flush=True)
        held, begin = [], end

    for length, block in _compressed(_blocks(files, size), processes or parallel.available_cores()):
        if sum(map(len, held)) + len(block) > most:
            close()
        if len(block) > most:
            raise ValueError(f"expected blocks below {most} bytes, found one of {len(block)}: raise --part-mib")
        held.append(block)
        end += length
    close()
    index = {"name": name, "files": members, "parts": parts}
    _write(out / f"{name}.json", (json.dumps(index, indent=1) + "\n").encode())
    total = sum(part["bytes"] for part in parts)
    print(
        f"bundle: {len(members)} files, {end:,} bytes in {len(parts)} parts of {total:,} bytes ({total / max(1, end):.3f})",
        flush=True,
    )
    return index


class Joined:
    """How far a join has come: ``done`` of ``parts``."""

    def __init__(self, done: int, parts: int) -> None:
        self.done, self.parts = done, parts


def join(source: Path, root: Path, name: str = "bundle") -> Joined:
    """Writes what the parts in ``source`` hold under ``root``; parts joined by an earlier call are not asked for again.

    Raises ``FileNotFoundError`` without an index, ``ValueError`` for a part or file that is not what the index says.
    """
    path = source / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected the index {path}, found none: bring {name}.json with the parts")
    index = json.loads(path.read_text(encoding="utf-8"))
    note = root / f".{name}.joined"
    done = 0
    key = hashlib.sha256(path.read_bytes()).hexdigest()
    if note.is_file():
        saved = json.loads(note.read_text(encoding="utf-8"))
        done = saved["parts"] if saved["index"] == key else 0
    root.mkdir(parents=True, exist_ok=True)
    for part in index["parts"][done:]:
        at = source / part["file"]
        if not at.is_file():
            break
        data = at.read_bytes()
        if hashlib.sha256(data).hexdigest() != part["sha256"]:
            raise ValueError(f"expected {at} with checksum {part['sha256'][:12]}, found another: bring that part again")
        _spread(index["files"], root, part["begin"], lzma.decompress(data))
        done += 1
        _write(note, json.dumps({"index": key, "parts": done}).encode())
        print(f"bundle: joined {part['file']}", flush=True)
    return Joined(done, len(index["parts"]))


def _spread(files: list[dict[str, Any]], root: Path, begin: int, data: bytes) -> None:
    """Writes the stretch of the files laid end to end that starts at ``begin``; whole files are checked and named."""
    start = 0
    for member in files:
        end = start + member["bytes"]
        if end >= begin and start < begin + len(data) or (start == end == begin):
            path = root / member["path"]
            if not path.resolve().is_relative_to(root.resolve()):
                raise ValueError(
                    f"expected paths inside the work folder, found {member['path']}: this index is not to be trusted"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(path.name + ".partial")
            if start < begin and end > begin and not partial.is_file():
                raise ValueError(
                    f"expected {partial}, found none: remove {root}/.*.joined and join from the first part"
                )
            if end > begin or start == begin:
                with partial.open("r+b" if partial.is_file() and start < begin else "wb") as out:
                    out.truncate(max(0, begin - start))
                    out.seek(0, os.SEEK_END)
                    out.write(data[max(0, start - begin) : end - begin])
                if partial.stat().st_size == member["bytes"]:
                    if _digest(partial) != member["sha256"]:
                        raise ValueError(
                            f"expected {path} with checksum {member['sha256'][:12]}, found another: pack again"
                        )
                    partial.replace(path)
        start = end


def _files(root: Path, paths: Iterable[str], out: Path) -> Iterator[Path]:
    seen: set[Path] = set()
    for name in paths:
        path = root / name
        if not path.exists():
            raise FileNotFoundError(f"expected {path}, found nothing there: name files and folders of {root}")
        if not path.resolve().is_relative_to(root.resolve()):
            raise ValueError(f"expected paths inside {root}, found {path}: name them relative to it")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file not in seen and not file.is_relative_to(out):
                seen.add(file)
                yield file


def _blocks(files: Iterable[Path], size: int) -> Iterator[bytes]:
    """Stretches of ``size`` bytes of the files laid end to end; the last may be shorter."""
    held = b""
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(size - len(held)):
                held += piece
                if len(held) == size:
                    yield held
                    held = b""
    if held:
        yield held


def _compressed(blocks: Iterator[bytes], processes: int) -> Iterator[tuple[int, bytes]]:
    """(length, compressed) of each block, in order; no more than a few blocks a process are held at a time."""
    if processes == 1:
        yield from map(_compress, blocks)
        return
    with ProcessPoolExecutor(processes) as pool:
        waiting: list[Any] = []
        for block in blocks:
            waiting.append(pool.submit(_compress, block))
            if len(waiting) >= 2 * processes:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()


def _compress(block: bytes) -> tuple[int, bytes]:
    return len(block), lzma.compress(block)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(MIB):
            digest.update(piece)
    return digest.hexdigest()


def _write(path: Path, data: bytes) -> None:
    scratch = path.with_name(path.name + ".tmp")
    scratch.write_bytes(data)
    scratch.replace(path)
