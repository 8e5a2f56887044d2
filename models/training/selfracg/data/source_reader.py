"""Reads one source of the corpus: an archive, a git repository or the standard library, and the licence rules for it."""

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
from collections.abc import Callable, Iterator
from pathlib import Path

from selfracg.data import clean
from selfracg.data.definitions import language_of

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

    Reading all of a large repository for a small part of it would take most of the time: about twice `limit`
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
    """Paths, in order, of about `limit` characters, folder by folder, so that the files taken still refer to one another."""
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
