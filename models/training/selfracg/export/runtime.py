"""Runs an exported graph with ONNX Runtime, as the product does, for checks and measurements in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime


@dataclass(frozen=True)
class Output:
    """logits [batch, n, vocabulary] and expression [batch, dimension]."""

    logits: np.ndarray
    expression: np.ndarray


class OnnxModel:
    """A loaded graph. Batches are right-padded and begin with an empty past."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session
        self._past = [
            (i.name, i.shape, np.float16 if i.type == "tensor(float16)" else np.float32)
            for i in session.get_inputs()
            if i.name.startswith("past.")
        ]

    @staticmethod
    def from_bytes(model: bytes) -> OnnxModel:
        options = onnxruntime.SessionOptions()
        # Waiting threads sleep instead of spinning, since other processes run on the machine too.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return OnnxModel(onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"]))

    @staticmethod
    def from_file(path: Path) -> OnnxModel:
        return OnnxModel.from_bytes(path.read_bytes())

    def run(self, ids: np.ndarray, lengths: Sequence[int], positions: np.ndarray, adapter: int = -1) -> Output:
        """One pass over ids [batch, seq]; logits at positions [batch, n]; adapter -1 none, 0 query, 1 fragment."""
        ids = np.ascontiguousarray(ids, dtype=np.int64)
        free = {"batch": len(ids), "capacity": 0}
        feeds = {
            "input_ids": ids,
            "lengths": np.asarray(lengths, dtype=np.int64),
            "logit_positions": np.ascontiguousarray(positions, dtype=np.int64),
            "adapter": np.array([adapter], dtype=np.int64),
            "past_length": np.zeros(1, dtype=np.int64),
            **{name: np.zeros([free.get(n, n) for n in shape], dtype=kind) for name, shape, kind in self._past},
        }
        return Output(*self.session.run(["logits", "expression"], feeds))

    def embed(self, rows: Sequence[Sequence[int]], adapter: int, batch_tokens: int = 2048) -> np.ndarray:
        """Expressions [rows, dimension]. Rows of similar length share a batch, which needs little padding."""
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        batches: list[list[int]] = []
        for i in order:
            if not batches or len(rows[i]) * (len(batches[-1]) + 1) > batch_tokens:
                batches.append([])
            batches[-1].append(i)
        parts = []
        for batch in batches:
            lengths = [len(rows[i]) for i in batch]
            ids = np.zeros((len(batch), max(lengths)), dtype=np.int64)
            for row, i in enumerate(batch):
                ids[row, : lengths[row]] = rows[i]
            parts.append(self.run(ids, lengths, np.zeros((len(batch), 0)), adapter).expression)
        return np.concatenate(parts)[np.argsort(order)] if parts else np.zeros((0, 0), dtype=np.float32)
