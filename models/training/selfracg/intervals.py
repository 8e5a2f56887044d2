"""Bootstrap intervals that resample whole repositories: tasks of one repository are similar, so they are drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = (2.5, 97.5)


@dataclass(frozen=True)
class Interval:
    """A value and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float

    def text(self, digits: int = 3, signed: bool = False) -> str:
        """For a table: "0.150 (0.100 to 0.200)"."""
        form = f"{{:{'+' if signed else ''}.{digits}f}}"
        return f"{form.format(self.value)} ({form.format(self.low)} to {form.format(self.high)})"

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


def mean(values: Sequence[float] | np.ndarray, repositories: Sequence[str], resamples: int = RESAMPLES) -> Interval:
    """The mean of values, one a task; give differences of two methods' values for a paired comparison."""
    return ratio(values, np.ones(len(values)), repositories, resamples)


def ratio(
    above: Sequence[float] | np.ndarray,
    below: Sequence[float] | np.ndarray,
    repositories: Sequence[str],
    resamples: int = RESAMPLES,
) -> Interval:
    """Sum of `above` over sum of `below`, both one value a task. Resamples whose lower sum is 0 are left out."""
    if not len(above) == len(below) == len(repositories) or len(above) == 0:
        raise ValueError(
            f"expected as many repositories as values, at least one, found {len(above)}, {len(below)} and {len(repositories)}"
        )
    names, group = np.unique(np.asarray(repositories), return_inverse=True)
    sums = np.stack(
        [np.bincount(group, np.asarray(values, dtype=np.float64), len(names)) for values in (above, below)], axis=1
    )
    drawn = sums[np.random.default_rng(0).integers(0, len(names), (resamples, len(names)))].sum(axis=1)
    drawn = drawn[drawn[:, 1] > 0]
    total = sums.sum(axis=0)
    value = float(total[0] / total[1]) if total[1] else float("nan")
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], LEVEL) if len(drawn) else (float("nan"),) * 2
    return Interval(value, float(low), float(high))
