"""Builds the ONNX graph: one decoder with KV cache, logits at asked positions and the L-LoRA expression.

The graph is written node by node with onnx.helper, so that what the runtime executes is what stands here. It follows the
operators ONNX Runtime's own generative models use (GroupQueryAttention with rotary embedding inside, simplified layer
normalisation fused with the residual sum) and adds the expression of METHOD "L-LoRA" beside the frozen attention.

Inputs   input_ids int64 [batch, seq] (right-padded); lengths int64 [batch]; logit_positions int64 [batch, n];
         adapter int64 [1] (-1 none, 0 query, 1 fragment); past_length int64 [1]; past.{l}.key and past.{l}.value float
         [batch, kv_heads, capacity, head_dim]; past.need float [layers, batch, capacity, 2 * rank]. The past buffers hold
         past_length rows at their beginning; what lies behind must be finite and counts for nothing. Their capacity is
         past_length, or at least past_length + seq (the attention operator takes nothing in between).
Outputs  logits float [batch, n, vocabulary]; expression float [batch, query_heads * head_dim, or hidden where it is projected];
         attention float [layers * batch, past_length + seq], what the expression's own attention weighs at the last token, the mean
         over its heads (empty for a mean over tokens, and where nothing is expressed);
         new.key and new.value float [layers * batch, kv_heads, seq, head_dim]; new.need float [layers, batch * seq, 2 * rank].

Only the rows of the tokens just read come back: whoever runs the graph owns the buffers and writes the rows behind the
past, so that no run has to hand over a text's whole history.

A batch larger than one needs past_length = 0, and with a past every length equals seq: rows of unequal history have no
common position of the next token. Where fragments are read as the mean over their tokens, they come without a past.

What an expression takes beside the decoder stands in one branch at the end: a step that does not express passes one
node instead of several a layer.

In the last layer only the wanted positions attend, to the past where it lies: whatever else is read there gives but keys and values.

A long row of tokens attends through ONNX Runtime's own operator in the others. It copies all keys and values into new buffers first, once
for every query head, which is most of the time of a step that reads a token or verifies a few: such rows attend in products
of their own ("half" has neither: there copies stay on the device).

Both ways to attend give the same bits. A difference in the last bit would not stay there: where an activation stands between two
codes it is rounded the other way, and every layer behind multiplies that. So the products take their sums in the operator's order,
over the positions of the whole text from the first on, wherever the past ends.

Weights are stored as float32, as float16 that computes in float32, or as int8. "half" is float16 that computes as such, for
GPUs: keys and values are float16 too, while logits, needs and the expression stay float32. With int8 the linear layers multiply
integers: weights have one scale an output channel, activations one a layer, found beforehand on real code (calibration). A
token's result depends on that token's row alone, not on the rows that share its run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from transformers import AutoConfig, LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

OPSET = 21
IR_VERSION = 10
CONTRIB = "com.microsoft"
WEIGHTS = ("float32", "float16", "int8", "int8-dynamic", "half")
SUPPORTED_TYPES = ("qwen2", "llama")
# Rotary embeddings whose angles depend on the position alone.
ROPE_TYPES = ("default", "linear", "llama3", "yarn")
# Codes of weights are signed, those of activations unsigned around a zero. 2 * 255 * 64 < 2**15: processors without VNNI add
# pairs of products in 16 bits, and with more steps for the weights those sums could overflow.
WEIGHT_STEPS = 64
ROW_STEPS, ROW_ZERO = 127, 128
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
# A matrix's row of zeros has this magnitude, so that its scale divides.
SMALLEST = np.float32(1e-20)
# Added to the score of a masked key: exp() of it is zero in float32, and it cannot overflow when added to a score.
MASKED = -1e30
# Rows of at most so many tokens attend to the past where it lies. Beyond it the operator's own product is faster.
FEW = 16
# Sizes of a tensor: numbers, names of sizes that only a run knows, None for any.
Shape = Sequence[str | int | None]


@dataclass(frozen=True)
class GraphConfig:
    """Shape of a Llama or Qwen2 backbone, in the graph's own terms."""

    model_type: str
    hidden: int
    layers: int
    query_heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    eps: float
    context: int
    # Angle a position turns each pair of a head by, and what cosines and sines are multiplied with.
    frequencies: tuple[float, ...]
    rotary_scale: float

    @property
    def attended(self) -> int:
        """Length of an attention's output, in the query-head layout."""
        return self.query_heads * self.head_dim

    def architecture(self, parameters: int) -> dict[str, object]:
        """The member `architecture` of model.json; `parameters` counts those of the adapters too."""
        return {
            "type": self.model_type,
            "hiddenSize": self.hidden,
            "layers": self.layers,
            "queryHeads": self.query_heads,
            "keyValueHeads": self.kv_heads,
            "headDim": self.head_dim,
            "intermediateSize": self.intermediate,
            "vocabularySize": self.vocabulary,
            "parameters": parameters,
        }

    @staticmethod
    def from_hf(config: Mapping[str, Any]) -> GraphConfig:
        """Reads a Hugging Face config.json (as a mapping). ValueError names the first thing the graph cannot express."""
        kind = str(config.get("model_type"))
        if kind not in SUPPORTED_TYPES:
            raise ValueError(
                f"expected model_type {' or '.join(SUPPORTED_TYPES)}, found {kind!r}: export another checkpoint"
            )
        activation = config.get("hidden_act", "silu")
        if activation != "silu":
            raise ValueError(f"expected hidden_act 'silu', found {activation!r}: the graph has no other activation")
        if config.get("use_sliding_window"):
            raise ValueError(
                "expected full attention, found use_sliding_window: set it to false if the context fits the window"
            )
        heads = int(config["num_attention_heads"])
        hidden = int(config["hidden_size"])
        head_dim = int(config.get("head_dim") or hidden // heads)
        if head_dim % 16:
            raise ValueError(
                f"expected a head dimension that is a multiple of 16, found {head_dim}: the attention operator needs it"
            )
        frequencies, rotary_scale = _rotary(config)
        return GraphConfig(
            model_type=kind,
            hidden=hidden,
            layers=int(config["num_hidden_layers"]),
            query_heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=head_dim,
            intermediate=int(config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            eps=float(config["rms_norm_eps"]),
            context=int(config["max_position_embeddings"]),
            frequencies=frequencies,
            rotary_scale=rotary_scale,
        )


def _rotary(config: Mapping[str, Any]) -> tuple[tuple[float, ...], float]:
    """Frequencies [head_dim / 2] and scale of a configuration's rotary embedding, as transformers computes them."""
    made = AutoConfig.for_model(**config)
    # Newer configs keep theta and scaling together in rope_parameters, older ones in two fields.
    rope = getattr(made, "rope_parameters", None) or getattr(made, "rope_scaling", None) or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ROPE_TYPES:
        raise ValueError(
            f"expected a rope type among {', '.join(ROPE_TYPES)}, found {kind!r}: its angles change with the text's length"
        )
    # Qwen2's is the same class under another name.
    module: Any = LlamaRotaryEmbedding(cast(LlamaConfig, made))
    return tuple(module.inv_freq.tolist()), float(module.attention_scaling)


@dataclass(frozen=True)
class Adapter:
    """L-LoRA weights as arrays: layers.{l}.{q|k|v}.A [adapters, rank, hidden] and .B [adapters, out, rank]."""

    tensors: Mapping[str, np.ndarray]
    rank: int
    alpha: float
    normalise: bool = True
    # Weight of each layer in the expression, adding up to 1; None: all alike.
    layer_weights: tuple[float, ...] | None = None
    # Whether each layer's part is brought to length 1 first.
    layer_normalise: bool = False
    # Whether each layer's part goes through the backbone's output projection, before that.
    project: bool = True
    # Fragments are read at their "last" token, or as the "mean" over their tokens.
    pool: str = "last"

    @property
    def count(self) -> int:
        """How many adapters are stacked: 2 (query, fragment), or 1 when both share one."""
        return int(self.tensors["layers.0.q.A"].shape[0])


@dataclass
class _Body:
    """Nodes of a graph under construction, with names made unique by a prefix."""

    prefix: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    counter: int = 0

    def add(self, op: str, inputs: list[str], outputs: int | list[str] = 1, domain: str = "", **attributes: Any) -> str:
        """Appends a node and returns its first output's name; `outputs` gives a count or the names themselves."""
        self.counter += 1
        base = f"{self.prefix}/{op}_{self.counter}"
        names = outputs if isinstance(outputs, list) else [f"{base}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=base, domain=domain, **attributes))
        return names[0]


def rotary_caches(config: GraphConfig) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines [context, head_dim / 2], in float32 throughout as transformers computes them."""
    frequencies = np.array(config.frequencies, dtype=np.float32)
    angles = np.outer(np.arange(config.context, dtype=np.float32), frequencies).astype(np.float32)
    scale = np.float32(config.rotary_scale)
    return np.cos(angles) * scale, np.sin(angles) * scale


def int8_codes(matrix: np.ndarray, largest: int = WEIGHT_STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Codes int8 [rows, columns] up to `largest` and scales float32 [rows] of a matrix: value = code * scale of its row."""
    matrix = np.asarray(matrix, dtype=np.float32)
    scale = np.maximum(np.abs(matrix).max(axis=1), SMALLEST) / np.float32(largest)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale


@dataclass(frozen=True)
class Origin:
    """What of a checkpoint an initialiser holds: its tensors by Hugging Face name, joined by rows, as `part` "codes", "scales" or "float32"."""

    tensors: tuple[str, ...]
    part: str
    # [inputs, outputs] instead of the checkpoint's [outputs, inputs].
    transposed: bool = False


class _Builder:
    """Holds the initialisers and the main body while the decoder is written out layer by layer."""

    def __init__(
        self,
        config: GraphConfig,
        weights: Mapping[str, np.ndarray],
        adapter: Adapter,
        stored: str,
        steps: Mapping[str, float],
        largest_code: int,
    ) -> None:
        if stored not in WEIGHTS:
            raise ValueError(f"expected weights {', '.join(WEIGHTS)}, found {stored!r}")
        self.config = config
        self.weights = weights
        self.adapter = adapter
        self.stored_half = stored != "float32"
        self.dynamic = stored == "int8-dynamic"
        self.int8 = stored == "int8" or self.dynamic
        self.half = stored == "half"
        self.steps = steps
        self.largest_code = largest_code
        self.origins: dict[str, Origin] = {}
        self.body = _Body("decoder")
        self.initialisers: list[onnx.TensorProto] = []
        self.parameters = 0
        self._known: dict[str, str] = {}
        self._rows: dict[str, str] = {}
        self._largest: dict[str, str] = {}
        # What each row of an activation is still to be multiplied by.
        self._factor: dict[str, str] = {}

    @property
    def dimension(self) -> int:
        """Length of an expression vector."""
        return self.config.hidden if self.adapter.project else self.config.attended

    def constant(self, name: str, value: np.ndarray) -> str:
        """Registers a small constant (shapes, indices, scalars) once by name."""
        if name not in self._known:
            self.initialisers.append(numpy_helper.from_array(value, name))
            self._known[name] = name
        return self._known[name]

    def ints(self, *values: int) -> str:
        return self.constant("i64." + "_".join(str(v) for v in values), np.array(values, dtype=np.int64))

    @property
    def computed(self) -> int:
        """Type of the decoder's activations, of keys and values."""
        return TensorProto.FLOAT16 if self.half else TensorProto.FLOAT

    def wide(self, x: str, body: _Body) -> str:
        """An activation of the decoder in float32."""
        return body.add("Cast", [x], to=TensorProto.FLOAT) if self.half else x

    def narrow(self, x: str, body: _Body) -> str:
        """A float32 tensor as an activation of the decoder."""
        return body.add("Cast", [x], to=TensorProto.FLOAT16) if self.half else x

    def weight(self, name: str, value: np.ndarray, wide: bool = False) -> str:
        """Registers a trained tensor, in the type the decoder computes in, or `wide` in float32 in any case.

        Matrices may be stored as float16 behind a Cast, which the runtime folds at load.
        """
        if name in self._known:
            return self._known[name]
        value = np.ascontiguousarray(value, dtype=np.float32)
        self.parameters += value.size
        narrow = self.half and not wide
        if narrow or self.stored_half and value.ndim >= 2:
            largest = float(np.abs(value).max(initial=0.0))
            if largest > 65504.0:
                raise ValueError(
                    f"{name}: expected values within float16 (65504), found {largest}: export with --weights float32"
                )
            self.initialisers.append(
                numpy_helper.from_array(value.astype(np.float16), name if narrow else name + ".f16")
            )
            self._known[name] = name if narrow else self.body.add("Cast", [name + ".f16"], [name], to=TensorProto.FLOAT)
        else:
            self.initialisers.append(numpy_helper.from_array(value, name))
            self._known[name] = name
        return self._known[name]

    def tensor(self, name: str) -> np.ndarray:
        """A backbone tensor by its Hugging Face name. KeyError says which one the checkpoint lacks."""
        if name not in self.weights:
            raise KeyError(
                f"expected tensor {name} in the checkpoint, found none: is this a {self.config.model_type} checkpoint?"
            )
        return np.asarray(self.weights[name], dtype=np.float32)

    def weight_of(self, label: str, tensors: Sequence[str], transposed: bool = False) -> str:
        """Registers checkpoint tensors, joined by rows, as the trained tensor `label`."""
        joined = np.concatenate([self.tensor(name) for name in tensors], axis=0)
        self.origins.setdefault(label, Origin(tuple(tensors), "float32", transposed))
        return self.weight(label, joined.T if transposed else joined)

    def codes_of(self, label: str, tensors: Sequence[str], transposed: bool = False) -> tuple[str, str]:
        """Registers checkpoint matrices, joined by rows, as int8 codes [outputs, inputs] and scales [outputs]: names of the two."""
        names = label + ".codes", label + ".scale"
        if names[0] not in self._known:
            codes, scale = int8_codes(
                np.concatenate([self.tensor(name) for name in tensors], axis=0), self.largest_code
            )
            self.parameters += codes.size
            self.constant(names[0], np.ascontiguousarray(codes.T) if transposed else codes)
            self.constant(names[1], scale)
            self.origins[names[0]] = Origin(tuple(tensors), "codes", transposed)
            self.origins[names[1]] = Origin(tuple(tensors), "scales")
        return names

    def linear(
        self,
        x: str,
        names: list[str],
        label: str,
        body: _Body | None = None,
        read: str = "",
        deferred: bool = False,
    ) -> str:
        """y = x W^T (+ b) for one projection or several with a common input x [batch, n, inputs], concatenated into one product.

        With one step a layer x is rounded by the step of the input that `read` names, by default that of `label`. Where activations are
        quantised dynamically, `deferred` leaves the multiplication of y's rows to the product behind `gated`.
        """
        body = body or self.body
        matrices = [n + ".weight" for n in names]
        bias = ""
        if any(n + ".bias" in self.weights for n in names):
            bias = self.weight_of(label + ".bias", [n + ".bias" for n in names])
        if not self.int8:
            y = body.add("MatMul", [x, self.weight_of(label + ".weight", matrices, transposed=True)])
            return body.add("Add", [y, bias]) if bias else y
        codes, scale = self.codes_of(label, matrices, transposed=True)
        return self.integer_product(x, codes, scale, read or label, body, bias, deferred and not bias)

    def integer_product(
        self, x: str, codes: str, scale: str, read: str, body: _Body, bias: str = "", deferred: bool = False
    ) -> str:
        """x [batch, n, inputs] times a quantised matrix (codes [inputs, outputs], scale [outputs]), rounded by the step of the input `read`,
        or where activations are quantised dynamically by each row's own."""
        if self.dynamic:
            return self._dynamic_product(x, codes, scale, body, bias, deferred)
        if read not in self.steps:
            raise ValueError(
                f"expected a step for the input {read}, found none: calibrate this backbone, int8 needs it"
            )
        step = self.constant(read + ".step", np.array(self.steps[read], dtype=np.float32))
        zero = self.constant("int8.zero", np.array(ROW_ZERO, dtype=np.uint8))
        if x not in self._rows:
            self._rows[x] = body.add("QuantizeLinear", [x, step, zero])
        return body.add("MatMulIntegerToFloat", [self._rows[x], codes, step, scale, zero, "", bias], domain=CONTRIB)

    def _dynamic_product(self, x: str, codes: str, scale: str, body: _Body, bias: str, deferred: bool) -> str:
        """x times a quantised matrix, each row of x divided by its largest magnitude first and multiplied by it at the end.

        A row of zeros gives codes of 0 / 0, whatever these are, and is multiplied by zero. Where `deferred`, rows are left
        divided: whoever multiplies by them next passes `_factor` on.
        """
        step = self.constant("int8.step", np.array(1 / ROW_STEPS, dtype=np.float32))
        zero = self.constant("int8.zero", np.array(ROW_ZERO, dtype=np.uint8))
        if x not in self._rows:
            largest = body.add("ReduceMax", [body.add("Abs", [x]), self.ints(-1)], keepdims=1)
            # Of no rows at all, ONNX Runtime 1.30 gives back the shape of its input.
            largest = body.add("Slice", [largest, self.ints(0), self.ints(1), self.ints(-1)])
            self._rows[x] = body.add("QuantizeLinear", [body.add("Div", [x, largest]), step, zero])
            self._largest[x] = body.add("Mul", [largest, self._factor[x]]) if x in self._factor else largest
        y = body.add("MatMulIntegerToFloat", [self._rows[x], codes, step, scale, zero], domain=CONTRIB)
        if deferred:
            self._factor[y] = self._largest[x]
            return y
        y = body.add("Mul", [y, self._largest[x]])
        return body.add("Add", [y, bias]) if bias else y

    def gated(self, gate: str, up: str, body: _Body) -> str:
        """silu(gate) * up, whose rows are left divided where those of `up` are."""
        gated = body.add("Mul", [body.add("QuickGelu", [gate], domain=CONTRIB, alpha=1.0), up])
        if up in self._factor:
            self._factor[gated] = self._factor[up]
        return gated

    def embed(self, ids: str, body: _Body) -> str:
        """Rows of the embedding [batch, seq, hidden]."""
        if not self.int8:
            return body.add("Gather", [self.weight_of("embedding", [EMBEDDING]), ids])
        codes, scale = self.codes_of("embedding", [EMBEDDING])
        rows = body.add("Cast", [body.add("Gather", [codes, ids])], to=TensorProto.FLOAT)
        step = body.add("Gather", [scale, ids])
        return body.add("Mul", [rows, body.add("Unsqueeze", [step, self.ints(-1)])])

    def head(self, x: str, body: _Body) -> str:
        """Logits [batch, n, vocabulary] of x [batch, n, hidden], from the LM head or, where the checkpoint has none, from the embedding."""
        label, name = ("head", HEAD) if HEAD in self.weights else ("embedding", EMBEDDING)
        if not self.int8:
            turned = self.weight_of(label, [name])
            return self.wide(body.add("FusedMatMul", [x, turned], domain=CONTRIB, transB=1, alpha=1.0), body)
        codes, scale = self.codes_of(label, [name])
        # A tied matrix is stored once; the runtime turns it as it loads.
        return self.integer_product(x, body.add("Transpose", [codes], perm=[1, 0]), scale, "head", body)

    def take(self, x: str, indices: str, body: _Body | None = None) -> str:
        """Rows of x [batch, seq, d] at indices [batch, m, 1], giving [batch, m, d]."""
        return (body or self.body).add("GatherND", [x, indices], batch_dims=1)


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
    b = _Builder(config, weights, adapter, stored, steps or {}, largest_code)
    body, c, rank = b.body, config, adapter.rank
    _check_adapter(config, adapter)

    # Sizes and positions every layer shares.
    seq = body.add("Shape", ["input_ids"], start=1, end=2)
    total = body.add("Add", ["past_length", seq])
    total_int = body.add("Squeeze", [body.add("Cast", [total], to=TensorProto.INT32)])
    last_valid = body.add("Sub", [body.add("Add", ["past_length", "lengths"]), b.ints(1)])
    last_valid_int = body.add("Cast", [last_valid], to=TensorProto.INT32)
    wanted = body.add("Unsqueeze", ["logit_positions", b.ints(-1)])
    cos, sin, attention_caches = _rotary_caches(b)
    # Without an expression the query adapter's low-rank terms are still cached, so that a later step can express.
    index = body.add(
        "Clip",
        [
            "adapter",
            b.constant("adapter.first", np.array(0, dtype=np.int64)),
            b.constant("adapter.last", np.array(adapter.count - 1, dtype=np.int64)),
        ],
    )
    index = body.add("Squeeze", [index])

    shared = _Step(seq, total, total_int, last_valid, last_valid_int, cos, sin, attention_caches)
    if not b.half:
        shared = _few_rows(b, shared)

    final, layers = _decode(b, body, "input_ids", lambda layer, qkv: _attend(b, layer, qkv, shared, wanted), wanted)
    body.add("Identity", [b.head(final, body)], ["logits"])

    # In shapes of their own they would be copied once more.
    for part, rows in (
        ("key", [layer.attention.keys for layer in layers]),
        ("value", [layer.attention.values for layer in layers]),
    ):
        body.add("Concat", rows, [f"new.{part}"], axis=0)
    # A_k x and A_v x are all the expression has to remember of a token: 2 * rank numbers a layer, all layers in one product.
    down = np.stack(
        [
            np.concatenate([adapter.tensors[f"layers.{layer}.{p}.A"] for p in "kv"], axis=1).transpose(0, 2, 1)
            for layer in range(c.layers)
        ],
        axis=1,
    )
    read = b.wide(body.add("Concat", [layer.x for layer in layers], axis=0), body)
    read = body.add("Reshape", [read, b.ints(c.layers, -1, c.hidden)])
    # Each in a branch of its own: to gather the matrices of the adapter in use would be to copy them in every run.
    stacked = [b.weight(f"layers.need.A.{each}", part, wide=True) for each, part in enumerate(down)]

    def product(matrix: str) -> Callable[[_Body], list[str]]:
        return lambda t: [_product_of_rows(t, read, matrix)]

    products = [_branch(f"need.{each}", product(name), [c.layers, None, 2 * rank]) for each, name in enumerate(stacked)]
    if len(products) == 1:
        _product_of_rows(body, read, stacked[0], ["new.need"])
    else:
        first = body.add("Equal", [index, b.constant("adapter.first", np.array(0, dtype=np.int64))])
        body.add("If", [first], ["new.need"], then_branch=products[0], else_branch=products[1])

    _express(b, shared, layers)
    if origins is not None:
        origins.update(b.origins)
    return _finish(b, rank), b.parameters


@dataclass(frozen=True)
class _Attention:
    """Names of what one layer's attention gives: its output [batch, seq, query_heads * head_dim] and keys and values."""

    output: str
    # The tokens' own keys and values [batch, kv_heads, seq, head_dim].
    keys: str
    values: str


@dataclass(frozen=True)
class _Layer:
    """Names of what a layer gives the expression: normed input, projections, attention."""

    x: str
    qkv: str
    attention: _Attention


def _decode(
    b: _Builder, body: _Body, ids: str, attend: Callable[[int, str], _Attention], wanted: str = ""
) -> tuple[str, list[_Layer]]:
    """(normed hidden states [batch, n, hidden], layers) of the tokens `ids` [batch, seq], at the positions `wanted` [batch, n, 1], by default all.

    `attend` gives a layer's attention from its number and its projections [batch, seq, (query_heads + 2 * kv_heads) * head_dim], of the last
    layer at the wanted positions.
    """
    c = b.config
    residual = b.embed(ids, body)
    branch = ""
    layers: list[_Layer] = []
    for layer in range(c.layers):
        source = f"model.layers.{layer}"
        norm = b.weight_of(f"layers.{layer}.input_norm", [f"{source}.input_layernorm.weight"])
        x, residual = _normalise(b, body, branch, residual, norm)
        qkv = b.linear(x, [f"{source}.self_attn.{p}_proj" for p in "qkv"], f"layers.{layer}.qkv", body)
        layers.append(_Layer(x, qkv, attend(layer, qkv)))
        attention = layers[-1].attention.output
        if wanted and layer == c.layers - 1:
            # From the last attention on only the wanted positions matter: a prefill pays for one row, an embedding for none.
            residual = b.take(residual, wanted)
        branch = b.linear(attention, [f"{source}.self_attn.o_proj"], f"layers.{layer}.output", body)
        norm = b.weight_of(f"layers.{layer}.mlp_norm", [f"{source}.post_attention_layernorm.weight"])
        x, residual = _normalise(b, body, branch, residual, norm)
        gate = b.linear(x, [f"{source}.mlp.gate_proj"], f"layers.{layer}.gate", body)
        up = b.linear(x, [f"{source}.mlp.up_proj"], f"layers.{layer}.up", body, f"layers.{layer}.gate", deferred=True)
        branch = b.linear(b.gated(gate, up, body), [f"{source}.mlp.down_proj"], f"layers.{layer}.down", body)
    return _normalise(b, body, branch, residual, b.weight_of("final_norm", ["model.norm.weight"]))[0], layers


def _rotary_caches(b: _Builder) -> tuple[str, str, tuple[str, str]]:
    """(cosines, sines [context, head_dim / 2], the same two as the attention operator takes them)."""
    c, body = b.config, b.body
    if b.dynamic:
        # The runtime makes them as it loads: a graph whose weights come of another file stays small.
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


def _unit(b: _Builder, t: _Body, x: str) -> str:
    """x [batch, dimension] brought to length 1; zeros stay zeros."""
    length = t.add("ReduceL2", [x, b.ints(-1)], keepdims=1)
    return t.add("Div", [x, t.add("Max", [length, b.constant("tiny", np.array(1e-12, dtype=np.float32))])])


def without_training(model: bytes) -> bytes:
    """The same graph with an untrained adapter: every B is zero, so that it reads the backbone's own attention."""
    proto = onnx.load_from_string(model)
    for tensor in proto.graph.initializer:
        if tensor.name.startswith("layers.need.") and ".B." in tensor.name:
            zeros = np.zeros(tuple(tensor.dims), dtype=helper.tensor_dtype_to_np_dtype(tensor.data_type))
            tensor.CopyFrom(numpy_helper.from_array(zeros, tensor.name))
    return proto.SerializeToString()


def _check_adapter(config: GraphConfig, adapter: Adapter) -> None:
    """Shapes of the adapter against the backbone's, before they fail somewhere less telling."""
    if adapter.layer_weights is not None and len(adapter.layer_weights) != config.layers:
        raise ValueError(
            f"expected {config.layers} layer weights, one a layer, found {len(adapter.layer_weights)}: train the adapter on this backbone"
        )
    sizes = {"q": config.attended, "k": config.kv_heads * config.head_dim, "v": config.kv_heads * config.head_dim}
    for layer in range(config.layers):
        for part, out in sizes.items():
            for side, shape in (
                ("A", (adapter.count, adapter.rank, config.hidden)),
                ("B", (adapter.count, out, adapter.rank)),
            ):
                name = f"layers.{layer}.{part}.{side}"
                if name not in adapter.tensors:
                    raise ValueError(
                        f"expected adapter tensor {name}, found none: was the adapter made for another backbone?"
                    )
                found = tuple(adapter.tensors[name].shape)
                if found != shape:
                    raise ValueError(
                        f"{name}: expected shape {shape}, found {found}: was the adapter made for another backbone?"
                    )


def _normalise(b: _Builder, body: _Body, branch: str, residual: str, norm: str) -> tuple[str, str]:
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


@dataclass(frozen=True)
class _Step:
    """Names of what every layer shares: sizes, positions, rotary caches."""

    seq: str
    total: str
    total_int: str
    last_valid: str
    last_valid_int: str
    cos: str
    sin: str
    # The same two as the attention operator takes them.
    attention_caches: tuple[str, str]
    # Where rows may be few: whether they are, and what is added to their scores of each other [group * seq, seq].
    few: str = ""
    mask: str = ""
    # For the products: how many blocks of positions the text makes, what fills scores up to whole blocks (as Pad takes it), and
    # values [batch, kv_heads, *, head_dim] that do.
    blocks: str = ""
    fill: str = ""
    filling: str = ""


def _branch(
    name: str,
    write: Callable[[_Body], Sequence[str]],
    *shapes: Shape | None,
) -> onnx.GraphProto:
    """A branch of an If: the nodes that `write` adds, and the floats that it returns, of those shapes (None: any)."""
    t = _Body(name)
    outputs = write(t)
    return helper.make_graph(
        t.nodes,
        name,
        [],
        [
            helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
            for output, shape in zip(outputs, shapes, strict=True)
        ],
    )


def _few_rows(b: _Builder, step: _Step) -> _Step:
    """`step` with what layers share that attend in products of their own, as one text of at most FEW tokens does."""
    body, c = b.body, b.config
    batch = body.add("Shape", ["input_ids"], start=0, end=1)
    one_text = body.add("Equal", [batch, b.ints(1)])
    few = body.add("Squeeze", [body.add("And", [one_text, body.add("LessOrEqual", [step.seq, b.ints(FEW)])])])

    def write(t: _Body) -> list[str]:
        own = _range(b, t, step.seq)
        return [_mask(b, t, t.add("LessOrEqual", [own, t.add("Unsqueeze", [own, b.ints(1)])]))]

    def nothing(t: _Body) -> list[str]:
        return [t.add("Identity", [b.constant("unmasked", np.array(0, dtype=np.float32))])]

    mask = body.add(
        "If", [few], then_branch=_branch("few.mask", write, None), else_branch=_branch("no.mask", nothing, None)
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
    """How many products of a matrix product's sum ONNX Runtime adds up before it adds them to those in front, for a right matrix of so many columns.

    It takes blocks of 128 times 128 numbers of that matrix, and where it is narrower, narrower and longer ones.
    """
    width, length = 128, 128
    while width > 16 and width // 2 >= columns:
        width, length = width // 2, length * 2
    return length


def _range(b: _Builder, t: _Body, count: str) -> str:
    """0, 1, ... below a count [1]."""
    return t.add(
        "Range",
        [
            b.constant("zero", np.array(0, dtype=np.int64)),
            t.add("Squeeze", [count]),
            b.constant("one", np.array(1, dtype=np.int64)),
        ],
    )


def _operator(
    b: _Builder, t: _Body, qkv: str, past: Sequence[str], last_valid: str, total: str, caches: Sequence[str]
) -> str:
    """ONNX Runtime's own attention over a past's keys and values and the projections `qkv`: the first of its outputs, which end in .0, .1 and .2.

    They are the attention [batch, seq, query_heads * head_dim] and the whole text's keys and values [batch, kv_heads, capacity, head_dim].
    """
    c = b.config
    inputs = [qkv, "", "", *past, last_valid, total, *caches]
    if not b.half:
        # Weight beside that of the tokens, here none. With it the operator does not cut the text into blocks that depend on the processor's cache.
        none = np.full(c.query_heads, MASKED, dtype=np.float32)
        inputs += ["", "", b.constant("attention.sink", none)]
    return t.add(
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


def _attend(b: _Builder, layer: int, qkv: str, step: _Step, wanted: str) -> _Attention:
    """One layer's attention of the tokens just read to the past and to themselves.

    Of the last layer's only the rows at the positions `wanted` [batch, n, 1] come of it: a prefill pays for one, an embedding for none.
    """
    c = b.config
    past = (f"past.{layer}.key", f"past.{layer}.value")
    last = layer == c.layers - 1

    def whole(t: _Body) -> list[str]:
        attention = _operator(b, t, qkv, past, step.last_valid_int, step.total_int, step.attention_caches)
        rows = [
            t.add("Slice", [attention.removesuffix(".0") + f".{part}", "past_length", step.total, b.ints(2)])
            for part in (1, 2)
        ]
        return [attention, *rows]

    def heads(t: _Body, x: str, count: int) -> str:
        return t.add("Transpose", [t.add("Reshape", [x, b.ints(0, -1, count, c.head_dim)])], perm=[0, 2, 1, 3])

    def turned(t: _Body, x: str, positions: str, count: int) -> str:
        return t.add(
            "RotaryEmbedding", [x, positions, step.cos, step.sin], domain=CONTRIB, num_heads=count, interleaved=0
        )

    def few(t: _Body) -> list[str]:
        rows = t.add(
            "Split",
            [heads(t, qkv, c.query_heads + 2 * c.kv_heads), b.ints(c.query_heads + c.kv_heads, c.kv_heads)],
            2,
            axis=1,
        )
        value = rows.removesuffix(".0") + ".1"
        # A single position means an offset for all rows.
        rows = turned(t, rows, "past_length", c.query_heads + c.kv_heads)
        query = t.add("Split", [rows, b.ints(c.query_heads, c.kv_heads)], 2, axis=1)
        key = query.removesuffix(".0") + ".1"
        attention = _products(b, t, query, key, value, past, step.mask, step)
        return [b.take(attention, wanted, t) if last else attention, key, value]

    def of_wanted(t: _Body) -> list[str]:
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
        # Of the tokens just read a position sees those up to itself.
        own = t.add("LessOrEqual", [_range(b, t, step.seq), wanted])
        mask = t.add("Unsqueeze", [_mask(b, t, own), b.ints(1)])
        return [_products(b, t, query, key, value, past, mask, step), key, value]

    if not step.few:
        attention, key, value = whole(b.body)
        return _Attention(b.take(attention, wanted) if last else attention, key, value)
    rows: Shape = ["batch", c.kv_heads, "seq", c.head_dim]
    shapes: tuple[Shape, ...] = (["batch", "n" if last else "seq", c.attended], rows, rows)
    names = [f"layers.{layer}/{name}" for name in ("attention", "keys", "values")]
    b.body.add(
        "If",
        [step.few],
        names,
        then_branch=_branch(f"layers.{layer}.few", few, *shapes),
        else_branch=_branch(f"layers.{layer}.many", of_wanted if last else whole, *shapes),
    )
    output, keys, values = names
    return _Attention(output, keys, values)


def _mask(b: _Builder, t: _Body, own: str) -> str:
    """What is added to the scores of n tokens to the keys of the tokens just read, which each sees as `own` [*, n, seq] says.

    [*, group * n, seq], since the rows of all query heads of a pair stand one below the other.
    """
    unmasked, masked = (
        b.constant("unmasked", np.array(0, dtype=np.float32)),
        b.constant("masked", np.array(MASKED, dtype=np.float32)),
    )
    mask = t.add("Where", [own, unmasked, masked])
    return t.add("Concat", [mask] * (b.config.query_heads // b.config.kv_heads), axis=-2)


def _products(
    b: _Builder, t: _Body, query: str, key: str, value: str, past: Sequence[str], mask: str, step: _Step
) -> str:
    """The attention [batch, n, query_heads * head_dim] of `query` [batch, query_heads, n, head_dim] to the past, and to `key` and
    `value` [batch, kv_heads, seq, head_dim], with `mask` added to the scores of these.

    The same to the bit as the operator's: it multiplies weights and values in blocks of positions, whose results it adds one to the
    other. Masked positions at the end add zeros.
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
    masked = b.constant("masked", np.array(MASKED, dtype=np.float32))
    weight = t.add("Softmax", [t.add("Pad", [scores, step.fill, masked])], axis=-1)
    shape = t.add("Concat", [t.add("Shape", [weight], start=0, end=3), step.blocks, b.ints(block)], axis=0)
    weight = t.add("Transpose", [t.add("Reshape", [weight, shape])], perm=[0, 1, 3, 2, 4])
    held = t.add("Slice", [past[1], b.ints(0), "past_length", b.ints(2)])
    values = t.add("Concat", [held, value, step.filling], axis=2)
    values = t.add("Reshape", [values, b.ints(0, 0, -1, block, c.head_dim)])
    blocks = t.add("CumSum", [_product_of_rows(t, weight, values), b.constant("two", np.array(2, dtype=np.int64))])
    mixed = t.add("Gather", [blocks, b.constant("last", np.array(-1, dtype=np.int64))], axis=2)
    mixed = t.add("Transpose", [t.add("Reshape", [mixed, b.ints(0, c.query_heads, -1, c.head_dim)])], perm=[0, 2, 1, 3])
    return t.add("Reshape", [mixed, b.ints(0, 0, c.attended)])


def _product_of_rows(t: _Body, rows: str, matrix: str, outputs: int | list[str] = 1) -> str:
    """rows [*, n, inputs] times matrix [*, inputs, outputs], of each row the same to the bit whatever n is.

    ONNX Runtime takes the sums of a single row in another order where nothing is multiplied behind. A half is, which loses nothing.
    """
    half = t.add("FusedMatMul", [rows, matrix], domain=CONTRIB, alpha=0.5)
    # Two times it, in a way that the runtime does not fold into the product.
    return t.add("Add", [half, half], outputs)


def _express(b: _Builder, step: _Step, layers: Sequence[_Layer]) -> None:
    """The outputs `expression` [batch, dimension], zeros where none is wanted, and `attention` [layers * batch, total], made inside an If."""

    def branch(name: str, write: Callable[[_Body], Sequence[str]]) -> onnx.GraphProto:
        return _branch(name, write, ["batch", b.dimension], ["layers_batch", None])

    def unweighed(t: _Body) -> str:
        return t.add("ConstantOfShape", [b.ints(0, 0)], value=numpy_helper.from_array(np.zeros(1, dtype=np.float32)))

    def nothing(t: _Body) -> list[str]:
        batch = t.add("Shape", ["input_ids"], start=0, end=1)
        return [
            t.add(
                "ConstantOfShape",
                [t.add("Concat", [batch, b.ints(b.dimension)], axis=0)],
                value=numpy_helper.from_array(np.zeros(1, dtype=np.float32)),
            ),
            unweighed(t),
        ]

    def at_last(each: int) -> Callable[[_Body], Sequence[str]]:
        def write(t: _Body) -> list[str]:
            attended, weight = _attended_at_last(b, t, step, layers, each)
            return [_combined(b, t, attended), weight]

        return write

    # The last adapter is the fragments', also where it is the only one. Each stands in a branch of its own, as its needs do.
    wanted = branch("last", at_last(0))
    mean = b.adapter.pool == "mean"
    if b.adapter.count > 1 or mean:
        last, number = wanted, b.adapter.count - 1
        of_fragment = branch(
            b.adapter.pool + ".fragment",
            (lambda t: [_combined(b, t, _attended_mean(b, t, step, layers, number)), unweighed(t)])
            if mean
            else at_last(number),
        )

        def choose(t: _Body) -> list[str]:
            fragment = t.add("Squeeze", [t.add("Equal", ["adapter", b.ints(1)])])
            first = t.add("If", [fragment], 2, then_branch=of_fragment, else_branch=last)
            return [first, first.removesuffix(".0") + ".1"]

        wanted = branch("expression_of_adapter", choose)
    expressing = b.body.add("Squeeze", [b.body.add("GreaterOrEqual", ["adapter", b.ints(0)])])
    b.body.add(
        "If", [expressing], ["expression", "attention"], then_branch=wanted, else_branch=branch("nothing", nothing)
    )


def _combined(b: _Builder, t: _Body, attended: str) -> str:
    """The expression [batch, dimension] out of each layer's attention output [layers, batch, query_heads * head_dim]."""
    c, adapter = b.config, b.adapter
    parts = attended
    if adapter.project:
        # The matrix is the layer's own.
        rows = [
            b.linear(
                rows,
                [f"model.layers.{layer}.self_attn.o_proj"],
                f"layers.{layer}.output",
                t,
                read=f"layers.{layer}.expressed",
            )
            for layer, rows in enumerate(_layers(b, t, b.narrow(parts, t)))
        ]
        parts = b.wide(t.add("Concat", rows, axis=0), t)
    if adapter.layer_normalise:
        parts = _unit(b, t, parts)
    if adapter.layer_weights is None:
        mean = t.add("ReduceMean", [parts, b.ints(0)], keepdims=0)
    else:
        shares = b.constant("layers.share", np.array(adapter.layer_weights, dtype=np.float32).reshape(c.layers, 1, 1))
        mean = t.add("ReduceSum", [t.add("Mul", [parts, shares]), b.ints(0)], keepdims=0)
    return _unit(b, t, mean) if adapter.normalise else mean


def _layers(b: _Builder, t: _Body, x: str) -> list[str]:
    """x [layers * batch, ...] as one tensor [batch, ...] a layer, in their order."""
    first = t.add("Split", [x], b.config.layers, axis=0, num_outputs=b.config.layers)
    return [first.removesuffix(".0") + f".{layer}" for layer in range(b.config.layers)]


def _up(b: _Builder, t: _Body, low_rank: str, up: str) -> str:
    """B (alpha / rank) of an adapter, times low-rank terms."""
    # The scale stands in the product, so that the stored matrices are the trained ones to the bit.
    return t.add("FusedMatMul", [low_rank, up], domain=CONTRIB, alpha=float(b.adapter.alpha / b.adapter.rank))


def _stacked(b: _Builder, part: str, each: int) -> str:
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


def _attended_at_last(b: _Builder, t: _Body, step: _Step, layers: Sequence[_Layer], each: int) -> tuple[str, str]:
    """What the retrieval-aware attention [layers, batch, query_heads * head_dim] sums up at each row's last valid token, and how
    much of it is of each token: weights [layers * batch, total], the mean over the heads.

    One query row attends over keys and values that carry the low-rank deltas. Rotation is linear, so the delta of a key
    is rotated alone, and its scores are added to those of the cached, already rotated key; the delta of the values is applied
    after the softmax, on rank numbers instead of head_dim. Nothing here hands a layer's result to the next one, so that each node computes
    all layers, but for the products with the past, which lies in a buffer a layer.
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
    low = t.add("MatMul", [x, _stacked(b, "query.A", each)])
    query = t.add("Add", [query, _up(b, t, low, _stacked(b, "query.B", each))])
    position = t.add("Expand", [step.last_valid, b.ints(c.layers, 1)])
    query = t.add(
        "RotaryEmbedding", [query, position, step.cos, step.sin], domain=CONTRIB, num_heads=c.query_heads, interleaved=0
    )
    query = sized(query, -1, c.kv_heads, group, c.head_dim)

    # Low-rank terms [layers, batch, total, 2 * rank]: the past's, of buffers that hold more behind it, and the new ones.
    need = t.add(
        "Concat",
        [part("past.need", b.ints(0), "past_length", 2), sized("new.need", c.layers, -1, step.seq, 2 * rank)],
        axis=2,
    )
    low_key = t.add("Unsqueeze", [part(need, b.ints(0), b.ints(rank), 3), b.ints(2)])
    low_value = sized(part(need, b.ints(rank), b.ints(2 * rank), 3), -1, 1, step.total, rank)
    delta = sized(_up(b, t, low_key, _stacked(b, "key.B", each)), -1, c.kv_heads, step.total, c.head_dim)
    # A single position means an offset: the cached keys always begin at position 0.
    delta = t.add(
        "RotaryEmbedding", [delta, b.ints(0), step.cos, step.sin], domain=CONTRIB, num_heads=c.kv_heads, interleaved=0
    )

    def scored(rows: str, keys: str) -> str:
        return t.add("FusedMatMul", [rows, keys], domain=CONTRIB, transB=1, alpha=scale)

    capacity = t.add("Shape", ["past.0.key"], start=2, end=3)
    read, made = (b.wide(sized(f"new.{name}", -1, c.kv_heads, step.seq, c.head_dim), t) for name in ("key", "value"))
    held = t.add(
        "Concat",
        [scored(rows, b.wide(f"past.{layer}.key", t)) for layer, rows in enumerate(_layers(b, t, query))],
        axis=0,
    )
    of_delta = t.add("Split", [scored(query, delta), t.add("Concat", ["past_length", step.seq], axis=0)], 2, axis=3)
    # What lies behind the past counts for nothing.
    spare = t.add("Concat", [b.ints(*[0] * 7), t.add("Sub", [capacity, "past_length"])], axis=0)
    masked, unmasked = (
        b.constant("masked", np.array(MASKED, dtype=np.float32)),
        b.constant("unmasked", np.array(0, dtype=np.float32)),
    )
    held = t.add("Add", [held, t.add("Pad", [of_delta, spare, masked])])
    own = t.add("Add", [scored(query, read), of_delta.removesuffix(".0") + ".1"])
    # Nor does what fills up a row of a batch.
    seen = t.add(
        "LessOrEqual", [_range(b, t, step.seq), t.add("Unsqueeze", [t.add("Sub", ["lengths", b.ints(1)]), b.ints(1)])]
    )
    filled = t.add(
        "Tile",
        [t.add("Unsqueeze", [t.add("Where", [seen, unmasked, masked]), b.ints(1, 2)]), b.ints(c.layers, 1, 1, 1)],
    )
    weight = t.add("Softmax", [t.add("Concat", [held, t.add("Add", [own, filled])], axis=3)], axis=-1)

    of_past = t.add("Split", [weight, t.add("Concat", [capacity, step.seq], axis=0)], 2, axis=3)
    of_own = of_past.removesuffix(".0") + ".1"
    value = t.add(
        "Concat",
        [
            t.add("MatMul", [rows, b.wide(f"past.{layer}.value", t)])
            for layer, rows in enumerate(_layers(b, t, of_past))
        ],
        axis=0,
    )
    value = t.add("Add", [value, t.add("MatMul", [of_own, made])])
    whole = t.add("Concat", [part(of_past, b.ints(0), "past_length", 3), of_own], axis=3)
    low_mixed = sized(t.add("MatMul", [whole, low_value]), c.layers, -1, c.kv_heads, group, rank)
    delta = sized(_up(b, t, low_mixed, _stacked(b, "value.B", each)), -1, c.kv_heads, group, c.head_dim)
    return sized(t.add("Add", [value, delta]), c.layers, -1, c.attended), t.add(
        "ReduceMean", [whole, b.ints(1, 2)], keepdims=0
    )


def _attended_mean(b: _Builder, t: _Body, step: _Step, layers: Sequence[_Layer], each: int) -> str:
    """The mean [layers, batch, query_heads * head_dim] over each row's valid tokens of what the retrieval-aware attention sums up there.

    Rows must be read whole, with no past: cached keys do not carry the deltas.
    """
    c, rank = b.config, b.adapter.rank

    def of_layer(stacked: str, layer: int) -> str:
        """One layer's matrix [inputs, outputs], which the runtime cuts out as it loads."""
        matrix = t.add("Gather", [stacked, b.constant(f"layer.{layer}", np.array(layer, dtype=np.int64))])
        if ".query." in stacked:
            return matrix
        heads = t.add("Transpose", [t.add("Squeeze", [matrix, b.ints(0)])], perm=[1, 0, 2])
        return t.add("Reshape", [heads, b.ints(rank, c.kv_heads * c.head_dim)])

    columns = _range(b, t, step.seq)
    valid = t.add("Unsqueeze", [t.add("Less", [columns, t.add("Unsqueeze", ["lengths", b.ints(1)])]), b.ints(2)])
    count = t.add("Cast", [t.add("Unsqueeze", ["lengths", b.ints(1)])], to=TensorProto.FLOAT)
    needs = t.add("Reshape", ["new.need", t.add("Concat", [b.ints(c.layers, -1), step.seq, b.ints(2 * rank)], axis=0)])
    means: list[str] = []
    for number, layer in enumerate(layers):
        need = t.add("Gather", [needs, b.constant(f"layer.{number}", np.array(number, dtype=np.int64))])
        low = {
            "query": t.add("MatMul", [b.wide(layer.x, t), of_layer(_stacked(b, "query.A", each), number)]),
            "key": t.add("Slice", [need, b.ints(0), b.ints(rank), b.ints(2)]),
            "value": t.add("Slice", [need, b.ints(rank), b.ints(2 * rank), b.ints(2)]),
        }
        delta = t.add(
            "Concat",
            [_up(b, t, terms, of_layer(_stacked(b, name + ".B", each), number)) for name, terms in low.items()],
            axis=2,
        )
        attended = _operator(
            b,
            t,
            b.narrow(t.add("Add", [b.wide(layer.qkv, t), delta]), t),
            (f"past.{number}.key", f"past.{number}.value"),
            step.last_valid_int,
            step.total_int,
            step.attention_caches,
        )
        kept = t.add("Where", [valid, b.wide(attended, t), b.constant("unmasked", np.array(0, dtype=np.float32))])
        means.append(
            t.add("Unsqueeze", [t.add("Div", [t.add("ReduceSum", [kept, b.ints(1)], keepdims=0), count]), b.ints(0)])
        )
    return t.add("Concat", means, axis=0)


def _finish(b: _Builder, rank: int) -> onnx.ModelProto:
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
        value("expression", TensorProto.FLOAT, ["batch", b.dimension]),
        value("attention", TensorProto.FLOAT, ["layers_batch", "weighed"]),
    ]
    for part in ("key", "value"):
        outputs.append(value(f"new.{part}", b.computed, ["layers_batch", c.kv_heads, "seq", c.head_dim]))
    outputs.append(value("new.need", TensorProto.FLOAT, [c.layers, "tokens", 2 * rank]))
    for layer in range(c.layers):
        for part in ("key", "value"):
            inputs.append(value(f"past.{layer}.{part}", b.computed, ["batch", c.kv_heads, "capacity", c.head_dim]))
    inputs.append(value("past.need", TensorProto.FLOAT, [c.layers, "batch", "capacity", 2 * rank]))
    # Weights that only the If branches read still stand in front of the nodes that read them.
    casts = [n for n in b.body.nodes if n.op_type == "Cast" and n.input[0].endswith(".f16")]
    others = [n for n in b.body.nodes if not (n.op_type == "Cast" and n.input[0].endswith(".f16"))]
    graph = helper.make_graph(casts + others, "selfracg", inputs, outputs, initializer=b.initialisers)
    return helper.make_model(
        graph,
        producer_name="selfracg",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)],
    )
