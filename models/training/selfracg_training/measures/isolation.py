"""Measurement 1: with the adapter present, generation is bit for bit the bare backbone's, in PyTorch and in the package's graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .. import backbone, llora
from ..subject import Subject
from ..tables import Table
from .bed import REPOSITORY, SHIPPED, UNTRAINED, Bed

NAME = "bit-for-bit"
# Contexts compared and tokens of each.
CONTEXTS, TOKENS = 12, 512


def adapters(bed: Bed) -> list[str]:
    return ["llora"]


def measure(bed: Bed) -> Table:
    """Positions whose logits differ from the bare backbone's by a single bit; `holds` is false where there is one."""
    rows = contexts(bed)
    tokens = sum(map(len, rows))
    counts = {f"PyTorch, {kind}": different for kind, different in in_torch(bed, rows).items()}
    folder = bed.args.package or (bed.work / "package" if bed.args.smoke else REPOSITORY / "models" / "default")
    if (folder / "model.json").is_file():
        subject = Subject.load(folder)
        counts |= {f"packaged graph, {kind}": different for kind, different in in_graph(subject, rows).items()}
    held = not any(counts.values())
    return Table(
        NAME, "Isolation: generation with the adapter against without", ["where, adapter", "positions compared", "positions whose logits differ"],
        [[kind, str(tokens), str(count)] for kind, count in counts.items()],
        "Every logit of a position is compared bit by bit. PyTorch: the backbone before any adapter is attached, against the pass that "
        "the expression is read from. Packaged graph: without an expression, against with one. Verdict: "
        + ("nothing differs." if held else "generation is changed; the adapter leaks into the backbone."),
        {"tokens": tokens, "different": counts}, holds=held,
    )


def contexts(bed: Bed) -> list[list[int]]:
    """Prompts of the first cases of every language, in turn."""
    groups = list(bed.cases.load().values())
    found = [group[i] for i in range(max(map(len, groups))) for group in groups if i < len(group)][:CONTEXTS]
    limit = min(TOKENS, int(bed.engine.model.config.max_position_embeddings))
    return [bed.form.left_to_right(case.task.file, case.prefix, limit) for case in found]


@torch.no_grad()
def in_torch(bed: Bed, rows: list[list[int]]) -> dict[str, int]:
    """Positions that differ, by adapter. The reference is a backbone of its own that no adapter was ever attached to."""
    bare = backbone.load(bed.work / "backbone")
    different = {"query": 0, "fragment": 0, "untrained query": 0}
    kinds = {"query": (SHIPPED, llora.QUERY), "fragment": (SHIPPED, llora.FRAGMENT), "untrained query": (UNTRAINED, llora.QUERY)}
    for row in rows:
        ids = torch.tensor([row])
        reference = bare(input_ids=ids, use_cache=False).logits
        for kind, (name, adapter) in kinds.items():
            module = bed.engine.module(bed.methods[name])
            inputs, logits = module.collect(ids.to(bed.device), logits=True)
            module.read(inputs, torch.tensor([len(row)]), adapter)
            if logits is None:
                raise RuntimeError("expected logits of the pass that the expression is read from, found none")
            different[kind] += differing(logits.cpu().numpy(), reference.numpy())
    return different


def in_graph(subject: Subject, rows: list[list[int]]) -> dict[str, int]:
    """Positions that differ in the packaged graph, by adapter."""
    runs: dict[str, Callable[[Any, Any, Any], Any]] = {
        "query": lambda *feeds: subject.trained.run(*feeds, llora.QUERY),
        "fragment": lambda *feeds: subject.trained.run(*feeds, llora.FRAGMENT),
        "untrained query": lambda *feeds: subject.untrained.run(*feeds, llora.QUERY),
    }
    different = dict.fromkeys(runs, 0)
    for row in rows:
        feeds = (np.array([row]), [len(row)], np.arange(len(row))[None])
        reference = subject.trained.run(*feeds).logits
        for kind, run in runs.items():
            different[kind] += differing(run(*feeds).logits, reference)
    return different


def differing(one: np.ndarray, other: np.ndarray) -> int:
    """Positions of [1, n, vocabulary] at which two arrays are not the same bits."""
    return int((one.view(np.uint32) != other.view(np.uint32)).any(axis=-1).sum())
