"""Calibrates int8 activations on real code: one quantisation step for each layer, after the outliers have been smoothed.

After a normalisation or an attention the inputs of a layer have nearly the same range for every token, so one step serves
all tokens (static quantisation). The input of `down` does not: a few channels are many times larger than the others. Each
channel is divided by its own factor: `up` is divided by it and `down` multiplied, as in SmoothQuant (Xiao et al., 2023,
arXiv 2211.10438). The layer computes the same.

The step is the one with the least squared error of the layer's output, not the one that covers the largest value.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedModel

from selfracg.export import graph
from selfracg.model import llora

# How much of the range of its inputs `down` moves to its weights. On held-out code the loss of int8 was least between a half
# and two thirds.
SMOOTHING = 0.65
# Tokens of a row of real code, maximum number of rows, and about how many inputs of each layer are used.
ROW_TOKENS, ROWS, KEPT = 512, 72, 6144
# Parameters times rows: a backbone much larger than the default one is calibrated on fewer rows.
MAX_WORK = 2_000_000_000
# How many ends of the range are tried, as shares of the largest magnitude.
SHARES = 40
SMALLEST = 1e-5


@dataclass(frozen=True)
class Calibration:
    """Steps by the names that graph.build_graph uses, and the factors [intermediate] of each layer's `down`."""

    steps: dict[str, float]
    factors: list[Tensor]


def calibrate(model: PreTrainedModel, module: llora.LLoRA, rows: Sequence[Sequence[int]]) -> Calibration:
    """Runs rows of token ids through the model and its adapters. Raises ``ValueError`` without any."""
    if not any(rows):
        raise ValueError("expected rows of real code to calibrate on, found none: run from a checkout of the project")
    layers = model.model.layers
    inputs: dict[str, tuple[nn.Linear, list[Tensor]]] = {"head": (model.get_output_embeddings(), [])}
    for index, layer in enumerate(layers):
        for name, part in (
            ("qkv", layer.self_attn.q_proj),
            ("output", layer.self_attn.o_proj),
            ("gate", layer.mlp.gate_proj),
            ("down", layer.mlp.down_proj),
        ):
            inputs[f"layers.{index}.{name}"] = (part, [])
    rows = rows[: max(1, MAX_WORK // sum(parameter.numel() for parameter in model.parameters()))]
    stride = max(1, sum(map(len, rows)) // KEPT)

    def keep(kept: list[Tensor]):
        return lambda _module, arguments: kept.append(arguments[0].detach().flatten(0, -2)[::stride].float())

    handles = [part.register_forward_pre_hook(keep(kept)) for part, kept in inputs.values()]
    try:
        with torch.no_grad():
            for row in rows:
                model(input_ids=torch.tensor([list(row)]), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    steps: dict[str, float] = {}
    factors: list[Tensor] = []
    for index, attended in enumerate(_attended(module, rows)):
        steps[f"layers.{index}.expressed"] = _step(attended, layers[index].self_attn.o_proj.weight.detach().float())
    for label, (part, kept) in inputs.items():
        seen, weight = torch.cat(kept), part.weight.detach().float()
        if label.endswith(".down"):
            factor = seen.abs().amax(0).clamp(min=SMALLEST) ** SMOOTHING / weight.abs().amax(0).clamp(min=SMALLEST) ** (
                1 - SMOOTHING
            )
            factors.append(factor)
            seen, weight = seen / factor, weight * factor
        steps[label] = _step(seen, weight)
    return Calibration(steps, factors)


def _attended(module: llora.LLoRA, rows: Sequence[Sequence[int]]) -> list[Tensor]:
    """The attention output of each layer of the adapters [n, attended], at the end and in the middle of every row."""
    seen: list[list[Tensor]] = [[] for _ in module.layers]

    def keep(layer: int, attended: Tensor) -> Tensor:
        seen[layer].append(attended.detach().flatten(0, -2).float())
        return module.output_projection(layer, attended)

    module.replaced_projection = keep
    try:
        with torch.no_grad():
            for row in rows:
                for end in {len(row), (len(row) + 1) // 2}:
                    for adapter in (llora.QUERY, llora.FRAGMENT):
                        module.express(torch.tensor([list(row[:end])]), torch.tensor([end]), adapter)
    finally:
        module.replaced_projection = None
    return [torch.cat(parts) for parts in seen]


def smoothed(model: PreTrainedModel, calibration: Calibration) -> PreTrainedModel:
    """A copy of the model with the factors in `up` and `down`. It computes the same."""
    turned = copy.deepcopy(model)
    with torch.no_grad():
        for layer, factor in zip(turned.model.layers, calibration.factors, strict=True):
            layer.mlp.up_proj.weight.div_(factor[:, None].to(layer.mlp.up_proj.weight.dtype))
            if layer.mlp.up_proj.bias is not None:
                layer.mlp.up_proj.bias.div_(factor.to(layer.mlp.up_proj.bias.dtype))
            layer.mlp.down_proj.weight.mul_(factor[None].to(layer.mlp.down_proj.weight.dtype))
    return turned


def rounded(x: Tensor, step: float) -> Tensor:
    """x as the graph rounds it."""
    return torch.clamp(torch.round(x / step), -graph.ROW_ZERO, 255 - graph.ROW_ZERO) * step


def real_rows(tokenizer: Tokenizer, max_tokens: int, rows: int = ROWS) -> list[list[int]]:
    """Rows of token ids from this project's own sources, in all the languages that it is written in."""
    root = Path(__file__).resolve().parents[4]
    places = [root / "extension", root / "sidecar", root / "scripts", root / "test", Path(__file__).parents[1]]
    files = sorted({path for place in places for kind in ("*.ts", "*.mjs", "*.py") for path in place.rglob(kind)})
    found: list[list[int]] = []
    # Spread evenly over the files, so that every language occurs.
    for path in files[:: max(1, len(files) // rows)][:rows]:
        ids = tokenizer.encode(path.read_text(encoding="utf-8")[: 8 * ROW_TOKENS], add_special_tokens=False).ids
        found.append(ids[: min(max_tokens, ROW_TOKENS)])
    return [row for row in found if row]


def _step(seen: Tensor, weight: Tensor) -> float:
    """The step with the least squared error of seen W^T, if the errors of the channels are independent. seen [n, inputs], weight [outputs, inputs]."""
    largest = float(seen.abs().max().clamp(min=SMALLEST))
    importance = weight.square().sum(0)
    candidates = [largest * share / SHARES / graph.ROW_STEPS for share in range(2, SHARES + 1)]
    return min(candidates, key=lambda step: float(((rounded(seen, step) - seen).square() * importance).mean()))
