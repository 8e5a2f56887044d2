"""Compares a package's graph with PyTorch on real code, and holds the bounds beyond which an export is refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from selfracg.export import calibration, graph, quantisation, runtime
from selfracg.model import llora

# Arithmetic alone: the graph against PyTorch with the weights that the file stores. With int8, sums in another order round
# some activations to a neighbouring code.
ARITHMETIC_BOUNDS = {"float32": 2e-4, "float16": 2e-4, "int8": 5e-2, "int8-dynamic": 5e-2, "half": 2e-2}
# What rounding the weights may change: the graph against PyTorch with the trained weights.
ROUNDING_BOUNDS = {"float32": 2e-4, "float16": 1e-2, "int8": 2e-1, "int8-dynamic": 2e-1, "half": 3e-2}


@dataclass(frozen=True)
class Agreement:
    """Largest differences over real rows: logits relative to their largest magnitude, expressions (unit vectors) absolute."""

    rows: int
    tokens: int
    logits: float
    expression: float
    logits_trained: float
    expression_trained: float


def check(
    model: PreTrainedModel,
    module: llora.LLoRA,
    serialised: bytes,
    tokenizer_json: str,
    config: graph.GraphConfig,
    stored: str,
    calibrated: calibration.Calibration | None = None,
    rows: int = 8,
) -> Agreement:
    """Runs rows of real code (this project's sources) of different lengths through PyTorch and the graph. int8 needs its calibration."""
    onnx = runtime.OnnxModel.from_bytes(serialised)
    found_rows = calibration.real_rows(Tokenizer.from_str(tokenizer_json), min(256, config.context), rows)
    tokens = [row[: max(1, len(row) * (rows - number) // rows - number)] for number, row in enumerate(found_rows)]
    rows = len(tokens)
    lengths = [len(row) for row in tokens]
    ids = np.zeros((rows, max(lengths)), dtype=np.int64)
    for row, values in enumerate(tokens):
        ids[row, : len(values)] = values
    bare = onnx.run(ids, lengths, np.tile(np.arange(ids.shape[1]), (rows, 1)))
    found = [
        onnx.run(ids, lengths, np.zeros((rows, 0)), adapter=adapter).expression
        for adapter in (llora.QUERY, llora.FRAGMENT)
    ]
    valid = np.arange(ids.shape[1])[None] < np.array(lengths)[:, None]

    def difference(reference: PreTrainedModel, adapter: llora.LLoRA) -> tuple[float, float]:
        with torch.no_grad():
            logits = (
                reference(input_ids=torch.from_numpy(ids), use_cache=False).logits[..., : config.vocabulary].numpy()
            )
            expected = [
                adapter.express(torch.from_numpy(ids), torch.tensor(lengths), a).numpy()
                for a in (llora.QUERY, llora.FRAGMENT)
            ]
        scale = float(np.abs(logits[valid]).max())
        return (
            float(np.abs(bare.logits - logits)[valid].max()) / scale,
            max(float(np.abs(f - e).max() / max(1.0, np.abs(e).max())) for f, e in zip(found, expected, strict=True)),
        )

    trained = difference(model, module)
    own = trained if stored == "float32" else difference(*quantisation.twin(model, module, stored, calibrated))
    return Agreement(rows, sum(lengths), own[0], own[1], trained[0], trained[1])


_AS_ROUNDED = {"int8": " and activations rounded likewise"}


def in_words(agreement: Agreement, stored: str) -> str:
    """The result as the model card states it."""
    return (
        f"On {agreement.rows} rows of real code ({agreement.tokens} tokens) the largest difference of logits, relative to the largest "
        f"magnitude, is {agreement.logits:.1e} against PyTorch with the stored {stored} weights{_AS_ROUNDED.get(stored, '')} and {agreement.logits_trained:.1e} against "
        f"PyTorch with the trained ones; of expressions (unit vectors) {agreement.expression:.1e} and "
        f"{agreement.expression_trained:.1e}. `export` prints these and refuses the package beyond "
        f"{ARITHMETIC_BOUNDS[stored]:g} and {ROUNDING_BOUNDS[stored]:g}."
    )
