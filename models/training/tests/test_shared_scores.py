"""Scores on the examples that the product's evaluation is tested with too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selfracg_training.scoring import score

EXAMPLES = json.loads((Path(__file__).parents[3] / "test" / "fixtures" / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda example: f"{example['language']} {example['prediction'][:20]!r}"
)
def test_scores(example: dict) -> None:
    found = score(example["language"], example["line"], example["prediction"], example["groundtruth"])
    assert found.em == example["em"]
    assert found.es == pytest.approx(example["es"], abs=1e-5)
    assert found.id_f1 == pytest.approx(example["idF1"], abs=1e-5)
