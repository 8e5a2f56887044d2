"""The command line: one subcommand a stage, each loaded only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

# In the order in which a model is made; `all` runs them so.
STAGES = {
    "corpus": "collect and clean the permissively licensed sources",
    "tokenizer": "train the byte-level BPE tokenizer, or compare it with --check",
    "pack": "cut the corpus into rows of tokens for pretraining",
    "pretrain": "train the backbone",
    "ing": "train the retrieval adapters (information-need-guided training)",
    "export": "write the model package",
    "evaluate": "measure the package and its ablations",
}


def default_work(smoke: bool) -> Path:
    """Folder of everything that is made: `work`, or `work-smoke` beside it, next to this package."""
    return Path(__file__).resolve().parent.parent / ("work-smoke" if smoke else "work")


def common_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options every stage shares: --work, --smoke, --device."""
    parser.add_argument("--work", type=Path, default=None, help="folder for everything made (default: work, or work-smoke)")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: proves the chain, trains nothing useful")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")


def parse_stage(stage: str, arguments: list[str]) -> tuple[object, argparse.Namespace]:
    """Loads a stage's module and parses its arguments. Returns (module, namespace)."""
    module = importlib.import_module(f".{stage}", __package__)
    parser = argparse.ArgumentParser(prog=f"selfracg_training {stage}", description=STAGES[stage])
    common_arguments(parser)
    module.add_arguments(parser)
    parsed = parser.parse_args(arguments)
    if parsed.work is None:
        parsed.work = default_work(parsed.smoke)
    return module, parsed


def run_stage(stage: str, arguments: list[str]) -> int:
    """Runs one stage. Returns its exit status, 0 when the stage returns nothing."""
    module, parsed = parse_stage(stage, arguments)
    status = module.run(parsed)
    return int(status or 0)


def main(arguments: list[str] | None = None) -> int:
    """Entry point. Returns the process's exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m selfracg_training COMMAND [--work DIR] [--smoke] [--device auto|cpu|cuda] ...\n")
        for stage, about in STAGES.items():
            print(f"  {stage:<10} {about}")
        print(f"  {'all':<10} every command above, in that order, stopping at the first that fails")
        return 0
    command, rest = arguments[0], arguments[1:]
    if command in STAGES:
        return run_stage(command, rest)
    if command != "all":
        print(f"expected one of {', '.join(STAGES)} or all, found '{command}'", file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(prog="selfracg_training all", description="the whole chain")
    common_arguments(parser)
    parser.parse_args(rest)
    for stage in STAGES:
        start = time.monotonic()
        print(f"== {stage}", flush=True)
        status = run_stage(stage, rest)
        print(f"== {stage}: {time.monotonic() - start:.0f} s, status {status}", flush=True)
        if status:
            return status
    return 0
