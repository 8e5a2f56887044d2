"""Command `measure`: one of the method's seven measurements, or all of them, over the adapters of a work folder."""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

from . import tables
from .measures.bed import Bed

MEASURES = {
    "isolation": "generation with the adapter is bit for bit the backbone's",
    "stages": "retrieval and completion of each training stage",
    "scale": "retrieval as the index grows from one repository to many",
    "diagnosis": "failure signatures, each with its threshold and a verdict",
    "attention": "what the expression looks at",
    "documents": "retrieval of documentation text",
    "rounds": "stage 2 repeated",
}
SMOKE_LIMIT = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options beside the common --work, --smoke and --device."""
    about = "; ".join(f"{name}: {what}" for name, what in MEASURES.items())
    parser.add_argument(
        "names", nargs="+", choices=[*MEASURES, "all"], metavar="NAME", help=f"{about}; all: every one in turn"
    )
    parser.add_argument("--limit", type=int, default=40, help="tasks a language; 0 for all")
    parser.add_argument(
        "--bench", type=Path, default=None, help="cross-file benchmark folder; without one, held-out repositories serve"
    )
    parser.add_argument(
        "--package",
        type=Path,
        default=None,
        help="package whose graph is compared (default: models/default; with --smoke: WORK/package)",
    )
    parser.add_argument("--processes", type=int, default=1, help="processes that rank fragments")
    parser.add_argument(
        "--again",
        action="store_true",
        help="measure even where a finished table of the same adapters and sizes is there",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the tables and writes WORK/figures. A finished table of the same adapters and sizes is printed as it is.

    Returns 0, or 1 when a promise such as isolation does not hold.
    """
    if args.smoke:
        args.limit = min(args.limit or SMOKE_LIMIT, SMOKE_LIMIT)
    bed = Bed(args)
    names = list(MEASURES) if "all" in args.names else list(dict.fromkeys(args.names))
    kept = True
    for name in names:
        started = time.monotonic()
        module = importlib.import_module(f".measures.{name}", __package__)
        key = bed.key(module.adapters(bed)) | {"measure": name}
        table = tables.load(bed.work, module.NAME)
        if table is None or table.key != key or args.again:
            table = module.measure(bed)
            table.key, table.model = key, bed.size
            table.command = f"python -m selfracg_training measure {name} --limit {args.limit}" + (
                " --smoke" if args.smoke else ""
            )
            table.save(bed.work)
        kept = kept and table.holds
        print(f"\n{table.markdown()}\n({time.monotonic() - started:.0f} s)", flush=True)
    return 0 if kept else 1
