"""Command `measure`: one of the method's measurements of retrieval, or all of them, over the adapters of a work folder.

Measurement 1, isolation, is `evaluate --only isolation`.
"""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

from experiments.fixtures import Fixtures

MEASURES = {
    "stages": "retrieval and completion of each training stage",
    "scale": "retrieval as the index grows from one repository to many",
    "diagnosis": "failure signatures, each with its threshold and a finding",
    "attention": "what the expression looks at",
    "documents": "retrieval of documentation text",
    "rounds": "stage 2 repeated",
}
# Modules that are not called as their measurement is.
NAMES = {"documents": "documentation"}
SMOKE_LIMIT = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options besides the common --work, --smoke and --device."""
    about = "; ".join(f"{name}: {what}" for name, what in MEASURES.items())
    parser.add_argument(
        "names", nargs="+", choices=[*MEASURES, "all"], metavar="NAME", help=f"{about}; all: every one in turn"
    )
    parser.add_argument("--limit", type=int, default=40, help="tasks a language; 0 for all")
    parser.add_argument(
        "--bench", type=Path, default=None, help="cross-file benchmark folder; without one, held-out repositories serve"
    )
    parser.add_argument(
        "--completions",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="what `npm run eval -- --json FILE` wrote for a row of the table; may be repeated",
    )
    parser.add_argument("--processes", type=int, default=1, help="processes that rank fragments")


def run(args: argparse.Namespace) -> int:
    """Prints the tables and writes WORK/figures. Returns 0, or 1 where a promise such as isolation does not hold."""
    if args.smoke:
        args.limit = min(args.limit or SMOKE_LIMIT, SMOKE_LIMIT)
    fixtures = Fixtures(args)
    holds = True
    for name in list(MEASURES) if "all" in args.names else list(dict.fromkeys(args.names)):
        started = time.monotonic()
        table = importlib.import_module(f"experiments.{NAMES.get(name, name)}").measure(fixtures)
        table.model = fixtures.size
        table.command = f"python -m experiments.measure {name} --limit {args.limit}{' --smoke' * args.smoke}"
        table.save(fixtures.work)
        holds = holds and table.holds
        print(f"\n{table.markdown()}\n({time.monotonic() - started:.0f} s)", flush=True)
    return int(not holds)


if __name__ == "__main__":
    from experiments import measure
    from selfracg.command import main

    main(measure)
