"""Builds the whole graph and declares its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from selfracg.export.graph.attention import Step, few_rows, layer_attention
from selfracg.export.graph.builder import Builder, Origin
from selfracg.export.graph.codes import WEIGHT_STEPS
from selfracg.export.graph.config import Adapter, GraphConfig, check_adapter
from selfracg.export.graph.decoder import rotary_initialisers, write_decoder
from selfracg.export.graph.expression import write_expression
from selfracg.export.graph.nodes import CONTRIB, Body, if_branch, product_of_rows

OPSET = 21
IR_VERSION = 10


def build_graph(
    config: GraphConfig,
    weights: Mapping[str, np.ndarray],
    adapter: Adapter,
    stored: str = "float32",
    steps: Mapping[str, float] | None = None,
    *,
    largest_code: int = WEIGHT_STEPS,
    origins: dict[str, Origin] | None = None,
) -> tuple[onnx.ModelProto, int]:
    """Writes the decoder as an ONNX model.

    `weights` maps Hugging Face tensor names to arrays; a missing lm_head.weight means tied embeddings. Returns the model
    and its number of parameters (adapters included). `stored` is one of WEIGHTS; adapters, norms and biases are never
    int8. `steps` gives for int8 the size of a code's step in what linear layers read: "layers.{l}.qkv", ".output", ".gate"
    (and `up`), ".down", ".expressed" (the adapter's attention, before the output projection) and "head". Raises
    KeyError for a missing tensor, ValueError for a shape or kind of weights that cannot be expressed and for a missing step.
    """
    b = Builder(config, weights, adapter, stored, steps or {}, largest_code)
    body, c, rank = b.body, config, adapter.rank
    check_adapter(config, adapter)

    # Sizes and positions that all layers share.
    seq = body.add("Shape", ["input_ids"], start=1, end=2)
    total = body.add("Add", ["past_length", seq])
    total_int = body.add("Squeeze", [body.add("Cast", [total], to=TensorProto.INT32)])
    last_valid = body.add("Sub", [body.add("Add", ["past_length", "lengths"]), b.ints(1)])
    last_valid_int = body.add("Cast", [last_valid], to=TensorProto.INT32)
    wanted = body.add("Unsqueeze", ["logit_positions", b.ints(-1)])
    cos, sin, attention_caches = rotary_initialisers(b)
    # Low-rank terms of the query adapter are cached even where nothing is expressed, so that a later step can express.
    index = body.add(
        "Clip",
        [
            "adapter",
            b.scalar("adapter.first", 0),
            b.scalar("adapter.last", adapter.count - 1),
        ],
    )
    index = body.add("Squeeze", [index])

    shared = Step(seq, total, total_int, last_valid, last_valid_int, cos, sin, attention_caches)
    if not b.half:
        shared = few_rows(b, shared)

    final, layers = write_decoder(
        b, body, "input_ids", lambda layer, qkv: layer_attention(b, layer, qkv, shared, wanted), wanted
    )
    body.add("Identity", [b.head(final, body)], ["logits"])

    # Concatenated without a reshape, which would copy them.
    for part, rows in (
        ("key", [layer.attention.keys for layer in layers]),
        ("value", [layer.attention.values for layer in layers]),
    ):
        body.add("Concat", rows, [f"new.{part}"], axis=0)
    # The expression needs A_k x and A_v x of every token: 2 * rank numbers for each layer, all layers in one product.
    down = np.stack(
        [
            np.concatenate([adapter.tensors[f"layers.{layer}.{p}.A"] for p in "kv"], axis=1).transpose(0, 2, 1)
            for layer in range(c.layers)
        ],
        axis=1,
    )
    read = b.wide(body.add("Concat", [layer.x for layer in layers], axis=0), body)
    read = body.add("Reshape", [read, b.ints(c.layers, -1, c.hidden)])
    # One branch for each adapter: a Gather of the adapter's matrices would copy them in every run.
    stacked = [b.weight(f"layers.need.A.{each}", part, wide=True) for each, part in enumerate(down)]

    def product(matrix: str) -> Callable[[Body], list[str]]:
        return lambda t: [product_of_rows(t, read, matrix)]

    products = [
        if_branch(f"need.{each}", product(name), [c.layers, None, 2 * rank]) for each, name in enumerate(stacked)
    ]
    if len(products) == 1:
        product_of_rows(body, read, stacked[0], ["new.need"])
    else:
        first = body.add("Equal", [index, b.scalar("adapter.first", 0)])
        body.add("If", [first], ["new.need"], then_branch=products[0], else_branch=products[1])

    write_expression(b, shared, layers)
    if origins is not None:
        origins.update(b.origins)
    return finish(b, rank), b.parameters


def without_training(model: bytes) -> bytes:
    """The same graph with an untrained adapter: every B is zero, so that it reads the backbone's own attention."""
    proto = onnx.load_from_string(model)
    for tensor in proto.graph.initializer:
        if tensor.name.startswith("layers.need.") and ".B." in tensor.name:
            zeros = np.zeros(tuple(tensor.dims), dtype=helper.tensor_dtype_to_np_dtype(tensor.data_type))
            tensor.CopyFrom(numpy_helper.from_array(zeros, tensor.name))
    return proto.SerializeToString()


def finish(b: Builder, rank: int) -> onnx.ModelProto:
    """Declares inputs and outputs and wraps the nodes into a checked model."""
    c = b.config

    def value(name: str, kind: int, shape: list[str | int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    inputs = [
        value("input_ids", TensorProto.INT64, ["batch", "seq"]),
        value("lengths", TensorProto.INT64, ["batch"]),
        value("logit_positions", TensorProto.INT64, ["batch", "n"]),
        value("adapter", TensorProto.INT64, [1]),
        value("past_length", TensorProto.INT64, [1]),
    ]
    outputs = [
        value("logits", TensorProto.FLOAT, ["batch", "n", c.vocabulary]),
        value("expression", TensorProto.FLOAT, ["batch", c.hidden]),
        value("attention", TensorProto.FLOAT, ["layers_batch", "weighed"]),
    ]
    for part in ("key", "value"):
        outputs.append(value(f"new.{part}", b.computed, ["layers_batch", c.kv_heads, "seq", c.head_dim]))
    outputs.append(value("new.need", TensorProto.FLOAT, [c.layers, "tokens", 2 * rank]))
    for layer in range(c.layers):
        for part in ("key", "value"):
            inputs.append(value(f"past.{layer}.{part}", b.computed, ["batch", c.kv_heads, "capacity", c.head_dim]))
    inputs.append(value("past.need", TensorProto.FLOAT, [c.layers, "batch", "capacity", 2 * rank]))
    # Casts of weights come first, also of those that only branches of an If read.
    casts = [n for n in b.body.nodes if n.op_type == "Cast" and n.input[0].endswith(".f16")]
    others = [n for n in b.body.nodes if not (n.op_type == "Cast" and n.input[0].endswith(".f16"))]
    graph = helper.make_graph(casts + others, "selfracg", inputs, outputs, initializer=b.initialisers)
    return helper.make_model(
        graph,
        producer_name="selfracg",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)],
    )
