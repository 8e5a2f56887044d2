"""Collects permissively licensed sources, cleans them and splits off held-out repositories."""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import clean
from .definitions import language_of

ROOT = Path(__file__).resolve().parent.parent

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the corpus stage."""
    parser.add_argument("--sources", type=Path, default=ROOT / "sources.json", help="list of sources")
    parser.add_argument("--git-cache", type=Path, default=None, help="folder of bare repositories, looked at before cloning")
    parser.add_argument("--git-base", default="https://github.com", help="where git sources are cloned from")
    parser.add_argument("--bench", type=Path, default=None, help="folder of benchmark repositories to keep out of training")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the bytes kept of every source")


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


def _archive_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Files of a wheel, zip or tar archive."""
    if path.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    yield entry.filename, archive.read(entry)
    else:
        with tarfile.open(path) as archive:
            for entry in archive:
                if entry.isfile() and (stream := archive.extractfile(entry)) is not None:
                    # Both npm's and Python's source archives put everything into one folder.
                    yield entry.name.partition("/")[2], stream.read()


def _git_files(repository: Path, commit: str, wanted) -> Iterator[tuple[str, bytes]]:
    """Files of one commit of a repository, without a work tree, read by one `git cat-file`."""
    listing = _run(["git", "-C", str(repository), "ls-tree", "-r", "-z", commit]).decode(errors="replace")
    entries = []
    for entry in listing.split("\0"):
        if not entry:
            continue
        details, path = entry.split("\t", 1)
        mode, kind, identity = details.split(" ")
        if kind == "blob" and mode != "120000" and wanted(path):
            entries.append((path, identity))
    done = subprocess.run(
        ["git", "-C", str(repository), "cat-file", "--batch"],
        input="".join(f"{identity}\n" for _, identity in entries).encode(),
        capture_output=True,
        check=True,
    ).stdout
    place = 0
    for path, _ in entries:
        end = done.index(b"\n", place)
        fields = done[place:end].split(b" ")
        if len(fields) != 3:
            place = end + 1
            continue
        size = int(fields[2])
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
    if kind == "git" and arguments.git_cache is not None and (cached := _git_cached(arguments.git_cache, name)) is not None:
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


def read_source(source: dict, downloads: Path, arguments: argparse.Namespace) -> list[tuple[str, bytes]]:
    """Files of a source in its own languages, and its top-level licence files, in the archive's order."""
    place = _download(source, downloads, arguments)
    wanted = _wanted(source["languages"])
    if source["kind"] == "stdlib":
        files: Iterable[tuple[str, bytes]] = _stdlib_files(place)
    elif source["kind"] == "git":
        commit = source["version"]
        try:
            _run(["git", "-C", str(place), "cat-file", "-e", f"{commit}^{{commit}}"])
        except RuntimeError as error:
            raise RuntimeError(f"commit {commit[:12]} is not in {place.name}") from error
        files = _git_files(place, commit, wanted)
    else:
        files = _archive_files(place)
    return [(path, data) for path, data in files if wanted(path)]


def _take(files: dict[str, str], limit: int) -> dict[str, str]:
    """Keeps about `limit` characters, folder by folder, so that what is kept still refers to itself."""
    if sum(map(len, files.values())) <= limit:
        return files
    folders: dict[str, list[str]] = defaultdict(list)
    for path in sorted(files):
        folders[path.rpartition("/")[0]].append(path)
    kept: dict[str, str] = {}
    size = 0
    for folder in sorted(folders, key=lambda name: hashlib.sha256(name.encode()).digest()):
        for path in folders[folder]:
            if size + len(files[path]) <= limit:
                kept[path] = files[path]
                size += len(files[path])
    return {path: kept[path] for path in sorted(kept)}


def clean_source(
    files: Iterable[tuple[str, bytes]],
    name: str,
    limit: int,
    duplicates: clean.Duplicates,
    windows: clean.Windows,
    dropped: Counter[str],
) -> dict[str, str]:
    """Cleaned texts of one source by path, at most about `limit` characters; counts in `dropped` what was left out."""
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
    # Cleaning all of a large repository for the small part that is kept would take most of the time.
    looked = _take(texts, 2 * limit)
    dropped["over the source's size"] += len(texts) - len(looked)
    kept: dict[str, str] = {}
    for path, text in looked.items():
        reason = clean.text_reason(text)
        if reason is None:
            text = clean.tidy(text, f"{name}/{path}")
            reason = "too short" if len(text) < clean.MIN_CHARACTERS else None
        if reason is None and windows.shares(text):
            reason = "shares a window with the benchmark"
        if reason is None:
            reason = duplicates.reason(text)
        if reason is None:
            kept[path] = text
        else:
            dropped[reason] += 1
    taken = _take(kept, limit)
    dropped["over the source's size"] += len(kept) - len(taken)
    return taken


def _smoke_rows(source: dict, files: list[tuple[str, bytes]], clean_files) -> Iterator[tuple[dict, bool]]:
    """The standard library's folders as if each were a repository: enough to run the chain without downloading."""
    for folder in SMOKE_FOLDERS:
        part = [(path, data) for path, data in files if path.startswith(f"{folder}/")]
        texts = clean_files(part, folder)
        if texts:
            row = {"repository": f"{source['name']}/{folder}", "language": "python", "licence": source["licence"], "files": texts}
            yield row, folder == SMOKE_HELD_OUT


def run(arguments: argparse.Namespace) -> int:
    """Writes corpus/train.jsonl, corpus/heldout.jsonl and corpus/counts.json. Returns the exit status."""
    listing = json.loads(arguments.sources.read_text(encoding="utf-8"))
    limits = listing.get("maxBytes", {})
    sources = listing["sources"]
    if arguments.smoke:
        sources = [source for source in sources if source["kind"] == "stdlib"]
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

    def fetch(source: dict):
        try:
            if not permissive(source["licence"]):
                raise RuntimeError(f"expected a permissive licence, found {source['licence']}")
            if refused_name(source["name"], bench_names):
                raise RuntimeError("it is a benchmark's repository")
            files = read_source(source, work / "downloads", arguments)
            for path, data in files:
                if language_of(path) is None and b"GNU GENERAL PUBLIC LICENSE" in data[:400].upper():
                    raise RuntimeError(f"its {path} is copyleft, expected {source['licence']}")
            return files
        except (RuntimeError, OSError, subprocess.SubprocessError, tarfile.TarError, zipfile.BadZipFile) as error:
            return error

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

    # Two downloads at a time; cleaning stays in the order of the list, so the result does not depend on the network.
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(sources), 8):
            batch = sources[start : start + 8]
            for source, files in zip(batch, pool.map(fetch, batch)):
                if isinstance(files, Exception):
                    left_out[source["name"]] = str(files)
                    print(f"left out: {source['name']}: {files}", flush=True)
                    continue
                language = source["languages"][0]
                limit = int(arguments.scale * source.get("maxBytes", limits.get(language, DEFAULT_MAX_BYTES)))
                if arguments.smoke:
                    for row, held in _smoke_rows(
                        source, files, lambda part, name: clean_source(part, name, 120_000, duplicates, windows, dropped)
                    ):
                        write(row, held)
                    continue
                texts = clean_source(files, source["name"], limit, duplicates, windows, dropped)
                if not texts:
                    left_out[source["name"]] = "no file was left after cleaning"
                    print(f"left out: {source['name']}: no file was left after cleaning", flush=True)
                    continue
                row = {"repository": source["name"], "language": language, "licence": source["licence"], "files": texts}
                write(row, bool(source.get("heldOut")))
    for part, output in outputs.items():
        output.close()
        (work / "corpus" / f"{part}.jsonl.part").replace(work / "corpus" / f"{part}.jsonl")

    counts = {"parts": table, "dropped": dict(dropped.most_common()), "leftOut": left_out,
              "benchmark": None if bench is None else len(bench_names), "repositories": repositories}  # fmt: skip
    (work / "corpus" / "counts.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    for part, languages in table.items():
        for language, numbers in sorted(languages.items()):
            print(f"{part:8} {language:11} {numbers['repositories']:4} repositories {numbers['files']:6} files {numbers['bytes'] / 1e6:7.2f} MB")
    print("dropped: " + ", ".join(f"{count} {reason}" for reason, count in dropped.most_common()))
    if not table["train"]:
        print("expected at least one source, found none that could be read: see the lines above", file=sys.stderr)
        return 1
    return 0
