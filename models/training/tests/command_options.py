"""Options of commands as tests give them."""

import argparse

from selfracg import command


def options(module, work, *arguments, **changes) -> argparse.Namespace:
    """A command's options for a work folder on the CPU; ``changes`` are set by their names in the namespace."""
    args = command.parse(module, ["--work", str(work), "--device", "cpu", *arguments])
    for name, value in changes.items():
        setattr(args, name, value)
    return args


def stage_options(module, work, **changes) -> argparse.Namespace:
    """Options of `ing`, `stage2` or `utility` at a size that tests can train."""
    sizes = {
        "steps": 12,
        "pair_count": 120,
        "batch": 16,
        "group": 8,
        "micro": 8,
        "rank": 4,
        "alpha": 8.0,
        "processes": 1,
        "warmup_steps": 2,
        "log_seconds": 0.0,
        "evaluation_cases": 4,
        "evaluation_pool": 12,
        "compile": False,
        "windows": 0.5,
    }
    return options(module, work, **{**sizes, **changes})
