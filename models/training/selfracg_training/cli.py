"""The command line: one module a command, each loaded only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path
from typing import Any

# In the order in which a model is made; `all` runs them so.
STAGES = {
    "corpus": "collect and clean the permissively licensed sources",
    "tokenizer": "train the byte-level BPE tokenizer, or compare it with --check",
    "pack": "cut the corpus into rows of tokens for pretraining",
    "pretrain": "train the backbone",
    "ing": "train the retrieval adapters (information-need-guided training, stage 1)",
    "stage2": "train them on with the model's own continuations",
    "utility": "train them on with what each fragment is worth to the next lines",
    "export": "write the model package",
    "evaluate": "measure the package and its ablations",
}
# Run one by one, in any order once the stages they read have run.
FURTHER: dict[str, str] = {
    "random-package": "packages of larger sizes with random weights, for the sidecar's benchmark",
    "restore": "backbone and adapter out of a model package, to export or measure again",
    "export-recipe": "graph, adapters, tokenizer and recipe of a published GGUF file, without its weights",
    "gguf": "the backbone as a GGUF file, for llama.cpp beside the sidecar in its benchmark",
    "vanilla": "train the baseline whose one LoRA serves generation and retrieval",
    "ablate": "decide how needs are expressed, on held-out repositories",
    "measure": "the method's seven measurements: measure NAME or measure all",
}


def default_work(smoke: bool) -> Path:
    """Folder of everything that is made: `work`, or `work-smoke` beside it, next to this package."""
    return Path(__file__).resolve().parent.parent / ("work-smoke" if smoke else "work")


def common_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options every command shares: --work, --smoke, --device."""
    parser.add_argument(
        "--work", type=Path, default=None, help="folder for everything made (default: work, or work-smoke)"
    )
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: proves the chain, trains nothing useful")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")


def parse(command: str, arguments: list[str]) -> tuple[Any, argparse.Namespace]:
    """Loads a command's module, its name with underscores, and parses its arguments. Returns (module, namespace)."""
    module = importlib.import_module(f".{command.replace('-', '_')}", __package__)
    parser = argparse.ArgumentParser(prog=f"selfracg_training {command}", description={**STAGES, **FURTHER}[command])
    common_arguments(parser)
    module.add_arguments(parser)
    parsed = parser.parse_args(arguments)
    if parsed.work is None:
        parsed.work = default_work(parsed.smoke)
    return module, parsed


def run_command(command: str, arguments: list[str]) -> int:
    """Runs one command. Returns its exit status, 0 when it returns nothing."""
    module, parsed = parse(command, arguments)
    return int(module.run(parsed) or 0)


def help_text() -> str:
    """Every command with what it does, the stages of `all` first."""
    width = max(map(len, ("all", *STAGES, *FURTHER)))
    lines = [
        "usage: python -m selfracg_training COMMAND [--work DIR] [--smoke] [--device auto|cpu|cuda] ...",
        "       python -m selfracg_training COMMAND --help",
        "",
        "stages, in order:",
    ]
    lines += [f"  {name:<{width}}  {about}" for name, about in STAGES.items()]
    lines.append(f"  {'all':<{width}}  every stage above, in that order, stopping at the first that fails")
    if FURTHER:
        lines += ["", "further commands:", *(f"  {name:<{width}}  {about}" for name, about in FURTHER.items())]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Entry point. Returns the process's exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(help_text())
        return 0
    command, rest = arguments[0], arguments[1:]
    if command in STAGES or command in FURTHER:
        return run_command(command, rest)
    if command != "all":
        print(f"expected one of {', '.join((*STAGES, 'all', *FURTHER))}, found '{command}'", file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(prog="selfracg_training all", description="every stage, in order")
    common_arguments(parser)
    parser.parse_args(rest)
    for stage in STAGES:
        start = time.monotonic()
        print(f"== {stage}", flush=True)
        status = run_command(stage, rest)
        print(f"== {stage}: {time.monotonic() - start:.0f} s, status {status}", flush=True)
        if status:
            return status
    return 0
