"""Cost of the stages from their logs, and the table of candidate sizes."""

import json

import pytest

from selfracg_training import backbone, cli, cost, tables


def write(work, name, records):
    (work / name).write_text("\n".join(map(json.dumps, records)) + "\n")


def test_cost_counts_each_stage_against_the_backbone(tmp_path):
    model = backbone.create(backbone.default_config(97, 32, 2, 4, 2, 48, 64))
    backbone.save(model, tmp_path / "backbone")
    (tmp_path / "backbone" / "training.json").write_text('{"tokens": 3000, "seconds": 120}')
    write(
        tmp_path,
        "pretrain.jsonl",
        [
            {"event": "start", "step": 0, "tokens": 0, "device": "cpu"},
            {"event": "end", "step": 9, "tokens": 2000, "elapsed": 120.0},
        ],
    )
    options = {
        "batch": 4,
        "query_tokens": 10,
        "import_tokens": 2,
        "fragment_tokens": 8,
        "windows": 0.5,
        "adapters": "separate",
    }
    write(
        tmp_path,
        "ing.jsonl",
        [
            {"stage": "stage1", "event": "start", "step": 0, "options": options, "parameters": 100},
            {"stage": "stage1", "event": "train", "step": 50, "elapsed": 500.0},
            {"stage": "stage1", "event": "start", "step": 0, "options": options, "parameters": 100},
            {"stage": "stage1", "event": "train", "step": 3, "elapsed": 30.0},
            {"stage": "stage1", "event": "start", "step": 3, "options": options, "parameters": 100},
            {"stage": "stage1", "event": "final", "step": 5, "elapsed": 60.0},
            {
                "stage": "utility",
                "event": "start",
                "step": 0,
                "judged": 6,
                "parameters": 100,
                "options": {**options, "judged": 3, "candidates": 2},
            },
            {"stage": "utility", "event": "final", "step": 2, "elapsed": 6.0},
        ],
    )
    found = {entry["stage"]: entry for entry in cost.measure(tmp_path).figures["stages"]}
    assert found["backbone"]["tokens"] == 3000 and found["backbone"]["tokensBefore"] == 1000
    assert found["backbone"]["flops"] == pytest.approx(9000 * backbone.flops_per_token(model.config, 64))
    assert found["stage1"]["minutes"] == 1.0 and found["stage1"]["steps"] == 5
    assert found["stage1"]["tokens"] == 5 * 4 * (12 + 8 * 1.5)
    assert found["stage1"]["flops"] == pytest.approx(
        found["stage1"]["tokens"] * (backbone.flops_per_token(model.config, 12) + 300)
    )
    assert found["utility"]["tokens"] == 2 * 4 * 24 + 2 * 3 * (12 + 16) + 6 * (3 * (12 + cost.CONTINUATION) + 16)
    assert cli.run_command("cost", ["--work", str(tmp_path)]) == 0
    assert tables.load(tmp_path, "cost").rows[1][:3] == ["stage1", "1.0", "50.0%"]
    with pytest.raises(FileNotFoundError, match="run `pretrain` first"):
        cost.measure(tmp_path / "absent")


def test_shapes_times_and_sizes_of_each_candidate(tmp_path):
    assert cli.run_command("shapes", ["--work", str(tmp_path), "--smoke"]) == 0
    found = tables.load(tmp_path, "shapes").figures["shapes"]
    assert [entry["name"] for entry in found] == ["tiny1", "tiny4"]
    for entry in found:
        assert entry["flopsPerToken"] > 0 and set(entry["milliseconds"]) == {"prefill 128", "decode"}
    assert found[0]["ratio"] == {"prefill 128": 1.0, "decode": 1.0}
    assert found[1]["parameters"] > found[0]["parameters"] and found[1]["ratio"]["decode"] > 1.2
    with pytest.raises(ValueError, match="expected names among tiny1"):
        cli.run_command("shapes", ["--work", str(tmp_path), "--smoke", "--only", "huge"])
