"""recipe.json: how to make a graph's weights from a GGUF file, with the reference implementation.

A graph is exported without its weights: its initialisers refer to a file that is written on the user's machine. The recipe
lists what is written there, in the file's order: GGUF tensors dequantised to float32, joined by rows, multiplied by factors
and stored as int8 codes with one scale for each row, or as float32. All arithmetic is float32 without fused operations, so
every implementation writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import onnx
from onnx import TensorProto

from selfracg.export import graph, smoothing

FORMAT_VERSION = 1
WEIGHTS_FILE, ADAPTERS_FILE, FACTORS_FILE = "weights.bin", "adapters.bin", "factors.bin"
# Largest code of a weight. Processors that add products of codes in 16 bits (x86 without VNNI) need the smaller range:
# 2 * 255 * 64 < 2 ** 15.
VARIANTS = {"int8": 127, "int7": graph.WEIGHT_STEPS}
# Large arrays start on a page, so that they can be mapped; small ones on a cache line.
PAGE, LINE = 4096, 64
# Smaller initialisers stay inside the graph unless they come from a checkpoint.
INLINE_BYTES = 1024


@dataclass
class Layout:
    """Assigns places in a file, one after the other."""

    end: int = 0
    places: list[tuple[int, int]] = field(default_factory=list)

    def place(self, size: int) -> dict[str, int]:
        """The next free place for so many bytes, as recipe.json states it."""
        unit = PAGE if size >= PAGE else LINE
        offset = -(-self.end // unit) * unit
        self.end = offset + size
        return {"offset": offset, "bytes": size}


def detach(
    model: onnx.ModelProto,
    origins: Mapping[str, graph.Origin],
    factors: smoothing.Factors,
    gguf_names: Mapping[str, Sequence[str]],
    tokens: int,
) -> tuple[list[dict[str, Any]], bytes, bytes]:
    """Takes the weights out of a graph, in place: its initialisers become references into WEIGHTS_FILE and ADAPTERS_FILE.

    `gguf_names` has the names that a tensor may have in a GGUF file, best first; the first `tokens` rows of the embedding count.
    Returns (entries of recipe.json, content of ADAPTERS_FILE, content of FACTORS_FILE).
    """
    names = {tensor.name: tensor for tensor in model.graph.initializer}
    weights, adapters = Layout(), Layout()
    factor_places, factor_file = _factor_file(factors)
    entries: list[dict[str, Any]] = []
    adapter_parts: list[bytes] = []
    for name, tensor in names.items():
        origin = origins.get(name)
        if origin is None:
            if len(tensor.raw_data) >= INLINE_BYTES:
                place = adapters.place(len(tensor.raw_data))
                adapter_parts.append(b"\0" * (place["offset"] - sum(map(len, adapter_parts))) + tensor.raw_data)
                _refer(tensor, ADAPTERS_FILE, place)
            continue
        if origin.part == "scales":
            continue
        entry: dict[str, Any] = {"tensors": [list(gguf_names[source]) for source in origin.tensors]}
        if all(len(alternatives) == 1 for alternatives in entry["tensors"]):
            entry["tensors"] = [alternatives[0] for alternatives in entry["tensors"]]
        if graph.EMBEDDING in origin.tensors:
            entry["rows"] = [0, tokens]
        fold = {factors.folded.get(source, "") for source in origin.tensors}
        if len(fold) != 1:
            raise ValueError(f"{name}: expected the same factors for the joined tensors, found {sorted(fold)}")
        if factor := fold.pop():
            entry["columnFactors"] = factor_places[factor]
        entry["layout"] = "transposed" if origin.transposed else "rows"
        if origin.part == "codes":
            scales = names[name.removesuffix(".codes") + ".scale"]
            entry |= {
                "store": "int8-rows",
                "codes": weights.place(len(tensor.raw_data)),
                "scales": weights.place(len(scales.raw_data)),
            }
            _refer(tensor, WEIGHTS_FILE, entry["codes"])
            _refer(scales, WEIGHTS_FILE, entry["scales"])
        else:
            entry |= {"store": "float32", "values": weights.place(len(tensor.raw_data))}
            _refer(tensor, WEIGHTS_FILE, entry["values"])
        entries.append(entry)
    return entries, b"".join(adapter_parts), factor_file


def _factor_file(factors: smoothing.Factors) -> tuple[dict[str, dict[str, int]], bytes]:
    """(places by name, in floats; content of FACTORS_FILE)."""
    places: dict[str, dict[str, int]] = {}
    count = 0
    for name, values in factors.arrays.items():
        places[name] = {"offset": count, "count": values.size}
        count += values.size
    return places, b"".join(values.astype("<f4").tobytes() for values in factors.arrays.values())


def _refer(tensor: TensorProto, location: str, place: Mapping[str, int]) -> None:
    """Makes an initialiser a reference to a place in a file beside the graph."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in (("location", location), ("offset", place["offset"]), ("length", place["bytes"])):
        tensor.external_data.add(key=key, value=str(value))


def entry_parts(
    entry: Mapping[str, Any], tensors: Callable[[str], np.ndarray | None], factors: np.ndarray, largest_code: int
) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of what an entry describes. `tensors` gives a GGUF tensor in float32 by name, None where the file has none.

    Raises ``ValueError`` where a tensor is missing or of another size.
    """
    values = joined(entry["tensors"], tensors)
    if "rows" in entry:
        values = values[slice(*entry["rows"])]
    if "columnFactors" in entry:
        place = entry["columnFactors"]
        values = values * factors[place["offset"] : place["offset"] + place["count"]]
    if entry["store"] == "float32":
        yield (
            entry["values"]["offset"],
            (values.T if entry["layout"] == "transposed" else values).astype("<f4").tobytes(),
        )
        return
    codes, scales = graph.int8_codes(values, largest_code)
    yield entry["codes"]["offset"], (codes.T if entry["layout"] == "transposed" else codes).tobytes()
    yield entry["scales"]["offset"], scales.astype("<f4").tobytes()


def joined(names: Sequence[str | Sequence[str]], tensors: Callable[[str], np.ndarray | None]) -> np.ndarray:
    """GGUF tensors joined by rows; of a list of alternatives the first that the file has."""
    parts: list[np.ndarray] = []
    for alternatives in names:
        choices = [alternatives] if isinstance(alternatives, str) else alternatives
        found = next((values for name in choices if (values := tensors(name)) is not None), None)
        if found is None:
            raise ValueError(
                f"expected the tensor {' or '.join(choices)} in the file, found none: use a complete model file"
            )
        parts.append(found)
    return np.concatenate(parts, axis=0)


def write(
    entries: Sequence[Mapping[str, Any]],
    tensors: Callable[[str], np.ndarray | None],
    factors: np.ndarray,
    largest_code: int,
    out: BinaryIO,
) -> None:
    """Writes a file of weights: what the entries state at their offsets, zeros between them."""
    written = 0
    for entry in entries:
        for offset, content in entry_parts(entry, tensors, factors, largest_code):
            if offset < written:
                raise ValueError(f"expected offsets in ascending order, found {offset} behind {written}")
            out.write(b"\0" * (offset - written))
            out.write(content)
            written = offset + len(content)
