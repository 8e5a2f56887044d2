"""The PyTorch model of each kind of weights: what a graph computes, but for the order of its sums."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from selfracg.export import calibration, graph
from selfracg.export.calibration import Calibration
from selfracg.model import llora


def twin(
    model: PreTrainedModel,
    module: llora.LLoRA,
    stored: str,
    calibrated: Calibration | None = None,
    largest_code: int = graph.WEIGHT_STEPS,
) -> tuple[PreTrainedModel, llora.LLoRA]:
    """Backbone and adapter in PyTorch, with weights and activations rounded as in a graph with weights of that kind.

    int8 needs the calibration that the graph was built with, and both kinds of int8 the largest code of its weights.

    The graph differs from it in the order of sums, and with int8 in the activations that are rounded another way because
    of it.
    """
    if stored == "float32":
        return model, module
    if stored == "int8":
        assert calibrated is not None
        rounded = calibration.smoothed(model, calibrated)
    else:
        rounded = copy.deepcopy(model)
    # The copy of the adapter reads the copy of the backbone.
    adapter = copy.deepcopy(module, {id(module.backbone): rounded})
    with torch.no_grad():
        for parameter in (*adapter.parameters(), *(rounded.parameters() if stored in ("float16", "half") else ())):
            if parameter.ndim >= 2:
                parameter.copy_(parameter.half().float())
        if stored in ("int8", "int8-dynamic"):
            # A tied head is the embedding's parameter: rounding it a second time changes nothing.
            for part in rounded.modules():
                if isinstance(part, (nn.Linear, nn.Embedding)):
                    codes, scale = graph.int8_codes(part.weight.numpy(), largest_code)
                    part.weight.copy_(torch.from_numpy(codes.astype(np.float32) * scale[:, None]))
    if stored == "int8":
        assert calibrated is not None
        steps = calibrated.steps
        _round_inputs(rounded, adapter, lambda label, x: calibration.rounded(x, steps[label]))
    if stored == "int8-dynamic":
        layers = len(rounded.model.layers)
        kept = {f"layers.{layer}.down": graph.gated_outliers(layer, layers) for layer in range(layers)}
        _round_inputs(rounded, adapter, lambda label, x: rounded_by_row(x, kept.get(label, 0)))
    return rounded, adapter


def rounded_by_row(x: Tensor, outliers: int = 0) -> Tensor:
    """x [..., features] as a graph that quantises dynamically rounds it: each row by its own step, except for its largest `outliers` values."""
    magnitudes, places = x.abs().topk(outliers + 1, -1)
    largest = magnitudes[..., -1:]
    rounded = torch.where(largest > 0, torch.round(x / largest * graph.ROW_STEPS) / graph.ROW_STEPS * largest, 0)
    places = places[..., :outliers]
    return rounded.scatter(-1, places, x.gather(-1, places))


def _round_inputs(model: PreTrainedModel, adapter: llora.LLoRA, rounding: Callable[[str, Tensor], Tensor]) -> None:
    """Rounds every linear layer's input [..., features] by `rounding`, which is given the input's name in the graph and the input."""
    parts = [("head", model.get_output_embeddings())]
    for index, layer in enumerate(model.model.layers):
        own = {
            "qkv": (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj),
            "output": (layer.self_attn.o_proj,),
            "gate": (layer.mlp.gate_proj, layer.mlp.up_proj),
            "down": (layer.mlp.down_proj,),
        }
        parts += [(f"layers.{index}.{name}", part) for name, members in own.items() for part in members]
    for name, part in parts:
        part.register_forward_pre_hook(lambda _module, inputs, name=name: (rounding(name, inputs[0]),))

    def project(layer: int, attended: Tensor) -> Tensor:
        # The module itself would round its input by the step of the decoder's own attention.
        part = model.model.layers[layer].self_attn.o_proj
        return nn.functional.linear(rounding(f"layers.{layer}.expressed", attended), part.weight, part.bias)

    adapter.replaced_projection = project
