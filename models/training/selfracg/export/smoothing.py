"""SmoothQuant: smooths the input of attentions before they are quantised (Xiao et al., 2023, arXiv 2211.10438).

In a real model a few channels of that input are many times larger than the others in every token, so a single step for a
token's row leaves few codes for the others. Each input channel is divided by a factor, in the weight of the norm in front, and
the weights of q, k and v are multiplied by it. The layers compute the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from selfracg.export.graph import EMBEDDING

# How much of the range of the activations moves to the weights.
STRENGTH = 0.5
SMALLEST = 1e-5
PROJECTIONS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
NORM = "input_layernorm"


@dataclass(frozen=True)
class Factors:
    """float32 vectors by name, and by Hugging Face name the one that multiplies a tensor's columns (a vector's numbers)."""

    arrays: dict[str, np.ndarray]
    folded: dict[str, str]

    def apply(self, name: str, values: np.ndarray) -> np.ndarray:
        """A tensor of the checkpoint with its factors, in float32."""
        return values * self.arrays[self.folded[name]] if name in self.folded else values


def folded_adapters(tensors: Mapping[str, np.ndarray], factors: Factors) -> dict[str, np.ndarray]:
    """Adapters for the smoothed input of an attention: their A [adapters, rank, hidden] are multiplied as q, k and v are."""
    return {
        name: values * factors.arrays[f"layers.{name.split('.')[1]}.attention"] if name.endswith(".A") else values
        for name, values in tensors.items()
    }


class Smoothed(Mapping[str, np.ndarray]):
    """The tensors of a checkpoint with their factors, and without the rows of the embedding behind the last of ``tokens``."""

    def __init__(self, weights: Mapping[str, np.ndarray], factors: Factors, tokens: int | None = None) -> None:
        self._weights, self._factors, self._tokens = weights, factors, tokens

    def __getitem__(self, name: str) -> np.ndarray:
        values = self._weights[name]
        return self._factors.apply(name, values[: self._tokens] if name == EMBEDDING else values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)

    def __contains__(self, name: object) -> bool:
        return name in self._weights


def largest_inputs(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> list[Tensor]:
    """Largest magnitude of each channel of the input of each layer's attention, over rows of token ids. ``ValueError`` without any row."""
    if not any(rows):
        raise ValueError("expected rows of real code, found none: run from a checkout of the project")
    layers = model.model.layers
    found = [torch.zeros(model.config.hidden_size) for _ in layers]

    def watch(number: int) -> Callable[[torch.nn.Module, tuple[Tensor, ...]], None]:
        def keep(_module: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
            seen = arguments[0].detach().flatten(0, -2).abs().amax(0).float()
            found[number] = torch.maximum(found[number], seen)

        return keep

    handles = [
        layer.get_submodule(PROJECTIONS[0]).register_forward_pre_hook(watch(number))
        for number, layer in enumerate(layers)
    ]
    try:
        with torch.no_grad():
            for row in rows:
                model.model(input_ids=torch.tensor([list(row)]), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return found


def fit(model: PreTrainedModel, rows: Sequence[Sequence[int]], strength: float = STRENGTH) -> Factors:
    """Factors for every layer from rows of token ids, each a power of two, so that multiplying by it is exact."""
    arrays: dict[str, np.ndarray] = {}
    folded: dict[str, str] = {}
    for number, largest in enumerate(largest_inputs(model, rows)):
        layer = model.model.layers[number]
        weight = torch.stack([layer.get_submodule(part).weight.detach().abs().amax(0) for part in PROJECTIONS]).amax(0)
        factor = largest.clamp(min=SMALLEST) ** strength / weight.clamp(min=SMALLEST) ** (1 - strength)
        exponent = torch.log2(factor).round()
        name = f"layers.{number}.attention"
        arrays[name] = torch.exp2(exponent).numpy()
        arrays[name + ".inverse"] = torch.exp2(-exponent).numpy()
        for part in PROJECTIONS:
            folded[f"model.layers.{number}.{part}.weight"] = name
        folded[f"model.layers.{number}.{NORM}.weight"] = name + ".inverse"
    return Factors(arrays, folded)
