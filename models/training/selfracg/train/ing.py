"""Information-need-guided training (ING): the adapters learn to express what a context needs.

Source: SelfRACG, arXiv 2507.19033: pairs from real code, negatives from the batch, the backbone frozen (InfoNCE). Each
batch holds several pairs of the same few repositories, and windows of those repositories as they are searched in use, so
that most negatives are hard: right place, wrong fragment. A null vector competes with the fragments: contexts that need
nothing from other files have it as their positive. `stage2` and `utility` train on with the same trainer.

Reads  corpus/{train,heldout}.jsonl, backbone/ with its tokenizer.json (else tokenizer/tokenizer.json).
Writes pairs/, stages/NAME/ (adapter.safetensors, adapter_config.json), checkpoints/NAME.pt, ing.jsonl, and llora/: the
stage that is best on held-out repositories so far.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from selfracg.data import pairs
from selfracg.model import llora
from selfracg.train.adapter_training import AdapterTraining
from selfracg.train.stages import choose, launch

STAGE = "stage1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `ing`."""
    parser.add_argument(
        "--choose", default=None, metavar="STAGE", help="train nothing: put a stage into llora/; 'best' compares them"
    )
    add_training_arguments(parser, lr=4e-3, steps=600)


def add_training_arguments(parser: argparse.ArgumentParser, lr: float, steps: int) -> None:
    """Options that every stage shares; ``lr`` and ``steps`` (without --minutes) are the stage's defaults."""
    parser.add_argument(
        "--from",
        dest="start",
        default=None,
        metavar="DIR",
        help="adapter to begin with: a folder, or a stage's name, or none for a fresh one",
    )
    parser.add_argument(
        "--minutes", type=float, default=None, help="end by the clock, resumed time and the drawing of pairs counted in"
    )
    parser.add_argument(
        "--steps", type=int, default=None, help=f"end after this many steps; without --minutes: {steps}"
    )
    parser.set_defaults(default_steps=steps)
    parser.add_argument("--backbone", type=Path, default=None, help="checkpoint folder (default: WORK/backbone)")
    parser.add_argument("--adapters", choices=llora.ADAPTER_MODES, default="separate")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--alpha", type=float, default=32.0)
    parser.add_argument("--query-tokens", type=int, default=pairs.QUERY_TOKENS)
    parser.add_argument("--import-tokens", type=int, default=pairs.IMPORT_TOKENS)
    parser.add_argument("--fragment-tokens", type=int, default=pairs.FRAGMENT_TOKENS)
    parser.add_argument("--pairs", choices=pairs.KINDS, default="both")
    parser.add_argument("--pair-count", type=int, default=60_000, help="pairs a pass; every pass draws its own")
    parser.add_argument(
        "--no-need-share",
        type=float,
        default=0.12,
        help="contexts that need nothing, which train the null vector; 0: no null vector",
    )
    parser.add_argument("--batch", type=int, default=128, help="pairs a step, over all processes")
    parser.add_argument("--group", type=int, default=32, help="pairs of one repository that share a batch")
    parser.add_argument(
        "--windows",
        type=float,
        default=0.5,
        help="windows of the same repositories a pair, half of them the hardest known",
    )
    parser.add_argument("--micro", type=int, default=32, help="rows a forward pass")
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--temperature", type=float, default=0.03)
    parser.add_argument("--warmup-steps", type=int, default=15)
    parser.add_argument("--decay", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--processes", type=int, default=0, help="data-parallel processes (0: one a core, one on a GPU)"
    )
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--checkpoint-minutes", type=float, default=3.0)
    parser.add_argument("--log-seconds", type=float, default=20.0)
    parser.add_argument(
        "--evaluation-cases", type=int, default=48, help="held-out cases a language for the measures at the end"
    )
    parser.add_argument("--evaluation-pool", type=int, default=300, help="fragments a held-out repository offers")


def shrink(args: argparse.Namespace) -> None:
    """Brings the options to smoke size, and fills in the step count where nothing ends the run."""
    if args.smoke:
        args.steps, args.minutes = min(args.steps or 12, 12), min(args.minutes or 1.0, 1.0)
        args.pair_count, args.batch, args.group, args.micro = min(args.pair_count, 300), 32, 16, 16
        args.evaluation_cases, args.evaluation_pool, args.compile = 2, 24, False
    if args.minutes is None and args.steps is None:
        args.steps = args.default_steps


def run(args: argparse.Namespace) -> int:
    """Trains to the end, or to SIGTERM (exit status 143, state saved). Returns the exit status."""
    if args.choose is not None:
        choose(
            Path(args.work),
            Path(args.backbone or Path(args.work) / "backbone"),
            None if args.choose == "best" else args.choose,
        )
        return 0
    shrink(args)
    return launch(work, args, args.batch)


def work(args: argparse.Namespace, rank: int, world: int) -> int:
    """One process's share of the training."""
    return AdapterTraining(args, rank, world, STAGE).train()
