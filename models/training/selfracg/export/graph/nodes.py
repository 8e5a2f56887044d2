"""Nodes of an ONNX graph under construction, and the small pieces that several parts are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx
from onnx import TensorProto, helper

CONTRIB = "com.microsoft"
# Added to the score of a masked key: exp() of it is zero in float32, and it cannot overflow when added to a score.
MASKED = -1e30
# Sizes of a tensor: numbers, names of sizes that only a run knows, None for any.
Shape = Sequence[str | int | None]


@dataclass
class Body:
    """Nodes of a graph under construction, with names made unique by a prefix."""

    prefix: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    counter: int = 0

    def add(self, op: str, inputs: list[str], outputs: int | list[str] = 1, domain: str = "", **attributes: Any) -> str:
        """Appends a node and returns its first output's name; `outputs` gives a count or the names themselves."""
        return self.add_all(op, inputs, outputs, domain, **attributes)[0]

    def add_all(
        self, op: str, inputs: list[str], outputs: int | list[str], domain: str = "", **attributes: Any
    ) -> list[str]:
        """Appends a node and returns the names of all its outputs."""
        self.counter += 1
        base = f"{self.prefix}/{op}_{self.counter}"
        names = outputs if isinstance(outputs, list) else [f"{base}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=base, domain=domain, **attributes))
        return names


def if_branch(
    name: str,
    write: Callable[[Body], Sequence[str]],
    *shapes: Shape | None,
) -> onnx.GraphProto:
    """A branch of an If: the nodes that `write` adds, and the floats that it returns, of those shapes (None: any)."""
    t = Body(name)
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


def product_of_rows(t: Body, rows: str, matrix: str, outputs: int | list[str] = 1) -> str:
    """rows [*, n, inputs] times matrix [*, inputs, outputs], of each row the same to the bit whatever n is.

    ONNX Runtime takes the sums of a single row in another order where nothing is multiplied behind. A half is, which loses nothing.
    """
    half = t.add("FusedMatMul", [rows, matrix], domain=CONTRIB, alpha=0.5)
    # Two times it, in a way that the runtime does not fold into the product.
    return t.add("Add", [half, half], outputs)
