"""SmoothQuant: smooths the inputs of linear layers before they are quantised (Xiao et al., 2023, arXiv 2211.10438).

In a real model a few channels of the activations are many times larger than the others, so a single step for a token's row
leaves few codes for the others. Each input channel is divided by a factor and the layer's weights are multiplied by it. For q,
k and v, and for gate and up, the weight of the norm in front is divided; for down the rows of up. The layers compute the same.
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
# Inputs that are smoothed: the tensors whose columns are multiplied, and the tensor in front whose rows or numbers are divided.
INPUTS = {
    "attention": (("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), "input_layernorm"),
    "feed_forward": (("mlp.gate_proj", "mlp.up_proj"), "post_attention_layernorm"),
    "down": (("mlp.down_proj",), "mlp.up_proj"),
}


@dataclass(frozen=True)
class Folded:
    """Factors that multiply a tensor's columns (a vector's numbers), and its rows behind that; by names in `Factors.arrays`."""

    columns: str = ""
    rows: str = ""


@dataclass(frozen=True)
class Factors:
    """float32 vectors by name, and what each tensor is multiplied by, by Hugging Face name."""

    arrays: dict[str, np.ndarray]
    folded: dict[str, Folded]

    def apply(self, name: str, values: np.ndarray) -> np.ndarray:
        """A tensor of the checkpoint with its factors, in float32: columns first, rows behind them."""
        fold = self.folded.get(name, Folded())
        if fold.columns:
            values = values * self.arrays[fold.columns]
        return values * self.arrays[fold.rows][:, None] if fold.rows else values


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


def largest_inputs(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> list[dict[str, Tensor]]:
    """Largest magnitude of each channel of each of a layer's INPUTS over rows of token ids. ``ValueError`` without any row."""
    if not any(rows):
        raise ValueError("expected rows of real code, found none: run from a checkout of the project")
    found: list[dict[str, Tensor]] = [{} for _ in model.model.layers]
    handles = []

    def watch(layer: int, kind: str) -> Callable[[torch.nn.Module, tuple[Tensor, ...]], None]:
        def keep(_module: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
            seen = arguments[0].detach().flatten(0, -2).abs().amax(0).float()
            before = found[layer].get(kind)
            found[layer][kind] = seen if before is None else torch.maximum(before, seen)

        return keep

    for number, layer in enumerate(model.model.layers):
        for kind, (parts, _) in INPUTS.items():
            handles.append(layer.get_submodule(parts[0]).register_forward_pre_hook(watch(number, kind)))
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
    folded: dict[str, Folded] = {}
    for number, largest in enumerate(largest_inputs(model, rows)):
        layer = model.model.layers[number]
        for kind, (parts, before) in INPUTS.items():
            weight = torch.stack([layer.get_submodule(part).weight.detach().abs().amax(0) for part in parts]).amax(0)
            factor = largest[kind].clamp(min=SMALLEST) ** strength / weight.clamp(min=SMALLEST) ** (1 - strength)
            exponent = torch.log2(factor).round()
            name = f"layers.{number}.{kind}"
            arrays[name] = torch.exp2(exponent).numpy()
            arrays[name + ".inverse"] = torch.exp2(-exponent).numpy()
            prefix = f"model.layers.{number}"
            for part in parts:
                folded[f"{prefix}.{part}.weight"] = Folded(columns=name)
            # `up` has two factors: its columns that of its own input, its rows the inverse of that of `down`.
            target = f"{prefix}.{before}.weight"
            folded[target] = (
                Folded(folded[target].columns, name + ".inverse") if target in folded else Folded(name + ".inverse")
            )
    return Factors(arrays, folded)
