"""Sums of losses by programming language, as the log of pretraining states them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def add_by_language(sums: Tensor, languages: Tensor, losses: Tensor, valid: Tensor) -> None:
    """Adds each row's summed loss and count of valid targets to its language's row of ``sums`` [languages, 2]."""
    sums.index_add_(0, languages, torch.stack(((losses * valid).sum(1), valid.sum(1).float()), dim=1))


def summary(sums: Tensor, names: list[str]) -> dict[str, Any]:
    """Mean loss overall and by language name, in nats a token."""
    total, count = sums.sum(0).tolist()
    return {
        "loss": round(total / max(count, 1.0), 4),
        "languages": {
            name: round(row[0] / row[1], 4) for name, row in zip(names, sums.tolist(), strict=True) if row[1]
        },
    }
