"""Files of training rows below WORK/pairs: each process writes its part once, and every process reads all parts."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selfracg.data import pair_sampler, pairs
from selfracg.data.pairs import Pair, Window
from selfracg.data.prompt_format import PromptFormat
from selfracg.files import sha256
from selfracg.train import parallel

# Windows of one repository that a pass draws for hard negatives.
WINDOWS_PER_REPOSITORY = 256
HELDOUT_PAIRS = 512


def part_path(work: Path, name: str, rank: int, world: int) -> Path:
    """The file of one process's part."""
    return work / "pairs" / f"{name}-{rank}of{world}.jsonl"


def make_once(path: Path, made_with: dict[str, Any], make: Callable[[Path], int]) -> None:
    """Calls ``make(path)``, which returns a number of rows, unless the file was already made with the same options.

    The options are noted beside the file once it is whole.
    """
    note = path.with_suffix(".json")
    if path.is_file() and note.is_file() and json.loads(note.read_text(encoding="utf-8")) == made_with:
        return
    start = time.monotonic()
    note.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    count = make(path)
    note.write_text(json.dumps(made_with), encoding="utf-8")
    print(f"{path.name}: {count} rows in {time.monotonic() - start:.0f} s", flush=True)


def read_parts(work: Path, name: str, world: int) -> list[Pair | Window]:
    """The rows of every process's part, once all processes have written theirs."""
    parallel.wait_for_all()
    return [row for rank in range(world) for row in pairs.read(part_path(work, name, rank, world))]


def draw_pairs(
    args: argparse.Namespace, form: PromptFormat, tokenizer: Path, split: str, epoch: int, rank: int, world: int
) -> None:
    """Draws one process's part of a pass over the training pairs ("train"), or the held-out pairs ("heldout")."""
    corpus = Path(args.work) / "corpus"
    made_with = {
        "tokenizer": sha256(tokenizer),
        "pairs": args.pairs,
        "count": args.pair_count,
        "no-need": args.no_need_share,
        "seed": args.seed,
        "corpus": (corpus / "train.jsonl").stat().st_size,
        "parts": world,
        "limits": [args.query_tokens, args.import_tokens, args.fragment_tokens],
        "windows": bool(args.windows),
    }
    training = split == "train"
    parts = world if training else 1
    wanted = pair_sampler.Draw(
        args.pair_count if training else min(HELDOUT_PAIRS, args.pair_count),
        args.pairs,
        args.seed + 1000 * epoch,
        args.no_need_share,
        WINDOWS_PER_REPOSITORY if training and args.windows else 0,
    )
    rows = pair_sampler.draw(corpus / f"{split}.jsonl", form, wanted, rank, parts)
    make_once(
        part_path(Path(args.work), f"{split}-{epoch}", rank, parts), made_with, lambda path: pairs.write(path, rows)
    )
