"""Writes one layer's attention of the new tokens to the past and to themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import numpy_helper

from selfracg.export.graph.builder import Builder
from selfracg.export.graph.decoder import Attention
from selfracg.export.graph.nodes import CONTRIB, MASKED, Body, Shape, if_branch, product_of_rows

# Up to so many new tokens attend by matrix products over the past in place. Beyond that the operator is faster.
FEW = 16


@dataclass(frozen=True)
class Step:
    """Names of the tensors that all layers share: sizes, positions, rotary caches."""

    seq: str
    total: str
    total_int: str
    last_valid: str
    last_valid_int: str
    cos: str
    sin: str
    # The same two as the attention operator takes them.
    attention_caches: tuple[str, str]
    # Whether there are few new tokens, and what is added to their scores of each other [group * seq, seq].
    few: str = ""
    mask: str = ""
    # For the matrix products: number of blocks of positions, padding of the scores to whole blocks (in the form of Pad), and
    # values [batch, kv_heads, *, head_dim] for the padding.
    blocks: str = ""
    fill: str = ""
    filling: str = ""


def few_rows(b: Builder, step: Step) -> Step:
    """`step` with the tensors for attention by matrix products, which serves one text with at most FEW new tokens."""
    body, c = b.body, b.config
    batch = body.add("Shape", ["input_ids"], start=0, end=1)
    one_text = body.add("Equal", [batch, b.ints(1)])
    few = body.add("Squeeze", [body.add("And", [one_text, body.add("LessOrEqual", [step.seq, b.ints(FEW)])])])

    def write(t: Body) -> list[str]:
        own = count_up(b, t, step.seq)
        return [score_mask(b, t, t.add("LessOrEqual", [own, t.add("Unsqueeze", [own, b.ints(1)])]))]

    def nothing(t: Body) -> list[str]:
        return [t.add("Identity", [b.scalar("unmasked", 0.0)])]

    mask = body.add(
        "If", [few], then_branch=if_branch("few.mask", write, None), else_branch=if_branch("no.mask", nothing, None)
    )
    block = b.ints(sum_block(c.head_dim))
    spare = body.add("Mod", [body.add("Neg", [step.total]), block])
    shape = body.add("Concat", [batch, b.ints(c.kv_heads), spare, b.ints(c.head_dim)], axis=0)
    return replace(
        step,
        few=few,
        mask=mask,
        blocks=body.add("Div", [body.add("Add", [step.total, spare]), block]),
        fill=body.add("Concat", [b.ints(*[0] * 7), spare], axis=0),
        filling=body.add("ConstantOfShape", [shape], value=numpy_helper.from_array(np.zeros(1, dtype=np.float32))),
    )


def sum_block(columns: int) -> int:
    """How many products ONNX Runtime sums up at a time in a matrix product, for a right matrix with so many columns.

    It reads that matrix in blocks of 128 by 128 numbers; a narrower matrix in narrower and longer blocks.
    """
    width, length = 128, 128
    while width > 16 and width // 2 >= columns:
        width, length = width // 2, length * 2
    return length


def count_up(b: Builder, t: Body, count: str) -> str:
    """0, 1, ... below a count [1]."""
    return t.add("Range", [b.scalar("zero", 0), t.add("Squeeze", [count]), b.scalar("one", 1)])


def attention_operator(
    b: Builder, t: Body, qkv: str, past: Sequence[str], last_valid: str, total: str, caches: Sequence[str]
) -> list[str]:
    """ONNX Runtime's attention operator over the keys and values of the past and the projections `qkv`.

    Returns the attention [batch, seq, query_heads * head_dim] and the whole text's keys and values [batch, kv_heads,
    capacity, head_dim].
    """
    c = b.config
    inputs = [qkv, "", "", *past, last_valid, total, *caches]
    if not b.half:
        # An attention sink of weight zero. With a sink the operator does not split the text into blocks by the size of the processor's cache.
        none = np.full(c.query_heads, MASKED, dtype=np.float32)
        inputs += ["", "", b.constant("attention.sink", none)]
    return t.add_all(
        "GroupQueryAttention",
        inputs,
        3,
        domain=CONTRIB,
        num_heads=c.query_heads,
        kv_num_heads=c.kv_heads,
        do_rotary=1,
        rotary_interleaved=0,
        scale=float(c.head_dim**-0.5),
    )


def layer_attention(b: Builder, layer: int, qkv: str, step: Step, wanted: str) -> Attention:
    """One layer's attention of the new tokens to the past and to themselves.

    The last layer attends only at the positions `wanted` [batch, n, 1]: one for a prefill, none for an embedding.
    """
    c = b.config
    past = (f"past.{layer}.key", f"past.{layer}.value")
    last = layer == c.layers - 1

    def whole(t: Body) -> list[str]:
        attention, *past_and_new = attention_operator(
            b, t, qkv, past, step.last_valid_int, step.total_int, step.attention_caches
        )
        return [
            attention,
            *(t.add("Slice", [each, "past_length", step.total, b.ints(2)]) for each in past_and_new),
        ]

    def heads(t: Body, x: str, count: int) -> str:
        return t.add("Transpose", [t.add("Reshape", [x, b.ints(0, -1, count, c.head_dim)])], perm=[0, 2, 1, 3])

    def turned(t: Body, x: str, positions: str, count: int) -> str:
        return t.add(
            "RotaryEmbedding", [x, positions, step.cos, step.sin], domain=CONTRIB, num_heads=count, interleaved=0
        )

    def few(t: Body) -> list[str]:
        rows, value = t.add_all(
            "Split",
            [heads(t, qkv, c.query_heads + 2 * c.kv_heads), b.ints(c.query_heads + c.kv_heads, c.kv_heads)],
            2,
            axis=1,
        )
        # A single position is the offset of all rows.
        rows = turned(t, rows, "past_length", c.query_heads + c.kv_heads)
        query, key = t.add_all("Split", [rows, b.ints(c.query_heads, c.kv_heads)], 2, axis=1)
        attention = attention_products(b, t, query, key, value, past, step.mask, step)
        return [b.take(attention, wanted, t) if last else attention, key, value]

    def of_wanted(t: Body) -> list[str]:
        ends = [
            b.ints(end)
            for end in (0, c.attended, c.attended + c.kv_heads * c.head_dim, c.attended + 2 * c.kv_heads * c.head_dim)
        ]
        query, key, value = (
            t.add("Slice", [x, *ends[part : part + 2], b.ints(2)])
            for part, x in enumerate((b.take(qkv, wanted, t), qkv, qkv))
        )
        query = heads(
            t, turned(t, query, t.add("Add", ["logit_positions", "past_length"]), c.query_heads), c.query_heads
        )
        key, value = heads(t, turned(t, key, "past_length", c.kv_heads), c.kv_heads), heads(t, value, c.kv_heads)
        # Of the new tokens a position sees those up to itself.
        own = t.add("LessOrEqual", [count_up(b, t, step.seq), wanted])
        mask = t.add("Unsqueeze", [score_mask(b, t, own), b.ints(1)])
        return [attention_products(b, t, query, key, value, past, mask, step), key, value]

    if not step.few:
        attention, key, value = whole(b.body)
        return Attention(b.take(attention, wanted) if last else attention, key, value)
    rows: Shape = ["batch", c.kv_heads, "seq", c.head_dim]
    shapes: tuple[Shape, ...] = (["batch", "n" if last else "seq", c.attended], rows, rows)
    names = [f"layers.{layer}/{name}" for name in ("attention", "keys", "values")]
    b.body.add(
        "If",
        [step.few],
        names,
        then_branch=if_branch(f"layers.{layer}.few", few, *shapes),
        else_branch=if_branch(f"layers.{layer}.many", of_wanted if last else whole, *shapes),
    )
    output, keys, values = names
    return Attention(output, keys, values)


def score_mask(b: Builder, t: Body, own: str) -> str:
    """What is added to the scores of n tokens for the keys of the new tokens; `own` [*, n, seq] says which of them each sees.

    [*, group * n, seq]: the rows of the query heads that share a key-value head are stacked.
    """
    mask = t.add("Where", [own, b.scalar("unmasked", 0.0), b.scalar("masked", MASKED)])
    return t.add("Concat", [mask] * (b.config.query_heads // b.config.kv_heads), axis=-2)


def attention_products(
    b: Builder, t: Body, query: str, key: str, value: str, past: Sequence[str], mask: str, step: Step
) -> str:
    """The attention [batch, n, query_heads * head_dim] of `query` [batch, query_heads, n, head_dim] to the past, and to `key` and
    `value` [batch, kv_heads, seq, head_dim], with `mask` added to the scores of these.

    The result has the same bits as the operator's, which multiplies weights and values in blocks of positions and adds up the
    results. Masked positions at the end add zeros.
    """
    c = b.config
    block = sum_block(c.head_dim)
    query = t.add("Reshape", [query, b.ints(0, c.kv_heads, -1, c.head_dim)])
    read, own = (
        t.add("FusedMatMul", [query, keys], domain=CONTRIB, transB=1, alpha=float(c.head_dim**-0.5))
        for keys in (past[0], key)
    )
    read = t.add("Slice", [read, b.ints(0), "past_length", b.ints(3)])
    scores = t.add("Concat", [read, t.add("Add", [own, mask])], axis=3)
    masked = b.scalar("masked", MASKED)
    weight = t.add("Softmax", [t.add("Pad", [scores, step.fill, masked])], axis=-1)
    shape = t.add("Concat", [t.add("Shape", [weight], start=0, end=3), step.blocks, b.ints(block)], axis=0)
    weight = t.add("Transpose", [t.add("Reshape", [weight, shape])], perm=[0, 1, 3, 2, 4])
    held = t.add("Slice", [past[1], b.ints(0), "past_length", b.ints(2)])
    values = t.add("Concat", [held, value, step.filling], axis=2)
    values = t.add("Reshape", [values, b.ints(0, 0, -1, block, c.head_dim)])
    blocks = t.add("CumSum", [product_of_rows(t, weight, values), b.scalar("two", 2)])
    mixed = t.add("Gather", [blocks, b.scalar("last", -1)], axis=2)
    mixed = t.add("Transpose", [t.add("Reshape", [mixed, b.ints(0, c.query_heads, -1, c.head_dim)])], perm=[0, 2, 1, 3])
    return t.add("Reshape", [mixed, b.ints(0, 0, c.attended)])
