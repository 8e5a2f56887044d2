"""Compares a graph with weights made by its recipe with the same model in PyTorch and float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from transformers import PreTrainedModel

from selfracg.export import runtime

# What rounding weights and activations may change: the mean Kullback-Leibler divergence of the next token's distribution, in nats,
# and the length of the difference of two expressions, which are unit vectors.
MAX_DIVERGENCE = 0.05
MAX_EXPRESSION = 0.1


@dataclass(frozen=True)
class Expected:
    """Rows of token ids, and of each the logits [tokens, vocabulary] and the expression [dimension] in PyTorch."""

    rows: list[list[int]]
    logits: list[np.ndarray]
    expressions: list[np.ndarray]


@dataclass(frozen=True)
class Difference:
    """Of a graph from PyTorch, over all tokens of all rows."""

    tokens: int
    # Mean Kullback-Leibler divergence in nats.
    divergence: float
    # Share of positions at which both predict the same token.
    agreement: float
    # Largest length of the difference of two expressions.
    expression: float

    def __str__(self) -> str:
        return (
            f"{self.tokens} tokens of real code against PyTorch: divergence {self.divergence:.4f} nats, the same prediction for "
            f"{self.agreement:.1%}, expressions {self.expression:.3f} apart"
        )


def expect(
    model: PreTrainedModel, expressions: Sequence[np.ndarray], rows: list[list[int]], vocabulary: int
) -> Expected:
    """The reference for the comparison. `expressions` are those of the rows as queries."""
    with torch.no_grad():
        logits = [
            model(input_ids=torch.tensor([row]), use_cache=False).logits[0, :, :vocabulary].float().numpy()
            for row in rows
        ]
    return Expected(rows, logits, list(expressions))


def compare(graph: Path, expected: Expected) -> Difference:
    """Runs the graph, which finds its external files beside it."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    model = runtime.OnnxModel(session)
    divergences, agreements, apart = [], [], []
    for row, logits, expression in zip(expected.rows, expected.logits, expected.expressions, strict=True):
        found = model.run(np.array([row]), [len(row)], np.arange(len(row))[None], adapter=0)
        reference, own = _log_probabilities(logits), _log_probabilities(found.logits[0])
        divergences.append((np.exp(reference) * (reference - own)).sum(axis=1))
        agreements.append(logits.argmax(axis=1) == found.logits[0].argmax(axis=1))
        apart.append(float(np.linalg.norm(found.expression[0] - expression)))
    return Difference(
        sum(map(len, expected.rows)),
        float(np.concatenate(divergences).mean()),
        float(np.concatenate(agreements).mean()),
        max(apart),
    )


def check(graph: Path, expected: Expected) -> Difference:
    """As `compare`. Raises ``ValueError`` where the difference is more than rounding explains."""
    found = compare(graph, expected)
    if not (found.divergence <= MAX_DIVERGENCE and found.expression <= MAX_EXPRESSION):
        raise ValueError(
            f"expected a divergence of at most {MAX_DIVERGENCE} nats and expressions at most {MAX_EXPRESSION} apart, found {found}: "
            "nothing was written; the graph does not compute this model"
        )
    return found


def _log_probabilities(logits: np.ndarray) -> np.ndarray:
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
