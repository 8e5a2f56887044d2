"""The vanilla LoRA baseline: what it trains, that it goes on where it ended, and that it is the backbone that generates."""

import argparse
import json

import numpy as np
import torch
from tiny import random_backbone

from selfracg_training import backbone, llora, pairs, vanilla
from selfracg_training.pairs import Pair


def make(work):
    random_backbone(work)
    source = np.random.default_rng(0)
    for split in ("train", "heldout"):
        rows = [
            Pair(
                f"r{n % 4}",
                "next",
                source.integers(7, 300, 30).tolist(),
                source.integers(7, 300, 20).tolist(),
                f"q{n}",
                0,
                f"f{n}",
                0,
                9,
                [],
                [],
            )
            for n in range(32)
        ]
        (work / "pairs").mkdir(exist_ok=True)
        pairs.write(work / "pairs" / f"{split}-0-0of1.jsonl", rows)


def run(work, *extra):
    parser = argparse.ArgumentParser()
    vanilla.add_arguments(parser)
    args = parser.parse_args(list(extra))
    args.work, args.smoke, args.device = work, False, "cpu"
    assert vanilla.run(args) == 0
    config = llora.load_config(work / "stages" / "vanilla")
    return config, (work / "stages" / "vanilla" / "adapter.safetensors").read_bytes()


def test_a_run_goes_on_where_it_ended_and_changes_generation(tmp_path, capsys):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
        make(tmp_path / name)
    small = ("--batch", "8", "--group", "4", "--micro", "4", "--minutes", "5", "--lr", "0.01", "--rank", "4")
    config, whole = run(tmp_path / "whole", *small, "--steps", "4")
    assert config["steps"] == 4 and {"queryTokens", "importTokens", "fragmentTokens"} <= config.keys()
    run(tmp_path / "parts", *small, "--steps", "2")
    again, parts = run(tmp_path / "parts", *small, "--steps", "4")
    assert again["steps"] == 4 and len(parts) == len(whole)
    assert (
        json.loads((tmp_path / "whole" / "ing.jsonl").read_text(encoding="utf-8").splitlines()[-1])["stage"]
        == "vanilla"
    )
    bare = backbone.load(tmp_path / "whole" / "backbone")
    changed = vanilla.merged(tmp_path / "whole" / "backbone", tmp_path / "whole" / "stages" / "vanilla")
    ids = torch.arange(10, 40)[None]
    with torch.no_grad():
        assert not torch.equal(bare(ids).logits, changed(ids).logits)


def test_gradients_in_parts_are_those_of_the_whole_batch(tmp_path):
    make(tmp_path)
    drawn, _ = pairs.stored(tmp_path)
    found = []
    for micro in (16, 3):
        model = backbone.load(tmp_path / "backbone")
        torch.manual_seed(1)
        parameters = vanilla.attach(model, 4, 8.0)
        args = argparse.Namespace(micro=micro, temperature=0.5)
        optimiser = torch.optim.SGD(parameters.values(), lr=1.0)
        loss = vanilla._step(model, parameters, optimiser, drawn[:8], args, torch.device("cpu"), 1.0)
        found.append((loss, {name: parameter.detach().clone() for name, parameter in parameters.items()}))
    assert abs(found[0][0] - found[1][0]) < 0.02
    for name, parameter in found[0][1].items():
        torch.testing.assert_close(parameter, found[1][1][name], atol=0.03, rtol=0.2)


def test_attached_and_merged_updates_compute_the_same(tmp_path):
    make(tmp_path)
    model = backbone.load(tmp_path / "backbone")
    parameters = vanilla.attach(model, 4, 8.0)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    vanilla._write(tmp_path / "v", parameters, {"rank": 4, "alpha": 8.0})
    ids = torch.arange(10, 40)[None]
    with torch.no_grad():
        torch.testing.assert_close(
            model(ids).logits, vanilla.merged(tmp_path / "backbone", tmp_path / "v")(ids).logits, atol=1e-4, rtol=1e-4
        )
