"""The packaged model under measurement: its graph, the same graph with an untrained adapter, and its prompts.

It runs through ONNX Runtime, so that figures read from it are those of what ships.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from selfracg.data.prompt_format import PromptFormat
from selfracg.export import graph, package, runtime

# Rows of the copying table: a fragment and a prefix as they would share a prompt.
COPY_LIMIT = 576  # tokens of a prompt whose use of fragments is measured; a third of them for the fragment
COPY_ROOM = 64  # and at least this many of the context for the continuation


@dataclass
class PackageUnderTest:
    """A loaded package: its graph, the same graph with an untrained adapter, and its prompt format."""

    manifest: dict[str, Any]
    format: PromptFormat
    trained: runtime.OnnxModel
    untrained: runtime.OnnxModel

    @staticmethod
    def load(folder: Path) -> PackageUnderTest:
        manifest = package.read(folder)
        model = (folder / "model.onnx").read_bytes()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return PackageUnderTest(
            manifest,
            PromptFormat(manifest, tokenizer),
            runtime.OnnxModel.from_bytes(model),
            runtime.OnnxModel.from_bytes(graph.without_training(model)),
        )

    def copy_limit(self) -> int:
        """Tokens of a prompt whose use of fragments is measured: COPY_LIMIT, or what the package's context leaves."""
        return min(COPY_LIMIT, int(self.manifest["contextLength"]) - COPY_ROOM)

    def losses(self, rows: Sequence[Sequence[int]], starts: Sequence[int]) -> list[np.ndarray]:
        """For each row the losses (nats) of its tokens from `starts` on, one row at a time: no padding, any length."""
        out = []
        for row, start in zip(rows, starts, strict=True):
            positions = np.arange(start - 1, len(row) - 1)[None]
            logits = self.trained.run(np.array([row]), [len(row)], positions).logits[0]
            out.append(token_losses(logits, np.array(row[start:])))
        return out


def token_losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Negative log-probabilities [n] of targets [n] under logits [n, vocabulary], in nats."""
    highest = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - highest).sum(axis=1)) + highest[:, 0]
    return total - logits[np.arange(len(targets)), targets]
