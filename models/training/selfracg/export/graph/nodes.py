"""Nodes of an ONNX graph under construction, and small building blocks that several parts share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx
from onnx import TensorProto, helper

CONTRIB = "com.microsoft"
# Added to the score of a masked key: its exp() is zero in float32, and adding it to a score does not overflow.
MASKED = -1e30
# Sizes of a tensor: numbers, names of dynamic sizes, None for any size.
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
    """A branch of an If: the nodes that `write` adds, and the float tensors that it returns, with their shapes (None: any)."""
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
    """rows [*, n, inputs] times matrix [*, inputs, outputs]; the bits of a row do not depend on n.

    ONNX Runtime sums a single row in another order unless the product is scaled. A factor of 0.5 is exact.
    """
    half = t.add("FusedMatMul", [rows, matrix], domain=CONTRIB, alpha=0.5)
    # Doubled by an addition, which the runtime does not fold into the product.
    return t.add("Add", [half, half], outputs)
