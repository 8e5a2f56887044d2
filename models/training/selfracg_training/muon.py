"""Muon: momentum whose update is orthogonalised, for the hidden matrices of a decoder.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024). Matrices of one shape are
orthogonalised together, which keeps the cost beside a small model's step low.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

# Quintic Newton-Schulz coefficients with the steepest slope at zero; singular values end between about 0.7 and 1.2.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Nearest semi-orthogonal matrices, approximately, of a stack [count, rows, columns], in float32."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.transpose(-1, -2) if tall else matrices
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(steps):
        square = torch.bmm(x, x.transpose(-1, -2))
        x = a * x + torch.bmm(b * square + c * torch.bmm(square, square), x)
    x = x.transpose(-1, -2) if tall else x
    return x.float()


class Muon(Optimizer):
    """``lr`` is the spectral size of a step for a square matrix; ``weight_decay`` is decoupled."""

    def __init__(
        self, params: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        f"expected matrices, found a parameter of shape {tuple(parameter.shape)}: "
                        "give vectors and embeddings to AdamW"
                    )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                average = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                by_shape[parameter.shape].append((parameter, torch.lerp(parameter.grad, average, group["momentum"])))
            for shape, members in by_shape.items():
                updates = orthogonalise(torch.stack([direction for _, direction in members]))
                size = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for (parameter, _), update in zip(members, updates):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update, alpha=-size)
