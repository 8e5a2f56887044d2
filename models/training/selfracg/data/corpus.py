"""Collects permissively licensed sources, cleans them and splits off held-out repositories."""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import multiprocessing
import re
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from selfracg.data import clean
from selfracg.data.definitions import LANGUAGES, language_of

ROOT = Path(__file__).resolve().parents[2]

PERMISSIVE = {"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC", "PSF-2.0", "Unlicense", "0BSD"}

# RepoEval's repositories and the packages made from them (shared/bench/README.md); CrossCodeEval's are read from the
# benchmark files themselves.
REPOEVAL = {
    "carperai/trlx", "deepmind/tracr", "lucidrains/imagen-pytorch", "google/lightweight_mmm", "maxhumber/redframes",
    "leopard-ai/betty", "amazon-science/patchcore-inspection", "facebookresearch/omnivore", "huggingface/diffusers",
    "huggingface/evaluate", "nerfstudio-project/nerfstudio", "awslabs/fortuna", "opendilab/ace", "google/vizier",
    "alibaba/federatedscope", "pytorch/rl",
    "trlx", "tracr", "imagen-pytorch", "lightweight-mmm", "redframes", "betty-ml", "diffusers", "evaluate",
    "nerfstudio", "aws-fortuna", "google-vizier", "federatedscope", "torchrl",
}  # fmt: skip

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
    """Bytes kept of a source by language, and the sources, of one list or of a folder's lists, Python's first."""
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


# Which files of an archive or a commit to read, by path and size.
Choose = Callable[[dict[str, int]], list[str]]


def permissive(licence: str) -> bool:
    """Whether a licence expression ("MIT", "MIT OR Apache-2.0") offers a permissive licence."""
    return any(part.strip() in PERMISSIVE for part in licence.split(" OR "))


def normal_name(name: str) -> str:
    """A repository's or package's name in the one spelling in which names are compared."""
    return name.lower().replace("_", "-")


def bench_folder(given: Path | None) -> Path | None:
    """The benchmark's folder: the given one, or shared/bench beside the repository; None when there is none."""
    folder = given if given is not None else ROOT.parent.parent.parent / "shared" / "bench"
    return folder if any(folder.glob("repos_*.jsonl.xz")) else None


def bench_repositories(folder: Path) -> Iterator[dict]:
    """Rows {repository, language, files} of every benchmark repository."""
    for path in sorted(folder.glob("repos_*.jsonl.xz")):
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def refused_name(name: str, bench_names: set[str]) -> bool:
    """Whether a source is one of the repositories that must stay out of training.

    bench_names hold "owner-name" in lower case, as the benchmark spells its repositories without the commit.
    """
    plain = normal_name(name)
    return plain in {normal_name(entry) for entry in REPOEVAL} or plain.replace("/", "-") in bench_names


def _run(command: list[str], folder: Path | None = None) -> bytes:
    """Runs a command and returns its output; a failure carries the last line of its error output."""
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise RuntimeError(f"{command[0]} failed: {lines[-1][:200]}")
    return done.stdout


def _archive_files(path: Path, choose: Choose) -> Iterator[tuple[str, bytes]]:
    """The files of a wheel, zip or tar archive that `choose` picks by path and size; the others are not unpacked."""
    if path.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
            for name in choose({name: entry.file_size for name, entry in entries.items()}):
                yield name, archive.read(entries[name])
        return
    with tarfile.open(path) as archive:
        # Both npm's and Python's source archives put everything into one folder.
        members = {entry.name.partition("/")[2]: entry for entry in archive if entry.isfile()}
        # In the archive's order: a packed archive can only be read forwards.
        for name in sorted(
            choose({name: entry.size for name, entry in members.items()}), key=lambda name: members[name].offset
        ):
            if (stream := archive.extractfile(members[name])) is not None:
                yield name, stream.read()


def _git_files(repository: Path, commit: str, choose: Choose) -> Iterator[tuple[str, bytes]]:
    """The files of one commit that `choose` picks by path and size, without a work tree, by one `git cat-file`."""
    listing = _run(["git", "-C", str(repository), "ls-tree", "-r", "-l", "-z", commit]).decode(errors="replace")
    identities: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for entry in listing.split("\0"):
        details, _, path = entry.partition("\t")
        fields = details.split()
        # A snapshot may lack its largest files: their size is no number.
        if len(fields) == 4 and fields[1] == "blob" and fields[0] != "120000" and fields[3].isdigit():
            identities[path], sizes[path] = fields[2], int(fields[3])
    paths = choose(sizes)
    done = subprocess.run(
        ["git", "-C", str(repository), "cat-file", "--batch"],
        input="".join(f"{identities[path]}\n" for path in paths).encode(),
        capture_output=True,
        check=True,
    ).stdout
    place = 0
    for path in paths:
        end = done.index(b"\n", place)
        answer = done[place:end].split(b" ")
        if len(answer) != 3:
            place = end + 1
            continue
        size = int(answer[2])
        yield path, done[end + 1 : end + 1 + size]
        place = end + 2 + size


def _git_cached(cache: Path, name: str) -> Path | None:
    """A repository in a cache folder: owner+name, owner+name/repo, owner/name or owner/name.git."""
    for candidate in (f"{name.replace('/', '+')}/repo", name.replace("/", "+"), name, f"{name}.git"):
        path = cache / candidate
        if (path / "HEAD").exists() or (path / ".git").exists():
            return path
    return None


# A licence file of the whole source: at its root, or where Python wheels keep it. Those of vendored parts lie deeper.
_LICENCE_FILE = re.compile(r"(?:[^/]+\.dist-info/(?:licenses/)?)?(?:licen[cs]e|copying)[^/]*", re.IGNORECASE)


_COPYLEFT_TITLE = re.compile(
    rb"GNU (?:LESSER |AFFERO |LIBRARY )?GENERAL PUBLIC LICENSE|MOZILLA PUBLIC LICENSE", re.IGNORECASE
)


def _wanted(languages: list[str]):
    accepted = set(languages)

    def wanted(path: str) -> bool:
        return language_of(path) in accepted or _LICENCE_FILE.fullmatch(path) is not None

    return wanted


def _download(source: dict, downloads: Path, arguments: argparse.Namespace) -> Path:
    """Brings one source onto this machine (once) and returns the archive, repository or folder."""
    kind, name, version = source["kind"], source["name"], source["version"]
    if kind == "stdlib":
        return Path(sysconfig.get_paths()["stdlib"])
    folder = downloads / f"{kind}-{re.sub(r'[^A-Za-z0-9.-]+', '+', name)}-{version[:12]}"
    if (
        kind == "git"
        and arguments.git_cache is not None
        and (cached := _git_cached(arguments.git_cache, name)) is not None
    ):
        return cached
    done = folder / ".complete"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "pip":
            _run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), f"{name}=={version}"])
        elif kind == "npm":
            _run(["npm", "pack", "--silent", f"{name}@{version}"], folder)
        elif kind == "git":
            _run(["git", "init", "-q", "--bare", str(folder)])
            _run(["git", "-C", str(folder), "fetch", "-q", "--depth", "1", f"{arguments.git_base}/{name}", version])
        else:
            raise RuntimeError(f"expected kind pip, npm, git or stdlib, found '{kind}'")
        done.touch()
    if kind == "git":
        return folder
    archives = [path for path in folder.iterdir() if path.suffix in (".whl", ".zip", ".gz", ".tgz", ".bz2")]
    if not archives:
        raise RuntimeError("expected an archive after the download, found none")
    return archives[0]


def _stdlib_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*.py")):
        relative = path.relative_to(folder).as_posix()
        if not re.match(r"(test|site-packages|dist-packages|ensurepip|turtledemo|config-)|.*/tests?/", relative):
            yield relative, path.read_bytes()


def read_source(
    source: dict, downloads: Path, arguments: argparse.Namespace, limit: int, dropped: Counter[str]
) -> list[tuple[str, bytes]]:
    """Files of a source in its own languages, and its top-level licence files, by path.

    Reading all of a large repository for the small part that is kept would take most of the time: about twice `limit`
    bytes are read. Counts in `dropped` what paths and sizes leave out.
    """
    place = _download(source, downloads, arguments)
    wanted = _wanted(source["languages"])

    def choose(sizes: dict[str, int]) -> list[str]:
        code: dict[str, int] = {}
        licences: list[str] = []
        for path, size in sizes.items():
            if not wanted(path):
                continue
            if language_of(path) is None:
                licences.append(path)
            elif (reason := clean.path_reason(path)) is not None:
                dropped[reason] += 1
            elif size > 4 * clean.MAX_CHARACTERS:
                dropped["too long"] += 1
            else:
                code[path] = size
        chosen = _take(code, 2 * limit)
        dropped["over the source's size"] += len(code) - len(chosen)
        return [*licences, *chosen]

    if source["kind"] == "stdlib":
        return [(path, data) for path, data in _stdlib_files(place) if wanted(path)]
    if source["kind"] != "git":
        return list(_archive_files(place, choose))
    commit = source["version"]
    try:
        _run(["git", "-C", str(place), "cat-file", "-e", f"{commit}^{{commit}}"])
    except RuntimeError as error:
        raise RuntimeError(f"commit {commit[:12]} is not in {place.name}") from error
    return list(_git_files(place, commit, choose))


def _take(sizes: dict[str, int], limit: int) -> list[str]:
    """Paths, in order, of about `limit` characters, folder by folder, so that what is kept still refers to itself."""
    if sum(sizes.values()) <= limit:
        return sorted(sizes)
    folders: dict[str, list[str]] = defaultdict(list)
    for path in sorted(sizes):
        folders[path.rpartition("/")[0]].append(path)
    kept: list[str] = []
    left = limit
    for folder in sorted(folders, key=lambda name: hashlib.sha256(name.encode()).digest()):
        for path in folders[folder]:
            if sizes[path] <= left:
                kept.append(path)
                left -= sizes[path]
    return sorted(kept)


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
        """Characters kept of a source."""
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
    """What reader gives for each source, in order, whatever the network's or the processes' timing."""
    if processes == 1 or len(sources) < 2:
        yield from map(reader, sources)
        return
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with context.Pool(processes, _set_reader, (reader,)) as pool:
        yield from pool.imap(_read, sources)


def sources_table(listing: list[dict], repositories: list[dict]) -> str:
    """Every source with version, licence and what was kept of it, as a Markdown table."""
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
    # Held-out sources come first: of two like files, the held-out one stays and the one to train on goes.
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
