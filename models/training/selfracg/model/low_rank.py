"""The low-rank matrices of adapters, and the inputs of a layer that they read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class LayerInputs:
    """What one frozen layer shows its adapter.

    ``x`` [batch, seq, hidden] is the normed input; ``q`` [batch, seq, query heads * head_dim], ``k`` and ``v``
    [batch, seq, key-value heads * head_dim] are the backbone's own projections before the rotary embedding.
    """

    x: Tensor
    q: Tensor
    k: Tensor
    v: Tensor


class LowRank(nn.Module):
    """Low-rank updates of one projection, one per adapter: A is random, B zero, so that training starts at the backbone."""

    A: nn.Parameter
    B: nn.Parameter

    def __init__(self, adapters: int, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.empty(adapters, rank, inputs))
        self.B = nn.Parameter(torch.zeros(adapters, outputs, rank))
        for matrix in self.A:
            nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))

    def forward(self, x: Tensor, adapter: int) -> Tensor:
        return F.linear(self.down(x, adapter), self.B[adapter].to(x.dtype))

    def down(self, x: Tensor, adapter: int) -> Tensor:
        """A x [..., rank], in the type of x."""
        return F.linear(x, self.A[adapter].to(x.dtype))
