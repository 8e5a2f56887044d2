"""Writes the L-LoRA expression: the output of the retrieval-aware attention beside the frozen decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
from onnx import numpy_helper

from selfracg.export.graph.attention import Step, count_up
from selfracg.export.graph.builder import Builder
from selfracg.export.graph.decoder import Layer
from selfracg.export.graph.nodes import CONTRIB, MASKED, Body, if_branch


def unit_length(b: Builder, t: Body, x: str) -> str:
    """x [batch, dimension] brought to length 1; zeros stay zeros."""
    length = t.add("ReduceL2", [x, b.ints(-1)], keepdims=1)
    return t.add("Div", [x, t.add("Max", [length, b.scalar("tiny", 1e-12)])])


def write_expression(b: Builder, step: Step, layers: Sequence[Layer]) -> None:
    """The outputs `expression` [batch, hidden], zeros where none is wanted, and `attention` [layers * batch, total], inside an If."""

    def branch(name: str, write: Callable[[Body], Sequence[str]]) -> onnx.GraphProto:
        return if_branch(name, write, ["batch", b.config.hidden], ["layers_batch", None])

    def nothing(t: Body) -> list[str]:
        zero = numpy_helper.from_array(np.zeros(1, dtype=np.float32))
        batch = t.add("Shape", ["input_ids"], start=0, end=1)
        shape = t.add("Concat", [batch, b.ints(b.config.hidden)], axis=0)
        return [t.add("ConstantOfShape", [each], value=zero) for each in (shape, b.ints(0, 0))]

    def at_last(each: int) -> Callable[[Body], Sequence[str]]:
        def write(t: Body) -> list[str]:
            attended, weight = attended_at_last(b, t, step, layers, each)
            return [combine_layers(b, t, attended), weight]

        return write

    # One branch for each adapter, as for the low-rank terms.
    wanted = branch("last", at_last(0))
    if b.adapter.count > 1:
        last, of_fragment = wanted, branch("last.fragment", at_last(1))

        def choose(t: Body) -> list[str]:
            fragment = t.add("Squeeze", [t.add("Equal", ["adapter", b.ints(1)])])
            return t.add_all("If", [fragment], 2, then_branch=of_fragment, else_branch=last)

        wanted = branch("expression_of_adapter", choose)
    expressing = b.body.add("Squeeze", [b.body.add("GreaterOrEqual", ["adapter", b.ints(0)])])
    b.body.add(
        "If", [expressing], ["expression", "attention"], then_branch=wanted, else_branch=branch("nothing", nothing)
    )


def combine_layers(b: Builder, t: Body, attended: str) -> str:
    """The expression [batch, hidden] from each layer's attention output [layers, batch, query_heads * head_dim]."""
    # The output projection is the layer's own.
    rows = [
        b.linear(
            rows,
            [f"model.layers.{layer}.self_attn.o_proj"],
            f"layers.{layer}.output",
            t,
            read=f"layers.{layer}.expressed",
        )
        for layer, rows in enumerate(split_layers(b, t, b.narrow(attended, t)))
    ]
    parts = b.wide(t.add("Concat", rows, axis=0), t)
    return unit_length(b, t, t.add("ReduceMean", [parts, b.ints(0)], keepdims=0))


def split_layers(b: Builder, t: Body, x: str) -> list[str]:
    """x [layers * batch, ...] as one tensor [batch, ...] a layer, in their order."""
    return t.add_all("Split", [x], b.config.layers, axis=0, num_outputs=b.config.layers)


def project_up(b: Builder, t: Body, low_rank: str, up: str) -> str:
    """B (alpha / rank) of an adapter, times low-rank terms."""
    # The scale is part of the product, so the stored matrices have the bits of the trained ones.
    return t.add("FusedMatMul", [low_rank, up], domain=CONTRIB, alpha=float(b.adapter.alpha / b.adapter.rank))


def stacked_matrix(b: Builder, part: str, each: int) -> str:
    """A matrix of an adapter in all layers: "query.A" [layers, hidden, rank], "query.B" [layers, rank, query_heads * head_dim],
    "key.B" and "value.B" [layers, 1, kv_heads, rank, head_dim], one product a pair's head.
    """
    c, adapter = b.config, b.adapter
    name, side = part.split(".")
    held = np.stack([adapter.tensors[f"layers.{layer}.{name[0]}.{side}"][each] for layer in range(c.layers)])
    if name == "query":
        held = held.transpose(0, 2, 1)
    else:
        held = held.reshape(c.layers, 1, c.kv_heads, c.head_dim, adapter.rank).transpose(0, 1, 2, 4, 3)
    return b.weight(f"layers.need.{part}.{each}", held, wide=True)


def attended_at_last(b: Builder, t: Body, step: Step, layers: Sequence[Layer], each: int) -> tuple[str, str]:
    """The output of the retrieval-aware attention [layers, batch, query_heads * head_dim] at each row's last valid token, and its
    weights [layers * batch, total], the mean over the heads.

    One query row attends over keys and values with their low-rank updates. Rotation is linear, so the update of a key is rotated
    alone and its scores are added to those of the cached, already rotated key. The update of the values is applied after the
    softmax, to rank numbers instead of head_dim. The layers do not depend on one another here, so each node computes all of them,
    except for the products with the past, which has a buffer for each layer.
    """
    c, rank = b.config, b.adapter.rank
    group = c.query_heads // c.kv_heads
    scale = float(c.head_dim**-0.5)

    def sized(x: str, *sizes: int | str) -> str:
        """x in a shape of numbers and of sizes that only the run knows."""
        known = [size for size in sizes if isinstance(size, int)]
        if len(known) == len(sizes):
            return t.add("Reshape", [x, b.ints(*known)])
        return t.add(
            "Reshape", [x, t.add("Concat", [b.ints(size) if isinstance(size, int) else size for size in sizes], axis=0)]
        )

    def part(x: str, begin: str, end: str, axis: int) -> str:
        return t.add("Slice", [x, begin, end, b.ints(axis)])

    def at_last(names: Sequence[str]) -> str:
        return b.wide(t.add("Concat", [b.take(name, row, t) for name in names], axis=0), t)

    row = t.add("Unsqueeze", [t.add("Sub", ["lengths", b.ints(1)]), b.ints(1, 2)])
    x = sized(at_last([layer.x for layer in layers]), c.layers, -1, c.hidden)
    query = sized(
        part(at_last([layer.qkv for layer in layers]), b.ints(0), b.ints(c.attended), 2), c.layers, -1, c.attended
    )
    low = t.add("MatMul", [x, stacked_matrix(b, "query.A", each)])
    query = t.add("Add", [query, project_up(b, t, low, stacked_matrix(b, "query.B", each))])
    position = t.add("Expand", [step.last_valid, b.ints(c.layers, 1)])
    query = t.add(
        "RotaryEmbedding", [query, position, step.cos, step.sin], domain=CONTRIB, num_heads=c.query_heads, interleaved=0
    )
    query = sized(query, -1, c.kv_heads, group, c.head_dim)

    # Low-rank terms [layers, batch, total, 2 * rank]: those of the past, whose buffers may be longer, and the new ones.
    need = t.add(
        "Concat",
        [part("past.need", b.ints(0), "past_length", 2), sized("new.need", c.layers, -1, step.seq, 2 * rank)],
        axis=2,
    )
    low_key = t.add("Unsqueeze", [part(need, b.ints(0), b.ints(rank), 3), b.ints(2)])
    low_value = sized(part(need, b.ints(rank), b.ints(2 * rank), 3), -1, 1, step.total, rank)
    delta = sized(project_up(b, t, low_key, stacked_matrix(b, "key.B", each)), -1, c.kv_heads, step.total, c.head_dim)
    # A single position is an offset: the cached keys begin at position 0.
    delta = t.add(
        "RotaryEmbedding", [delta, b.ints(0), step.cos, step.sin], domain=CONTRIB, num_heads=c.kv_heads, interleaved=0
    )

    def scored(rows: str, keys: str) -> str:
        return t.add("FusedMatMul", [rows, keys], domain=CONTRIB, transB=1, alpha=scale)

    capacity = t.add("Shape", ["past.0.key"], start=2, end=3)
    read, made = (b.wide(sized(f"new.{name}", -1, c.kv_heads, step.seq, c.head_dim), t) for name in ("key", "value"))
    held = t.add(
        "Concat",
        [scored(rows, b.wide(f"past.{layer}.key", t)) for layer, rows in enumerate(split_layers(b, t, query))],
        axis=0,
    )
    delta_of_past, delta_of_own = t.add_all(
        "Split", [scored(query, delta), t.add("Concat", ["past_length", step.seq], axis=0)], 2, axis=3
    )
    # Rows of the buffers after the past are masked.
    spare = t.add("Concat", [b.ints(*[0] * 7), t.add("Sub", [capacity, "past_length"])], axis=0)
    masked, unmasked = b.scalar("masked", MASKED), b.scalar("unmasked", 0.0)
    held = t.add("Add", [held, t.add("Pad", [delta_of_past, spare, masked])])
    own = t.add("Add", [scored(query, read), delta_of_own])
    # So is the padding of a batch's rows.
    seen = t.add(
        "LessOrEqual", [count_up(b, t, step.seq), t.add("Unsqueeze", [t.add("Sub", ["lengths", b.ints(1)]), b.ints(1)])]
    )
    filled = t.add(
        "Tile",
        [t.add("Unsqueeze", [t.add("Where", [seen, unmasked, masked]), b.ints(1, 2)]), b.ints(c.layers, 1, 1, 1)],
    )
    weight = t.add("Softmax", [t.add("Concat", [held, t.add("Add", [own, filled])], axis=3)], axis=-1)

    of_past, of_own = t.add_all("Split", [weight, t.add("Concat", [capacity, step.seq], axis=0)], 2, axis=3)
    value = t.add(
        "Concat",
        [
            t.add("MatMul", [rows, b.wide(f"past.{layer}.value", t)])
            for layer, rows in enumerate(split_layers(b, t, of_past))
        ],
        axis=0,
    )
    value = t.add("Add", [value, t.add("MatMul", [of_own, made])])
    whole = t.add("Concat", [part(of_past, b.ints(0), "past_length", 3), of_own], axis=3)
    low_mixed = sized(t.add("MatMul", [whole, low_value]), c.layers, -1, c.kv_heads, group, rank)
    delta = sized(project_up(b, t, low_mixed, stacked_matrix(b, "value.B", each)), -1, c.kv_heads, group, c.head_dim)
    return sized(t.add("Add", [value, delta]), c.layers, -1, c.attended), t.add(
        "ReduceMean", [whole, b.ints(1, 2)], keepdims=0
    )
