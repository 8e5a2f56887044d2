"""Runs an exported graph with ONNX Runtime: what the product executes, for checks and measurements in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime


@dataclass(frozen=True)
class Output:
    """logits [batch, n, vocabulary], expression [batch, dimension], present: tensors to pass on as the past, by name."""

    logits: np.ndarray
    expression: np.ndarray
    present: dict[str, np.ndarray]


class OnnxModel:
    """A loaded graph. Batches are right-padded; a batch of more than one row starts from an empty past."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session
        self.outputs = [output.name for output in session.get_outputs()]
        self._past = {i.name: [n if isinstance(n, int) else 0 for n in i.shape] for i in session.get_inputs() if i.name.startswith("past.")}

    @staticmethod
    def from_bytes(model: bytes, threads: int = 0) -> "OnnxModel":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Waiting threads sleep: measurements share the machine with whatever else runs there.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return OnnxModel(onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"]))

    @staticmethod
    def from_file(path: Path, threads: int = 0) -> "OnnxModel":
        return OnnxModel.from_bytes(path.read_bytes(), threads)

    def run(
        self,
        ids: np.ndarray,
        lengths: Sequence[int],
        positions: np.ndarray,
        adapter: int = -1,
        past: dict[str, np.ndarray] | None = None,
        keep_present: bool = False,
    ) -> Output:
        """One pass over ids [batch, seq]; logits at positions [batch, n]; adapter -1 none, 0 query, 1 fragment."""
        feeds = {
            "input_ids": np.ascontiguousarray(ids, dtype=np.int64),
            "lengths": np.asarray(lengths, dtype=np.int64),
            "logit_positions": np.ascontiguousarray(positions, dtype=np.int64),
            "adapter": np.array([adapter], dtype=np.int64),
        }
        for name, shape in self._past.items():
            # The batch and the past are the only free sizes, and the batch comes first.
            feeds[name] = past[name] if past else np.zeros((len(ids), *shape[1:]), dtype=np.float32)
        wanted = self.outputs if keep_present else ["logits", "expression"]
        values = dict(zip(wanted, self.session.run(wanted, feeds)))
        present = {name.replace("present.", "past."): v for name, v in values.items() if name.startswith("present.")}
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
