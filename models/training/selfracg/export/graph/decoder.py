"""Writes the decoder's layers, except for their attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import helper

from selfracg.export.graph.builder import Builder
from selfracg.export.graph.config import rotary_caches
from selfracg.export.graph.nodes import CONTRIB, Body

# Inputs of `down` that are not rounded: the largest of a row are up to 50 times as large as its root mean square.
GATED_OUTLIERS = 4


def gated_outliers(layer: int, layers: int) -> int:
    """How many inputs of a layer's `down` are not rounded in each row.

    None in the last layer, which has a row only where logits are wanted: without any, TopK of ONNX Runtime 1.30 divides by zero.
    """
    return GATED_OUTLIERS if layer < layers - 1 else 0


@dataclass(frozen=True)
class Attention:
    """Names of the results of one layer's attention: output [batch, seq, query_heads * head_dim], keys and values."""

    output: str
    # The tokens' own keys and values [batch, kv_heads, seq, head_dim].
    keys: str
    values: str


@dataclass(frozen=True)
class Layer:
    """Names of what the expression reads of a layer: normed input, projections, attention."""

    x: str
    qkv: str
    attention: Attention


def write_decoder(
    b: Builder, body: Body, ids: str, attend: Callable[[int, str], Attention], wanted: str = ""
) -> tuple[str, list[Layer]]:
    """(normed hidden states [batch, n, hidden], layers) of the tokens `ids` [batch, seq], at the positions `wanted` [batch, n, 1], by default all.

    `attend` gives a layer's attention from its number and its projections [batch, seq, (query_heads + 2 * kv_heads) * head_dim], of the last
    layer at the wanted positions.
    """
    c = b.config
    residual = b.embed(ids, body)
    branch = ""
    layers: list[Layer] = []
    for layer in range(c.layers):
        source = f"model.layers.{layer}"
        norm = b.weight_of(f"layers.{layer}.input_norm", [f"{source}.input_layernorm.weight"])
        x, residual = normalise(b, body, branch, residual, norm)
        qkv = b.linear(x, [f"{source}.self_attn.{p}_proj" for p in "qkv"], f"layers.{layer}.qkv", body)
        layers.append(Layer(x, qkv, attend(layer, qkv)))
        attention = layers[-1].attention.output
        if wanted and layer == c.layers - 1:
            # After the last attention only the wanted positions are computed: one for a prefill, none for an embedding.
            residual = b.take(residual, wanted)
        branch = b.linear(attention, [f"{source}.self_attn.o_proj"], f"layers.{layer}.output", body)
        norm = b.weight_of(f"layers.{layer}.mlp_norm", [f"{source}.post_attention_layernorm.weight"])
        x, residual = normalise(b, body, branch, residual, norm)
        gate = b.linear(x, [f"{source}.mlp.gate_proj"], f"layers.{layer}.gate", body)
        up = b.linear(x, [f"{source}.mlp.up_proj"], f"layers.{layer}.up", body, f"layers.{layer}.gate", deferred=True)
        outliers = gated_outliers(layer, c.layers)
        gated = b.gated(gate, up, body)
        branch = b.linear(gated, [f"{source}.mlp.down_proj"], f"layers.{layer}.down", body, outliers=outliers)
    return normalise(b, body, branch, residual, b.weight_of("final_norm", ["model.norm.weight"]))[0], layers


def rotary_initialisers(b: Builder) -> tuple[str, str, tuple[str, str]]:
    """(cosines, sines [context, head_dim / 2], the same two as the attention operator takes them)."""
    c, body = b.config, b.body
    if b.dynamic:
        # The runtime computes them when it loads the graph, so a graph without weights stays small.
        ends = [b.constant(f"f32.{end}", np.array(end, dtype=np.float32)) for end in (0, c.context, 1)]
        positions = body.add("Unsqueeze", [body.add("Range", ends), b.ints(1)])
        frequencies = b.constant("rotary.frequencies", np.array(c.frequencies, dtype=np.float32))
        angles = body.add("Mul", [positions, frequencies])
        scale = b.constant("rotary.scale", np.array(c.rotary_scale, dtype=np.float32))
        made = [body.add("Mul", [body.add(op, [angles]), scale]) for op in ("Cos", "Sin")]
        return made[0], made[1], (made[0], made[1])
    cos, sin = rotary_caches(c)
    names = b.constant("rotary.cos", cos), b.constant("rotary.sin", sin)
    if not b.half:
        return *names, names
    half = (
        b.constant("rotary.cos.half", cos.astype(np.float16)),
        b.constant("rotary.sin.half", sin.astype(np.float16)),
    )
    return *names, half


def normalise(b: Builder, body: Body, branch: str, residual: str, norm: str) -> tuple[str, str]:
    """(RMS-normalised sum, the sum itself) of the residual stream and a branch; the first layer has no branch yet."""
    if not branch:
        return body.add(
            "SimplifiedLayerNormalization", [residual, norm], axis=-1, epsilon=b.config.eps, stash_type=1
        ), residual
    body.counter += 1
    base = f"{body.prefix}/residual_{body.counter}"
    names = [base + ".normed", "", "", base + ".sum"]
    body.nodes.append(
        helper.make_node(
            "SkipSimplifiedLayerNormalization",
            [branch, residual, norm],
            names,
            name=base,
            domain=CONTRIB,
            epsilon=b.config.eps,
        )
    )
    return names[0], names[3]
