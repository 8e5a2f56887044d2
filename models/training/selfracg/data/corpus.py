"""Collects permissively licensed sources, cleans them and splits off held-out repositories."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from selfracg.data import clean
from selfracg.data.definitions import LANGUAGES, language_of
from selfracg.data.source_reader import (
    _COPYLEFT_TITLE,
    ROOT,
    _take,
    bench_folder,
    bench_repositories,
    normal_name,
    permissive,
    read_source,
    refused_name,
)

DEFAULT_MAX_BYTES = 600_000
SMOKE_FOLDERS = ("asyncio", "email", "json", "logging", "http", "importlib", "concurrent", "unittest", "xml")
SMOKE_HELD_OUT = "email"
SMOKE_LIMIT = 120_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the corpus stage."""
    parser.add_argument(
        "--sources", type=Path, default=ROOT / "corpus", help="list of sources, or a folder of such lists"
    )
    parser.add_argument(
        "--git-cache", type=Path, default=None, help="folder of bare repositories, looked at before cloning"
    )
    parser.add_argument("--git-base", default="https://github.com", help="where git sources are cloned from")
    parser.add_argument(
        "--bench", type=Path, default=None, help="folder of benchmark repositories to keep out of training"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the bytes kept of every source")
    parser.add_argument(
        "--processes", type=int, default=2, help="sources read and cleaned at a time (1: in this process)"
    )
    parser.add_argument(
        "--table", type=Path, default=None, help="also write the table of sources (Markdown) to this file"
    )


def read_sources(path: Path) -> tuple[dict[str, int], list[dict]]:
    """Bytes taken of a source by language, and the sources, of one list or of a folder's lists, Python's first."""
    limits: dict[str, int] = {}
    sources: list[dict] = []
    ranks = {language: rank for rank, language in enumerate(LANGUAGES)}
    parts = (
        sorted(path.glob("*.json"), key=lambda part: (ranks.get(part.stem, len(ranks)), part.stem))
        if path.is_dir()
        else [path]
    )
    for part in parts:
        listing = json.loads(part.read_text(encoding="utf-8"))
        limits.update(listing.get("maxBytes", {}))
        sources.extend(listing["sources"])
    if not sources:
        raise SystemExit(f"expected lists of sources at {path}, found none")
    return limits, sources


class Cleaned(NamedTuple):
    """One cleaned file, not yet compared with the other sources."""

    path: str
    text: str
    signature: clean.Signature


def clean_source(
    files: Iterable[tuple[str, bytes]], name: str, limit: int, windows: clean.Windows, dropped: Counter[str]
) -> list[Cleaned]:
    """Cleaned files of one source, somewhat more than `limit` characters; counts in `dropped` what was left out."""
    texts: dict[str, str] = {}
    for path, data in files:
        if language_of(path) is None:
            continue
        if (reason := clean.path_reason(path)) is not None:
            dropped[reason] += 1
        elif (text := clean.text_of(data)) is None:
            dropped["not UTF-8 text"] += 1
        else:
            texts[path] = text
    kept: list[Cleaned] = []
    for path in (looked := _take({path: len(text) for path, text in texts.items()}, limit * 3 // 2)):
        text = texts[path]
        reason = clean.text_reason(text)
        if reason is None:
            text = clean.tidy(text, f"{name}/{path}")
            reason = "too short" if len(text) < clean.MIN_CHARACTERS else None
        if reason is None and windows.shares(text):
            reason = "shares a window with the benchmark"
        if reason is None:
            kept.append(Cleaned(path, text, clean.signature(text)))
        else:
            dropped[reason] += 1
    dropped["over the source's size"] += len(texts) - len(looked)
    return kept


def unique(files: list[Cleaned], limit: int, duplicates: clean.Duplicates, dropped: Counter[str]) -> dict[str, str]:
    """Texts by path, in the order of the paths, at most `limit` characters, without duplicates of earlier sources'."""
    kept: dict[str, str] = {}
    for path, text, signature in files:
        reason = duplicates.reason(signature)
        if reason is None:
            kept[path] = text
        else:
            dropped[reason] += 1
    taken = _take({path: len(text) for path, text in kept.items()}, limit)
    dropped["over the source's size"] += len(kept) - len(taken)
    return {path: kept[path] for path in taken}


class Reader:
    """Reads and cleans single sources, in this process or in a pool's."""

    def __init__(
        self, arguments: argparse.Namespace, limits: dict[str, int], bench_names: set[str], windows: clean.Windows
    ):
        self.arguments = arguments
        self.limits = limits
        self.bench_names = bench_names
        self.windows = windows

    def limit(self, source: dict) -> int:
        """Maximum number of characters of a source."""
        return int(
            self.arguments.scale * source.get("maxBytes", self.limits.get(source["languages"][0], DEFAULT_MAX_BYTES))
        )

    def files(self, source: dict, dropped: Counter[str]) -> list[tuple[str, bytes]]:
        """A source's files; RuntimeError says why it must not be used."""
        if not permissive(source["licence"]):
            raise RuntimeError(f"expected a permissive licence, found {source['licence']}")
        if refused_name(source["name"], self.bench_names):
            raise RuntimeError("it is a benchmark's repository")
        files = read_source(source, self.arguments.work / "downloads", self.arguments, self.limit(source), dropped)
        for path, data in files:
            if language_of(path) is None and _COPYLEFT_TITLE.search(data[:400]):
                raise RuntimeError(f"its {path} is copyleft, expected {source['licence']}")
        return files

    def __call__(self, source: dict) -> tuple[dict[str, list[Cleaned]] | str, Counter[str]]:
        """Cleaned files by repository name, or why the source is left out; and what was dropped."""
        dropped: Counter[str] = Counter()
        try:
            files = self.files(source, dropped)
        except (
            RuntimeError,
            OSError,
            subprocess.SubprocessError,
            tarfile.TarError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            return str(error), dropped
        if not self.arguments.smoke:
            return {
                source["name"]: clean_source(files, source["name"], self.limit(source), self.windows, dropped)
            }, dropped
        # The standard library's folders as if each were a repository: enough to run the chain without downloading.
        return {
            f"{source['name']}/{folder}": clean_source(
                [(path, data) for path, data in files if path.startswith(f"{folder}/")],
                folder,
                SMOKE_LIMIT,
                self.windows,
                dropped,
            )
            for folder in SMOKE_FOLDERS
        }, dropped


_READER: Reader | None = None


def _set_reader(reader: Reader) -> None:
    global _READER  # one to a process of the pool, so that the benchmark's windows travel once
    _READER = reader


def _read(source: dict):
    assert _READER is not None
    return _READER(source)


def _results(
    reader: Reader, sources: list[dict], processes: int
) -> Iterator[tuple[dict[str, list[Cleaned]] | str, Counter[str]]]:
    """What reader gives for each source, in order, independent of the network's or the processes' timing."""
    if processes == 1 or len(sources) < 2:
        yield from map(reader, sources)
        return
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with context.Pool(processes, _set_reader, (reader,)) as pool:
        yield from pool.imap(_read, sources)


def sources_table(listing: list[dict], repositories: list[dict]) -> str:
    """Every source with version, licence and what was taken of it, as a Markdown table."""
    kept = {entry["repository"]: entry for entry in repositories}
    lines = [
        "# Sources of the corpus",
        "",
        "Written by `python -m scripts.corpus --table`. MB are what is left after cleaning, at the limits of the",
        "lists in this folder. Held-out sources are never trained on.",
        "",
    ]
    languages: dict[str, list[dict]] = defaultdict(list)
    for source in listing:
        languages[source["languages"][0]].append(source)
    for language, sources in languages.items():
        lines += [
            f"## {language}",
            "",
            "| source | kind | version | licence | files | MB | |",
            "|---|---|---|---|--:|--:|---|",
        ]
        for source in sorted(sources, key=lambda one: one["name"].lower()):
            entry = kept.get(source["name"], {"files": 0, "bytes": 0})
            version = source["version"][:12] if source["kind"] == "git" else source["version"]
            note = "held out" if source.get("heldOut") else ""
            lines.append(
                f"| {source['name']} | {source['kind']} | {version} | {source['licence']} | {entry['files']} | {entry['bytes'] / 1e6:.2f} | {note} |"
            )
        lines.append("")
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> int:
    """Writes corpus/train.jsonl, corpus/heldout.jsonl and corpus/counts.json. Returns the exit status."""
    started = time.monotonic()
    limits, sources = read_sources(arguments.sources)
    if arguments.smoke:
        sources = [source for source in sources if source["kind"] == "stdlib"]
    # Held-out sources come first: of two duplicates, the held-out one stays.
    sources.sort(key=lambda source: not source.get("heldOut", False))
    work: Path = arguments.work
    (work / "corpus").mkdir(parents=True, exist_ok=True)

    bench = bench_folder(arguments.bench)
    bench_names: set[str] = set()
    if bench is None:
        print("benchmark: none found, so nothing is compared with it; give its folder with --bench")
        windows = clean.Windows([])
    else:
        texts: list[str] = []
        for row in bench_repositories(bench):
            bench_names.add(normal_name(row["repository"].rpartition("-")[0]))
            texts.extend(row["files"].values())
        windows = clean.Windows(clean.thin_header(text, "", keep=0) for text in texts)
        print(f"benchmark: {len(bench_names)} repositories, {len(windows.hashes)} windows to keep out")

    duplicates = clean.Duplicates()
    dropped: Counter[str] = Counter()
    left_out: dict[str, str] = {}
    table: dict[str, dict[str, Counter]] = {"train": defaultdict(Counter), "heldout": defaultdict(Counter)}
    repositories: list[dict] = []
    outputs = {part: (work / "corpus" / f"{part}.jsonl.part").open("w", encoding="utf-8") for part in table}

    def write(row: dict, held: bool) -> None:
        part = "heldout" if held else "train"
        outputs[part].write(json.dumps(row, ensure_ascii=False) + "\n")
        size = sum(len(text.encode()) for text in row["files"].values())
        table[part][row["language"]].update(repositories=1, files=len(row["files"]), bytes=size)
        repositories.append({"repository": row["repository"], "language": row["language"], "licence": row["licence"],
                             "part": part, "files": len(row["files"]), "bytes": size})  # fmt: skip

    reader = Reader(arguments, limits, bench_names, windows)
    for number, (source, (found, lost)) in enumerate(
        zip(sources, _results(reader, sources, arguments.processes), strict=True), 1
    ):
        dropped.update(lost)
        if isinstance(found, str):
            left_out[source["name"]] = found
            print(f"left out: {source['name']}: {found}", flush=True)
            continue
        for name, files in found.items():
            cleaned = unique(files, SMOKE_LIMIT if arguments.smoke else reader.limit(source), duplicates, dropped)
            if not cleaned:
                left_out[name] = "no file was left after cleaning"
                print(f"left out: {name}: no file was left after cleaning", flush=True)
                continue
            row = {
                "repository": name,
                "language": source["languages"][0],
                "licence": source["licence"],
                "files": cleaned,
            }
            write(row, bool(source.get("heldOut")) or name.rpartition("/")[2] == SMOKE_HELD_OUT and arguments.smoke)
        if number % 50 == 0:
            print(f"{number} of {len(sources)} sources, {sum(entry['bytes'] for entry in repositories) / 1e6:.0f} MB, "
                  f"{time.monotonic() - started:.0f} s", flush=True)  # fmt: skip
    for part, output in outputs.items():
        output.close()
        (work / "corpus" / f"{part}.jsonl.part").replace(work / "corpus" / f"{part}.jsonl")

    counts = {"parts": table, "dropped": dict(dropped.most_common()), "leftOut": left_out,
              "benchmark": None if bench is None else len(bench_names), "seconds": round(time.monotonic() - started),
              "repositories": repositories}  # fmt: skip
    (work / "corpus" / "counts.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    if arguments.table is not None:
        arguments.table.write_text(sources_table(sources, repositories), encoding="utf-8")
    for part, languages in table.items():
        for language, numbers in sorted(languages.items()):
            print(
                f"{part:8} {language:11} {numbers['repositories']:4} repositories {numbers['files']:6} files {numbers['bytes'] / 1e6:7.2f} MB"
            )
    print("dropped: " + ", ".join(f"{count} {reason}" for reason, count in dropped.most_common()))
    if not table["train"]:
        print("expected at least one source, found none that could be read: see the lines above", file=sys.stderr)
        return 1
    return 0
