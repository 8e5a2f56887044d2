"""Command `stage2`: the model's own continuation at the cursor is the positive, so that it asks for what it would write.

Source: SelfRACG, arXiv 2507.19033, stage 2: the immediate generation is the positive, other contexts' generations are the
candidates. A generation is rendered as a fragment of the file it continues. Each step mixes generations with stage-1
pairs, so that the expression does not drift towards echoing the model's mistakes.

Reads  corpus/, tokenizer/, backbone/, the adapter of --from.
Writes pairs/own-ROUND-*.jsonl, stages/stage2/ (later rounds: stages/stage2-roundN/; --from none: stages/stage2-only/),
llora/ where it is the best, ing.jsonl.
"""

from __future__ import annotations

import argparse
import random
import time
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from selfracg.data import pair_sampler, pairs
from selfracg.data.pairs import Pair
from selfracg.model import backbone, expressions
from selfracg.train import ing, parallel, row_files
from selfracg.train.adapter_training import AdapterTraining
from selfracg.train.stage_data import Extra
from selfracg.train.stages import launch, prompt_format

# A generation of fewer tokens says nothing about what was needed.
MIN_TOKENS = 8
# Contexts generated from at a time.
BATCH = 48


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `stage2`."""
    ing.add_training_arguments(parser, lr=1e-3, steps=200)
    parser.set_defaults(start="stage1")
    parser.add_argument(
        "--round", type=int, default=1, help="2 and later start from the round before, with contexts of their own"
    )
    parser.add_argument("--contexts", type=int, default=6000, help="contexts to generate from, over all processes")
    parser.add_argument(
        "--generation-minutes",
        type=float,
        default=None,
        help="end generating by the clock (default: 40 %% of --minutes)",
    )
    parser.add_argument("--generated-tokens", type=int, default=48)
    parser.add_argument("--own-share", type=float, default=0.4, help="share of generations in a step")


def stage_name(number: int, start: str | None = "stage1") -> str:
    """Name of a round's stage; a run without an earlier stage, for the comparison of stages, has its own name."""
    if start in (None, "none"):
        return "stage2-only"
    return "stage2" if number == 1 else f"stage2-round{number}"


def run(args: argparse.Namespace) -> int:
    """Generates and trains, to the end or to SIGTERM (143). Returns the exit status."""
    ing.shrink(args)
    if args.smoke:
        args.contexts, args.generated_tokens = min(args.contexts, 24), min(args.generated_tokens, 12)
    if args.round > 1 and args.start == "stage1":
        args.start = stage_name(args.round - 1)
    return launch(work, args, args.batch)


def work(args: argparse.Namespace, rank: int, world: int) -> int:
    """One process's share: generation, then training."""
    began = time.monotonic()
    made = generate(args, rank, world)
    extra = Extra(own=made, own_share=args.own_share)
    # The budget counts the generation in.
    return AdapterTraining(args, rank, world, stage_name(args.round, args.start), extra, began).train()


def generate(args: argparse.Namespace, rank: int, world: int) -> list[Pair]:
    """Every process's generations, made once for a backbone, a round and a seed."""
    work = Path(args.work)
    weights = Path(args.backbone or work / "backbone")
    made_with = {
        "backbone": backbone.checksum(weights),
        "round": args.round,
        "seed": args.seed,
        "contexts": args.contexts,
        "tokens": args.generated_tokens,
        "limits": [args.query_tokens, args.import_tokens, args.fragment_tokens],
        "parts": world,
    }
    name = f"own-{args.round}"
    path = row_files.part_path(work, name, rank, world)
    row_files.make_once(path, made_with, lambda path: pairs.write(path, generations(args, weights, rank, world)))
    return [row for row in row_files.read_parts(work, name, world) if isinstance(row, Pair)]


def generations(args: argparse.Namespace, weights: Path, rank: int, world: int) -> Iterator[Pair]:
    """Pairs whose fragment is what the model writes after the query's context, greedily, as a fragment of that file.

    What such a fragment stands for in the repository is not known: it covers no lines and defines nothing. Names that
    follow are kept, so that the definition of one of them never counts as wrong.
    """
    budget = args.generation_minutes or (0.4 * args.minutes if args.minutes else None)
    end = time.monotonic() + 60 * budget if budget else None
    form = prompt_format(args, backbone.tokenizer_file(weights, args.work))
    tokenizer = form.tokenizer
    wanted = pair_sampler.Draw(args.contexts, "both", args.seed + 7919 * args.round)
    contexts = [
        row
        for row in pair_sampler.draw(Path(args.work) / "corpus" / "train.jsonl", form, wanted, rank, world)
        if isinstance(row, Pair)
    ]
    random.Random(args.seed).shuffle(contexts)
    model = backbone.placed(backbone.load(weights), parallel.choose_device(args.device))
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}

    # Long stretches of like rows: sorted within a part of the contexts, so that a clock that ends it leaves a fair sample.
    for start in range(0, len(contexts), 8 * BATCH):
        part = contexts[start : start + 8 * BATCH]
        for places in expressions.passes([pair.query for pair in part], BATCH):
            if end is not None and time.monotonic() > end:
                return
            chosen = [part[place] for place in places]
            written = expressions.greedy(model, [pair.query for pair in chosen], sorted(special), args.generated_tokens)
            for pair, tokens in zip(chosen, written, strict=True):
                text = tokenizer.decode(tokens, skip_special_tokens=False)
                if len(tokens) >= MIN_TOKENS and text.strip():
                    fragment = array("i", form.fragment_embedding(pair.query_path, text.strip("\n")))
                    changes: dict[str, Any] = {"path": pair.query_path, "first": 0, "last": 0, "defines": []}
                    yield replace(pair, kind="own", fragment=fragment, **changes)
