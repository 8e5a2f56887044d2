"""Collects a graph's initialisers and nodes: weights in the wanted type, and linear layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from selfracg.export.graph.codes import ROW_STEPS, ROW_ZERO, int8_codes
from selfracg.export.graph.config import EMBEDDING, HEAD, WEIGHTS, Adapter, GraphConfig
from selfracg.export.graph.nodes import CONTRIB, Body


@dataclass(frozen=True)
class Origin:
    """Where an initialiser comes from: tensors of the checkpoint by Hugging Face name, joined by rows, as `part` "codes", "scales" or "float32"."""

    tensors: tuple[str, ...]
    part: str
    # [inputs, outputs] instead of the checkpoint's [outputs, inputs].
    transposed: bool = False


class Builder:
    """Collects the initialisers and the nodes of the main body, layer by layer."""

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
        self.body = Body("decoder")
        self.initialisers: list[onnx.TensorProto] = []
        self.parameters = 0
        self._known: dict[str, str] = {}
        self._rows: dict[str, str] = {}
        self._largest: dict[str, str] = {}
        # By activation: the factor by which its rows must still be multiplied.
        self._factor: dict[str, str] = {}

    def constant(self, name: str, value: np.ndarray) -> str:
        """Registers a small constant (shapes, indices, scalars) once by name."""
        if name not in self._known:
            self.initialisers.append(numpy_helper.from_array(value, name))
            self._known[name] = name
        return self._known[name]

    def scalar(self, name: str, value: float) -> str:
        """Registers a number of shape [], int64 or float32 as `value` is an int or a float."""
        return self.constant(name, np.array(value, dtype=np.int64 if isinstance(value, int) else np.float32))

    def ints(self, *values: int) -> str:
        """Registers a vector of integers."""
        return self.constant("i64." + "_".join(str(v) for v in values), np.array(values, dtype=np.int64))

    @property
    def computed(self) -> int:
        """Type of the decoder's activations, keys and values."""
        return TensorProto.FLOAT16 if self.half else TensorProto.FLOAT

    def wide(self, x: str, body: Body) -> str:
        """An activation of the decoder in float32."""
        return body.add("Cast", [x], to=TensorProto.FLOAT) if self.half else x

    def narrow(self, x: str, body: Body) -> str:
        """A float32 tensor as an activation of the decoder."""
        return body.add("Cast", [x], to=TensorProto.FLOAT16) if self.half else x

    def weight(self, name: str, value: np.ndarray, wide: bool = False) -> str:
        """Registers a trained tensor in the type that the decoder computes in, or always in float32 where it is `wide`.

        Matrices may be stored as float16 with a Cast, which the runtime folds when it loads the graph.
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
        """A backbone tensor by its Hugging Face name. KeyError names one that the checkpoint lacks."""
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
        body: Body | None = None,
        read: str = "",
        deferred: bool = False,
        outliers: int = 0,
    ) -> str:
        """y = x W^T (+ b) for one projection or several with a common input x [batch, n, inputs], concatenated into one product.

        With static steps x is rounded by the step of the input `read`, by default that of `label`. With dynamic quantisation,
        `deferred` leaves the scaling of y's rows to the product after `gated`, and as many of the largest inputs of each row as
        `outliers` says are not rounded.
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
        if self.dynamic and outliers:
            return self._product_with_outliers(x, codes, scale, body, bias, outliers)
        return self.integer_product(x, codes, scale, read or label, body, bias, deferred and not bias)

    def integer_product(
        self, x: str, codes: str, scale: str, read: str, body: Body, bias: str = "", deferred: bool = False
    ) -> str:
        """x [batch, n, inputs] times a quantised matrix (codes [inputs, outputs], scale [outputs]), x rounded by the step of the input `read`,
        or with dynamic quantisation by each row's own."""
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

    def _dynamic_product(self, x: str, codes: str, scale: str, body: Body, bias: str, deferred: bool) -> str:
        """x times a quantised matrix: each row of x is divided by its largest magnitude, and the product multiplied by it.

        A row of zeros gives undefined codes (0 / 0), which are multiplied by zero. Where `deferred`, the rows stay divided
        and `_factor` holds the factor for the next product.
        """
        step, zero = self._row_codes()
        if x not in self._rows:
            largest = body.add("ReduceMax", [body.add("Abs", [x]), self.ints(-1)], keepdims=1)
            # Without any row, ONNX Runtime 1.30 returns the shape of the input.
            largest = body.add("Slice", [largest, self.ints(0), self.ints(1), self.ints(-1)])
            self._rows[x] = body.add("QuantizeLinear", [body.add("Div", [x, largest]), step, zero])
            self._largest[x] = body.add("Mul", [largest, self._factor[x]]) if x in self._factor else largest
        y = body.add("MatMulIntegerToFloat", [self._rows[x], codes, step, scale, zero], domain=CONTRIB)
        if deferred:
            self._factor[y] = self._largest[x]
            return y
        y = body.add("Mul", [y, self._largest[x]])
        return body.add("Add", [y, bias]) if bias else y

    def _row_codes(self) -> tuple[str, str]:
        """Step and zero of the codes of a row that was divided by its largest magnitude."""
        step = self.constant("int8.step", np.array(1 / ROW_STEPS, dtype=np.float32))
        return step, self.constant("int8.zero", np.array(ROW_ZERO, dtype=np.uint8))

    def _product_with_outliers(self, x: str, codes: str, scale: str, body: Body, bias: str, outliers: int) -> str:
        """x times a quantised matrix, where the largest `outliers` inputs of each row keep their values.

        The next largest magnitude gives the row's step, so the codes of larger inputs saturate; what those lack is multiplied
        by their rows of the matrix in float32. The split is that of LLM.int8() (Dettmers et al., 2022, arXiv 2208.07339), by
        row and not by column: which inputs of a gated layer are large differs from token to token.
        """
        step, zero = self._row_codes()
        magnitudes, places = body.add_all("TopK", [body.add("Abs", [x]), self.ints(outliers + 1)], 2)
        largest = body.add("Slice", [magnitudes, self.ints(outliers), self.ints(outliers + 1), self.ints(-1)])
        places = body.add("Slice", [places, self.ints(0), self.ints(outliers), self.ints(-1)])
        divided = body.add("Div", [x, largest])
        quantised = body.add("QuantizeLinear", [divided, step, zero])
        y = body.add("MatMulIntegerToFloat", [quantised, codes, step, scale, zero], domain=CONTRIB)
        saturated = body.add("DequantizeLinear", [body.add("GatherElements", [quantised, places], axis=-1), step, zero])
        lacking = body.add("Sub", [body.add("GatherElements", [divided, places], axis=-1), saturated])
        rows = body.add("Cast", [body.add("Gather", [codes, places])], to=TensorProto.FLOAT)
        lacking = body.add("MatMul", [body.add("Unsqueeze", [lacking, self.ints(-2)]), rows])
        lacking = body.add("Mul", [body.add("Squeeze", [lacking, self.ints(-2)]), scale])
        factor = body.add("Mul", [largest, self._factor[x]]) if x in self._factor else largest
        y = body.add("Mul", [body.add("Add", [y, lacking]), factor])
        return body.add("Add", [y, bias]) if bias else y

    def gated(self, gate: str, up: str, body: Body) -> str:
        """silu(gate) * up, whose rows stay divided where those of `up` are."""
        gated = body.add("Mul", [body.add("QuickGelu", [gate], domain=CONTRIB, alpha=1.0), up])
        if up in self._factor:
            self._factor[gated] = self._factor[up]
        return gated

    def embed(self, ids: str, body: Body) -> str:
        """Rows of the embedding [batch, seq, hidden]."""
        if not self.int8:
            return body.add("Gather", [self.weight_of("embedding", [EMBEDDING]), ids])
        codes, scale = self.codes_of("embedding", [EMBEDDING])
        rows = body.add("Cast", [body.add("Gather", [codes, ids])], to=TensorProto.FLOAT)
        step = body.add("Gather", [scale, ids])
        return body.add("Mul", [rows, body.add("Unsqueeze", [step, self.ints(-1)])])

    def head(self, x: str, body: Body) -> str:
        """Logits [batch, n, vocabulary] of x [batch, n, hidden], from the LM head or, where the checkpoint has none, from the embedding."""
        label, name = ("head", HEAD) if HEAD in self.weights else ("embedding", EMBEDDING)
        if not self.int8:
            turned = self.weight_of(label, [name])
            return self.wide(body.add("FusedMatMul", [x, turned], domain=CONTRIB, transB=1, alpha=1.0), body)
        codes, scale = self.codes_of(label, [name])
        # A tied matrix is stored once; the runtime transposes it when it loads the graph.
        return self.integer_product(x, body.add("Transpose", [codes], perm=[1, 0]), scale, "head", body)

    def take(self, x: str, indices: str, body: Body | None = None) -> str:
        """Rows of x [batch, seq, d] at indices [batch, m, 1], giving [batch, m, d]."""
        return (body or self.body).add("GatherND", [x, indices], batch_dims=1)
