"""Measurement 1: with the adapter present, generation is bit for bit the bare backbone's, in PyTorch and in the package's graph."""

from __future__ import annotations

import numpy as np
import torch

from .. import backbone, llora
from ..isolation import isolation_table
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
    compared = sum(map(len, rows))
    counts = {f"PyTorch, {kind}": (compared, different) for kind, different in in_torch(bed, rows).items()}
    folder = bed.args.package or (bed.work / "package" if bed.args.smoke else REPOSITORY / "models" / "default")
    held = not any(different for _, different in counts.values())
    if (folder / "model.json").is_file():
        graph = isolation_table(Subject.load(folder), bed.cases, bed.work)
        counts |= {
            f"packaged graph, {kind}" if "vanilla" not in kind else kind: (graph.figures["tokens"], different)
            for kind, different in graph.figures["different"].items()
        }
        held = held and graph.holds
    return Table(
        NAME,
        "Isolation: generation with the adapter against without",
        ["where, adapter", "positions compared", "positions whose logits differ"],
        [[kind, f"{tokens:,}", f"{count:,}"] for kind, (tokens, count) in counts.items()],
        "Every logit of a position is compared bit by bit. PyTorch: the backbone before any adapter is attached, against the pass that "
        "the expression is read from. Packaged graph: without an expression, against with one. A vanilla LoRA, where one has been trained, is part "
        "of the backbone that generates and stands here to compare. Verdict on the adapter that ships: "
        + ("nothing differs." if held else "generation is changed; the adapter leaks into the backbone."),
        {kind: {"tokens": tokens, "different": count} for kind, (tokens, count) in counts.items()},
        holds=held,
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
    kinds = {
        "query": (SHIPPED, llora.QUERY),
        "fragment": (SHIPPED, llora.FRAGMENT),
        "untrained query": (UNTRAINED, llora.QUERY),
    }
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


def differing(one: np.ndarray, other: np.ndarray) -> int:
    """Positions of [1, n, vocabulary] at which two arrays are not the same bits."""
    return int((one.view(np.uint32) != other.view(np.uint32)).any(axis=-1).sum())
