"""Tables: what is saved is what is loaded, and the label names the model's size."""

import json

import pytest
import torch
from safetensors.torch import save_file

from selfracg import tables
from selfracg.tables import Measured, Table


def table(**more):
    return Table(
        "loss",
        "Held-out code",
        ["language", "bits"],
        [["python", "1.5"]],
        "Few files.",
        {"python": {"bits": 1.5}},
        **more,
    )


def test_saved_tables_load_as_they_were(tmp_path):
    assert tables.load(tmp_path, "loss") is None
    one = table(command="evaluate --only loss", model=Measured(6_772_992, 15_615_072), holds=False)
    path = one.save(tmp_path)
    assert path == tmp_path / "figures" / "loss.json" and tables.load(tmp_path, "loss") == one
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["model"] == {"parameters": 6_772_992, "tokens": 15_615_072} and written["holds"] is False
    path.write_text('{"name": "loss", "surprise": 1}', encoding="utf-8")
    with pytest.raises(ValueError, match="loss.json"):
        tables.load(tmp_path, "loss")


def test_markdown_says_how_large_the_model_is():
    text = table(command="evaluate --only loss", model=Measured(6_772_992, 15_615_072)).markdown()
    assert text.splitlines()[:5] == ["### Held-out code", "", "| language | bits |", "|---|---|", "| python | 1.5 |"]
    assert text.endswith("Model: 6.77M parameters, 15.6M training tokens. Few files. Command: `evaluate --only loss`.")
    assert table().markdown().endswith("\nFew files.")
    assert Measured(900, 2_500_000_000).label() == "900 parameters, 2.5B training tokens"


def test_a_backbones_size_is_read_from_its_folder(tmp_path):
    save_file({"a": torch.zeros(3, 4), "b": torch.zeros(5)}, tmp_path / "model.safetensors")
    assert tables.of_backbone(tmp_path) == Measured(17, 0)
    (tmp_path / "training.json").write_text('{"tokens": 8, "seconds": 1.0}', encoding="utf-8")
    assert tables.of_backbone(tmp_path) == Measured(17, 8)
