"""The vanilla LoRA baseline: what it trains, and that it changes the backbone that generates."""

import argparse

import numpy as np
import torch
from command_options import options
from peft import LoraConfig, get_peft_model
from tiny import random_backbone

from experiments import vanilla
from selfracg.data import pairs
from selfracg.data.pairs import Pair
from selfracg.model import backbone


def make(work):
    random_backbone(work)
    source = np.random.default_rng(0)
    for split in ("train", "heldout"):
        rows = []
        for n in range(32):
            query, fragment = source.integers(7, 300, 30).tolist(), source.integers(7, 300, 20).tolist()
            rows.append(Pair(f"r{n % 4}", "next", query, fragment, f"q{n}", 0, f"f{n}", 0, 9, [], []))
        (work / "pairs").mkdir(exist_ok=True)
        pairs.write(work / "pairs" / f"{split}-0-0of1.jsonl", rows)


def test_training_changes_generation(tmp_path):
    make(tmp_path)
    sizes = "--batch 8 --group 4 --micro 4 --lr 0.01 --rank 4 --steps 4"
    args = options(vanilla, tmp_path, *sizes.split())
    assert vanilla.run(args) == 0
    bare, changed = backbone.load(tmp_path / "backbone"), backbone.load(tmp_path / "stages" / "vanilla")
    ids = torch.arange(10, 40)[None]
    with torch.no_grad():
        assert not torch.equal(bare(ids).logits, changed(ids).logits)
    for name, weights in bare.state_dict().items():
        kept = not any(f"{each}_proj.weight" in name for each in "qkv")
        assert torch.equal(weights, changed.state_dict()[name]) == kept, name


def test_gradients_in_parts_equal_those_of_the_whole_batch(tmp_path):
    make(tmp_path)
    drawn, _ = pairs.stored(tmp_path)
    found = []
    for micro in (16, 3):
        torch.manual_seed(1)
        bare = backbone.load(tmp_path / "backbone")
        model = get_peft_model(bare, LoraConfig(r=4, lora_alpha=8.0, target_modules=["q_proj", "v_proj"]))
        args = argparse.Namespace(micro=micro, temperature=0.5)
        loss = vanilla._accumulate(bare.model, drawn[:8], args, torch.device("cpu"))
        found.append((loss, {name: each.grad for name, each in model.named_parameters() if each.grad is not None}))
    assert abs(found[0][0] - found[1][0]) < 0.02 and found[0][1]
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(gradient, found[1][1][name], atol=0.03, rtol=0.2)
