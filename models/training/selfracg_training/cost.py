"""Command `cost`: minutes and FLOPs of each training stage against the backbone's own training, read from the logs.

FLOPs of the backbone's training are those of its matrix products, forward and backward. The adapters' stages run the
frozen backbone forward only; their rows count at their full length, so those figures are upper bounds.

Reads  pretrain.jsonl, ing.jsonl, backbone/config.json and training.json.        Writes figures/cost.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from . import backbone, tables

# Tokens of the continuation that the utility stage judges fragments by, at most.
CONTINUATION = 64


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """`cost` has no options of its own."""


def run(args: argparse.Namespace) -> int:
    """Prints the table and writes figures/cost.json. Returns 0."""
    table = measure(Path(args.work))
    table.save(args.work)
    print(table.markdown())
    return 0


def events(path: Path) -> list[dict[str, Any]]:
    """The records of a log, none where there is no log."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def measure(work: Path) -> tables.Table:
    """One row for the backbone and one for each stage in the logs."""
    if not (work / "pretrain.jsonl").is_file() or not (work / "backbone" / "config.json").is_file():
        raise FileNotFoundError(
            f"expected pretrain.jsonl and backbone/ in {work}, found one missing: run `pretrain` first"
        )
    config = AutoConfig.from_pretrained(work / "backbone", local_files_only=True)
    found = [pretraining(work, config)]
    by_stage: dict[str, list[dict[str, Any]]] = {}
    for event in events(work / "ing.jsonl"):
        by_stage.setdefault(event.get("stage", "stage1"), []).append(event)
    found += [entry for name, own in by_stage.items() if (entry := adapter_stage(name, own, config)) is not None]
    whole = found[0]
    rows = [
        [
            entry["stage"],
            f"{entry['minutes']:.1f}",
            f"{entry['minutes'] / max(whole['minutes'], 1e-9):.1%}",
            f"{entry['tokens'] / 1e6:.1f}M",
            f"{entry['flops']:.2e}",
            f"{entry['flops'] / max(whole['flops'], 1e-9):.1%}",
        ]
        for entry in found
    ]
    notes = (
        f"Minutes on {whole['device']} by the log of this work folder. FLOPs of matrix products: forward and backward for the "
        "backbone; for the adapters' stages upper bounds, with every row at its full length, generation and judging included."
    )
    if whole["tokensBefore"]:
        notes += f" The backbone began with {whole['tokensBefore'] / 1e6:.1f}M tokens of an earlier run: in its FLOPs, not in its minutes."
    header = ["stage", "minutes", "of the backbone's", "tokens", "FLOPs", "of the backbone's"]
    size = tables.of_backbone(work / "backbone")
    return tables.Table(
        "cost", "Cost of each stage", header, rows, notes, {"stages": found}, "python -m selfracg_training cost", size
    )


def pretraining(work: Path, config: Any) -> dict[str, Any]:
    log = events(work / "pretrain.jsonl")
    own = max((event["tokens"] for event in log if "tokens" in event), default=0)
    seconds = max((event["elapsed"] for event in log if "elapsed" in event), default=0.0)
    note = work / "backbone" / "training.json"
    tokens = max(own, json.loads(note.read_text(encoding="utf-8"))["tokens"]) if note.is_file() else own
    device = next((event["device"] for event in reversed(log) if "device" in event), "an unknown device")
    flops = 3.0 * tokens * backbone.flops_per_token(config, config.max_position_embeddings)
    return {
        "stage": "backbone",
        "minutes": seconds / 60,
        "tokens": tokens,
        "tokensBefore": tokens - own,
        "flops": flops,
        "device": device,
    }


def adapter_stage(name: str, log: list[dict[str, Any]], config: Any) -> dict[str, Any] | None:
    """Minutes and FLOPs of a stage's last run, of its records in ing.jsonl; None where it never started."""
    starts = [place for place, event in enumerate(log) if event["event"] == "start"]
    # A run that is resumed has a start of its own; one that starts anew begins at step 0.
    begin = max((place for place in starts if log[place]["step"] == 0), default=starts[-1] if starts else None)
    if begin is None:
        return None
    start, last = log[begin], log[begin:]
    options = start["options"]
    steps = max((event["step"] for event in last if "step" in event), default=0)
    seconds = max((event["elapsed"] for event in last if "elapsed" in event), default=0.0)
    query = options.get("query_tokens", 192) + options.get("import_tokens", 0)
    fragment = options.get("fragment_tokens", 128)
    tokens = steps * options["batch"] * (query + fragment * (1 + options.get("windows", 0.0)))
    judged = start.get("judged", 0)
    if judged:
        candidates = options["candidates"]
        tokens += steps * min(options["judged"], judged) * (query + candidates * fragment)
        # Once without a fragment, and once with each.
        tokens += judged * ((1 + candidates) * (query + CONTINUATION) + candidates * fragment)
    tokens += start.get("own", 0) * (query + options.get("generated_tokens", 0))
    # Low-rank updates run forward and backward, the backbone forward alone.
    adapter = 3 * 2 * start.get("parameters", 0) / (2 if options.get("adapters") == "separate" else 1)
    flops = tokens * (backbone.flops_per_token(config, query) + adapter)
    return {"stage": name, "minutes": seconds / 60, "tokens": tokens, "flops": flops, "steps": steps}
