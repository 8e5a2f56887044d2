"""Integer codes of weights and activations."""

from __future__ import annotations

import numpy as np

# Codes of weights are signed, those of activations unsigned around a zero. 2 * 255 * 64 < 2**15: processors without VNNI add
# pairs of products in 16 bits, and with more steps for the weights those sums could overflow.
WEIGHT_STEPS = 64
ROW_STEPS, ROW_ZERO = 127, 128
# Magnitude of a row of zeros, so that its scale is not zero.
SMALLEST = np.float32(1e-20)


def int8_codes(matrix: np.ndarray, largest: int = WEIGHT_STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Codes int8 [rows, columns] up to `largest` and scales float32 [rows] of a matrix: value = code * scale of its row."""
    matrix = np.asarray(matrix, dtype=np.float32)
    scale = np.maximum(np.abs(matrix).max(axis=1), SMALLEST) / np.float32(largest)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale
