"""Cuts the corpus into rows of tokens for pretraining, in the prompt formats of the product.

A row holds text of one repository only. It is a sequence of samples, each with or without fragments of other files in
front, best last, and then either the text of a file from left to right or a fill-in-the-middle (PSM) sample. Every slot
of a format is tokenised on its own, so that slot boundaries are token boundaries, as they are in the product.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from selfracg.data.definitions import LANGUAGES
from selfracg.data.row_assembly import KINDS, assemble, encode_pieces, plan_row
from selfracg.data.source_repository import Repository, Sample
from selfracg.data.tokenizer import corpus_file
from selfracg.files import replaced

LENGTH = 1024
SHUFFLED_ROWS = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the pack stage."""
    parser.add_argument("--length", type=int, default=None, help=f"tokens a row (default {LENGTH}; 256 with --smoke)")
    parser.add_argument("--epochs", type=int, default=1, help="passes over the corpus, each with other random cuts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2, help="repositories cut at a time (1: in this process)")


def characters_a_token(tokenizer: Tokenizer, row: dict) -> float:
    """Characters a token in a repository, from a few of its files."""
    texts = [text[:4000] for text in list(row["files"].values())[:40]]
    tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False))
    return sum(map(len, texts)) / max(1, tokens)


def pack_repository(
    row: dict, tokenizer: Tokenizer, length: int, epochs: int, seed: int
) -> tuple[np.ndarray, Counter[str]]:
    """Rows [N, length] uint16 of one repository, N >= 0, and its counts. They depend on the repository and `seed` alone."""
    counts: Counter[str] = Counter(bytes=sum(len(text.encode()) for text in row["files"].values()))
    source = random.Random(f"{seed}/{row['repository']}")
    repository = Repository(row, characters_a_token(tokenizer, row), source)
    packed: list[np.ndarray] = []
    for epoch in range(epochs):
        plans: list[list[Sample]] = []
        order = _file_order(repository, source)
        for file in repository.files:
            # Later passes cut elsewhere.
            file.cursor = 0 if epoch == 0 else source.randrange(max(1, min(30, len(file.lines) // 2)))
        while (plan := plan_row(repository, order, length)) is not None:
            plans.append(plan)
        ids = encode_pieces(tokenizer, plans)
        for plan in plans:
            if (made := assemble(plan, ids, length, counts)) is not None:
                packed.append(np.array(made, dtype=np.uint16))
    return np.stack(packed) if packed else np.empty((0, length), dtype=np.uint16), counts


_TOKENIZER: Tokenizer | None = None


def _set_tokenizer(text: str) -> None:
    global _TOKENIZER  # one to a process of the pool
    # The pool's processes are the parallel part; threads of the tokenizer's own would only get in their way.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _TOKENIZER = Tokenizer.from_str(text)


def _pack_one(task: tuple[str, int, int, int]) -> tuple[int, np.ndarray, Counter[str]]:
    line, length, epochs, seed = task
    assert _TOKENIZER is not None
    row = json.loads(line)
    return (LANGUAGES.index(row["language"]), *pack_repository(row, _TOKENIZER, length, epochs, seed))


def packed_repositories(
    lines: Iterable[str], tokenizer: Tokenizer, length: int, epochs: int, seed: int, processes: int
) -> Iterator[tuple[int, np.ndarray, Counter[str]]]:
    """Language, rows and counts of every repository (a line of the corpus), in order. Holds a few repositories at a time."""
    tasks = ((line, length, epochs, seed) for line in lines)
    text = tokenizer.to_str()
    if processes == 1:
        _set_tokenizer(text)
        yield from map(_pack_one, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(processes, _set_tokenizer, (text,)) as pool:
        yield from pool.imap(_pack_one, tasks)


def report_of(counts: dict[str, Counter[str]], length: int) -> dict:
    """The counts by language and in all, with the shares of the kinds among the samples, and of tokens and rows."""
    total: Counter[str] = Counter()
    for numbers in counts.values():
        total.update(numbers)
    samples = sum(total[kind] for kind in KINDS)
    shares = {kind: round(total[kind] / max(1, samples), 4) for kind in KINDS}
    shares["withFragments"] = round(
        sum(total[kind] for kind in KINDS if kind.endswith("WithFragments")) / max(1, samples), 4
    )
    shares["fillInMiddleTokens"] = round(total["tokensOfFillInMiddle"] / max(1, total["tokens"]), 4)
    shares["rowsWithFragments"] = round(total["rowsWithFragments"] / max(1, total["rows"]), 4)
    shares["padding"] = round(total["padding"] / max(1, total["rows"] * length), 4)
    return {
        "length": length,
        "shares": shares,
        "all": dict(total),
        **{name: dict(numbers) for name, numbers in sorted(counts.items())},
    }


def write_rows(
    folder: Path, part: str, made: Iterable[tuple[int, np.ndarray, Counter[str]]], length: int, seed: int
) -> dict:
    """Writes PART.npy [N, length] uint16, shuffled, and PART-language.npy [N] uint8; returns the counts.

    Rows go to a file as they are made and are shuffled through file mappings, so memory does not grow with the corpus.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    languages: list[np.ndarray] = []
    raw = folder / f"{part}.raw.part"
    done = 0
    started = time.monotonic()
    with raw.open("wb") as output:
        for number, (language, rows, numbers) in enumerate(made, 1):
            output.write(rows.tobytes())
            languages.append(np.full(len(rows), language, dtype=np.uint8))
            counts[LANGUAGES[language]].update(numbers)
            done += len(rows)
            if number % 50 == 0:
                print(
                    f"{part}: {number} repositories, {done} rows, {done * length / 1e6:.1f} M tokens, {time.monotonic() - started:.0f} s",
                    flush=True,
                )
    if not done:
        raw.unlink()
        raise SystemExit("expected text enough for one row, found none: is the corpus empty?")
    order = np.random.default_rng(seed).permutation(done)
    source = np.memmap(raw, dtype=np.uint16, mode="r", shape=(done, length))
    # Moved into place: a run that has the old file mapped keeps it.
    with replaced(folder / f"{part}.npy") as scratch:
        shuffled = np.lib.format.open_memmap(scratch, mode="w+", dtype=np.uint16, shape=(done, length))
        for start in range(0, done, SHUFFLED_ROWS):
            shuffled[start : start + SHUFFLED_ROWS] = source[order[start : start + SHUFFLED_ROWS]]
        shuffled.flush()
    del source, shuffled
    raw.unlink()
    with replaced(folder / f"{part}-language.npy") as scratch:
        np.save(scratch, np.concatenate(languages)[order])
    return report_of(counts, length)


def _file_order(repository: Repository, source: random.Random) -> list[int]:
    """Files folder by folder, folders and their files in random order: what follows in a row is near in the tree."""
    folders: dict[str, list[int]] = defaultdict(list)
    for number, file in enumerate(repository.files):
        folders[file.path.rpartition("/")[0]].append(number)
    groups = [folders[name] for name in sorted(folders)]
    source.shuffle(groups)
    order = []
    for group in groups:
        source.shuffle(group)
        order.extend(group)
    return order


def run(arguments: argparse.Namespace) -> int:
    """Writes shards/{train,heldout}.npy, {train,heldout}-language.npy, languages.json, counts.json and, last, READY."""
    length = arguments.length or (256 if arguments.smoke else LENGTH)
    folder: Path = arguments.work / "shards"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "READY").unlink(missing_ok=True)
    path = arguments.work / "tokenizer" / "tokenizer.json"
    if not path.exists():
        raise SystemExit(f"expected {path}, found nothing there: run the tokenizer command first")
    tokenizer = Tokenizer.from_file(str(path))
    report = {}
    for part in ("train", "heldout"):
        with corpus_file(arguments.work / "corpus" / f"{part}.jsonl") as lines:
            made = packed_repositories(
                lines,
                tokenizer,
                length,
                arguments.epochs if part == "train" else 1,
                arguments.seed,
                arguments.processes,
            )
            report[part] = write_rows(folder, part, made, length, arguments.seed)
        made_of = {name: report[part]["all"][name] for name in ("rows", "tokens", "fragments")}
        print(f"{part}: {json.dumps({**made_of, **report[part]['shares']})}", flush=True)
    (folder / "languages.json").write_text(json.dumps(list(LANGUAGES)) + "\n", encoding="utf-8")
    (folder / "counts.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "READY").touch()
    return 0
