"""Runs an exported graph with ONNX Runtime: what the product executes, for checks and measurements in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

# Room for this many tokens is added to a text's buffers when they are full.
GROWTH = 64


@dataclass(frozen=True)
class Past:
    """What was read of a text: buffers by the graph's input names, of which the first `length` rows hold something.

    Used up by the run that takes it: that run writes its rows behind them, in the same buffers where there is room.
    """

    length: int
    buffers: dict[str, np.ndarray]


@dataclass(frozen=True)
class Output:
    """logits [batch, n, vocabulary], expression [batch, dimension], present: the past of a next run, where it was to be kept."""

    logits: np.ndarray
    expression: np.ndarray
    present: Past | None


class OnnxModel:
    """A loaded graph. Batches are right-padded; a batch of more than one row starts from an empty past."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session
        self.outputs = [output.name for output in session.get_outputs()]
        self._past = {i.name: i.shape for i in session.get_inputs() if i.name.startswith("past.")}
        self._types = {i.name: np.float16 if i.type == "tensor(float16)" else np.float32 for i in session.get_inputs()}

    @staticmethod
    def from_bytes(model: bytes, threads: int = 0) -> OnnxModel:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Waiting threads sleep instead of spinning, since other processes run on the machine too.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return OnnxModel(onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"]))

    @staticmethod
    def from_file(path: Path, threads: int = 0) -> OnnxModel:
        return OnnxModel.from_bytes(path.read_bytes(), threads)

    def run(
        self,
        ids: np.ndarray,
        lengths: Sequence[int],
        positions: np.ndarray,
        adapter: int = -1,
        past: Past | None = None,
        keep_present: bool = False,
    ) -> Output:
        """One pass over ids [batch, seq]; logits at positions [batch, n]; adapter -1 none, 0 query, 1 fragment."""
        ids = np.ascontiguousarray(ids, dtype=np.int64)
        free = {"batch": len(ids), "capacity": 0}
        past = past or Past(
            0,
            {
                name: np.zeros([free.get(n, n) for n in shape], dtype=self._types[name])
                for name, shape in self._past.items()
            },
        )
        if keep_present:
            past = _with_room(past, ids.shape[1])
        feeds = {
            "input_ids": ids,
            "lengths": np.asarray(lengths, dtype=np.int64),
            "logit_positions": np.ascontiguousarray(positions, dtype=np.int64),
            "adapter": np.array([adapter], dtype=np.int64),
            "past_length": np.array([past.length], dtype=np.int64),
            **past.buffers,
        }
        wanted = self.outputs if keep_present else ["logits", "expression"]
        values = dict(zip(wanted, self.session.run(wanted, feeds), strict=True))
        present = _filled(past, values, ids.shape[1]) if keep_present else None
        return Output(values["logits"], values["expression"], present)

    def embed(self, rows: Sequence[Sequence[int]], adapter: int, batch_tokens: int = 2048) -> np.ndarray:
        """Expressions [rows, dimension]. Rows of like length share a batch, so that little is spent on padding."""
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        out: np.ndarray | None = None
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and len(rows[order[end]]) * (end + 1 - start) <= batch_tokens:
                end += 1
            batch = order[start:end]
            lengths = [len(rows[i]) for i in batch]
            ids = np.zeros((len(batch), max(lengths)), dtype=np.int64)
            for row, i in enumerate(batch):
                ids[row, : lengths[row]] = rows[i]
            found = self.run(ids, lengths, np.zeros((len(batch), 0)), adapter).expression
            if out is None:
                out = np.zeros((len(rows), found.shape[1]), dtype=np.float32)
            out[batch] = found
            start = end
        return out if out is not None else np.zeros((0, 0), dtype=np.float32)


def _with_room(past: Past, count: int) -> Past:
    """`past` in buffers that hold `count` more tokens, which are the same ones where they do already."""
    length = past.length + count
    buffers: dict[str, np.ndarray] = {}
    for name, buffer in past.buffers.items():
        # Tokens are the last axis but one of every buffer.
        if buffer.shape[-2] < length:
            grown = np.zeros((*buffer.shape[:-2], length + GROWTH, buffer.shape[-1]), dtype=buffer.dtype)
            grown[..., : past.length, :] = buffer[..., : past.length, :]
            buffer = grown
        buffers[name] = buffer
    return Past(past.length, buffers)


def _filled(past: Past, values: dict[str, np.ndarray], count: int) -> Past:
    """`past` followed by the `count` rows that a run made."""
    length = past.length + count
    for name, buffer in past.buffers.items():
        layer, _, part = name.removeprefix("past.").rpartition(".")
        made = values[f"new.{part}"]
        # Keys and values have a buffer a layer, needs have one.
        buffer[..., past.length : length, :] = (
            made.reshape(buffer.shape[0], -1, count, made.shape[-1])
            if part == "need"
            else (made.reshape(-1, *buffer.shape[:2], count, made.shape[-1])[int(layer)])
        )
    return Past(length, past.buffers)
