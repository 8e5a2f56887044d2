"""Later stages of ING: generations as positives, rated candidates; what they hold and whole small runs."""

import json

import pytest
import torch
from command_options import options, stage_options

from experiments import ablate
from selfracg import tables
from selfracg.data import pairs
from selfracg.files import sha256
from selfracg.model import backbone, llora
from selfracg.train import ing, stage2, utility


def test_stage_2_trains_on_generations_and_goes_on_for_a_second_round(work):
    assert ing.run(stage_options(ing, work, steps=2)) == 0
    sizes = {"contexts": 24, "generated_tokens": 12, "steps": 2}
    assert stage2.run(stage_options(stage2, work, **sizes)) == 0
    rows = [row for row in pairs.read(work / "pairs" / "own-1-0of1.jsonl")]
    assert rows and all(row.kind == "own" and row.path == row.query_path and not row.defines for row in rows)
    config = llora.load_config(work / "stages" / "stage2")
    assert config["stage"] == "stage2" and config["start"] == sha256(work / "stages" / "stage1" / "adapter.safetensors")
    again = stage_options(stage2, work, **sizes, round=2)
    assert stage2.run(again) == 0
    assert llora.load_config(work / "stages" / "stage2-round2")["start"] == sha256(
        work / "stages" / "stage2" / "adapter.safetensors"
    )
    first = {tuple(row.query) for row in rows}
    assert first != {tuple(row.query) for row in pairs.read(work / "pairs" / "own-2-0of1.jsonl")}
    fresh = stage_options(stage2, work, **sizes, start="none", own_share=1.0)
    assert stage2.run(fresh) == 0 and llora.load_config(work / "stages" / "stage2-only")["start"] == ""


def test_continuation_losses_equal_those_of_each_prompt_alone(work):
    model = backbone.load(work / "backbone")
    rows = [([9, 10, 11], [20, 21, 22]), ([9, 10, 11, 12, 13, 14, 15], [30, 31])]
    for shape in (None, (4, 16)):
        found = utility.continuation_losses(model, rows, torch.device("cpu"), shape=shape)
        assert len(found) == 2
        for (prompt, continuation), loss in zip(rows, found, strict=True):
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([prompt + continuation])).logits[0, len(prompt) - 1 : -1]
            assert loss == pytest.approx(
                torch.nn.functional.cross_entropy(logits, torch.tensor(continuation)).item(), abs=0.05
            )


def test_utility_rates_by_the_gain_and_trains_on_it(work):
    assert ing.run(stage_options(ing, work, steps=2)) == 0
    args = stage_options(utility, work, contexts=16, candidates=4, rated=8, steps=2)
    assert utility.run(args) == 0
    rows = [json.loads(line) for line in (work / "pairs" / "rated-0of1.jsonl").read_text().splitlines()]
    assert 8 <= len(rows) <= 20
    assert all(2 <= len(row["gains"]) == len(row["candidates"]) <= 4 for row in rows)
    assert len({gain for row in rows for gain in row["gains"]}) > 10
    config = llora.load_config(work / "stages" / "utility")
    assert config["stage"] == "utility" and len(config["nullVector"]) == 32
    before = (work / "pairs" / "rated-0of1.jsonl").stat().st_mtime_ns
    (work / "checkpoints" / "utility.pt").unlink()
    assert utility.run(args) == 0
    assert (work / "pairs" / "rated-0of1.jsonl").stat().st_mtime_ns == before


def test_prompt_fragment_equals_the_embedded_one_without_its_final_token(work):
    rater = utility.Rater(stage_options(utility, work, start="none"), work / "backbone", 0, 1)
    window = pairs.Window("a", rater.form.fragment_embedding("f.py", "x = 1"), "f.py", 0, 1, [])
    assert rater._in_prompt(window) == rater.form.fragment("f.py", "x = 1", 128)


def test_ablation_trains_each_variant_once_and_compares_it_with_the_default(work, capsys):
    sizes = "--steps 2 --batch 16 --group 8 --micro 8 --no-compile --evaluation-cases 4 --evaluation-pool 12"
    args = options(ablate, work, *sizes.split(), "--points", "adapters", "query")
    assert ablate.run(args) == 0
    table = tables.load(work, ablate.TABLE)
    assert [(row["point"], row["variant"]) for row in table.figures][:2] == [
        ("", "default"),
        ("adapters", "shared by query and fragment"),
    ]
    assert len(table.figures) == 5 and all(0 <= row["mrr"] <= 1 for row in table.figures)
    assert all(row["difference"][1] <= row["difference"][0] <= row["difference"][2] for row in table.figures[1:])
    assert "adapters" in capsys.readouterr().out
    (work / "ablation" / "adapters-shared-by-query-and-fragment.json").unlink()
    assert ablate.run(args) == 0
    again = capsys.readouterr().out
    assert "2 steps of adapters shared" in again and "2 steps of query" not in again
    assert tables.load(work, ablate.TABLE).figures[1]["mrr"] == pytest.approx(table.figures[1]["mrr"], abs=0.05)


def test_every_variant_of_the_ablation_can_be_expressed():
    config = backbone.default_config(300, 32, 2, 4, 2, 48, 256)
    model = backbone.create(config)
    inputs, _ = llora.LLoRA(model).collect(torch.randint(0, 300, (2, 9)))
    seen = set()
    for variant in ablate.variants():
        module = llora.LLoRA(model, **{"rank": 16, "alpha": 32.0, **variant.options})
        found = module.read(inputs, torch.tensor([9, 4]), llora.FRAGMENT)
        assert found.shape == (2, module.dimension) and found.isfinite().all()
        seen.add((variant.point, variant.name))
    assert len(seen) == len(ablate.variants())
