"""The command line that every script shares: common options, then the module's own, then its `run`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, Protocol


class Command(Protocol):
    """A module that a script runs."""

    __name__: str
    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None: ...

    def run(self, args: argparse.Namespace, /) -> int | None: ...


def default_work(smoke: bool) -> Path:
    """Folder of everything that is made: `work`, or `work-smoke`, next to the library."""
    return Path(__file__).resolve().parent.parent / ("work-smoke" if smoke else "work")


def parse(command: Command, arguments: Sequence[str]) -> argparse.Namespace:
    """A command's options: --work, --smoke and --device, and its own."""
    parser = argparse.ArgumentParser(
        prog=f"python -m scripts.{command.__name__.rpartition('.')[2]}",
        description=(command.__doc__ or "").partition("\n")[0],
    )
    parser.add_argument(
        "--work", type=Path, default=None, help="folder for everything made (default: work, or work-smoke)"
    )
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: proves the chain, trains nothing useful")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    command.add_arguments(parser)
    parsed = parser.parse_args(arguments)
    if parsed.work is None:
        parsed.work = default_work(parsed.smoke)
    return parsed


def run(command: Command, arguments: Sequence[str]) -> int:
    """Runs a command. Returns its exit status, 0 when it returns nothing."""
    return int(command.run(parse(command, arguments)) or 0)


def main(command: Command) -> NoReturn:
    """Runs a command with the process's arguments and exits with its status."""
    sys.exit(run(command, sys.argv[1:]))
