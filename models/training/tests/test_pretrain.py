"""Pretraining: the fast forward equals transformers', the schedule, Muon, learning, interruption and resumption."""

import argparse
import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from selfracg_training import backbone, forward, llora, muon, pretrain


def noisy_model(context: int = 600):
    torch.manual_seed(0)
    model = backbone.create(backbone.default_config(97, 32, 2, 4, 2, 48, context))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def test_hidden_states_equal_those_of_transformers_across_attention_blocks():
    model = noisy_model()
    ids = torch.randint(7, 97, (2, forward.ATTENTION_BLOCK * 2 + 37))
    with torch.no_grad():
        expected = model.model(input_ids=ids, use_cache=False).last_hidden_state
        found = forward.hidden_states(model, ids, torch.float32)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


def test_layer_inputs_equal_those_that_hooks_collect():
    model = noisy_model()
    ids = torch.randint(7, 97, (2, 40))
    expected, _ = llora.LLoRA(model).collect(ids)
    with torch.no_grad():
        found = forward.layer_inputs(model, ids, torch.float32)
    assert len(found) == len(expected) == 2
    for one, other in zip(found, expected):
        for tensor, name in zip(one, ("x", "q", "k", "v")):
            torch.testing.assert_close(tensor, getattr(other, name), atol=2e-5, rtol=1e-4, msg=name)


def test_loss_and_gradients_equal_those_of_autograd(monkeypatch):
    monkeypatch.setattr(forward, "LOSS_CHUNK_CPU", 16)
    model = noisy_model()
    ids = torch.randint(7, 97, (3, 30))
    ids[1, 20:] = pretrain.PAD
    targets = ids[:, 1:]
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    expected = F.cross_entropy(logits.reshape(-1, 97), targets.reshape(-1), ignore_index=pretrain.PAD)
    expected.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    loss, losses, valid = forward.next_token_losses(model, ids, pretrain.PAD, torch.float32)
    loss.backward()
    assert valid.sum() == 3 * 29 - 10 and losses.shape == (3, 29)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-5, rtol=1e-3, msg=name)


def test_muon_orthogonalises_tall_wide_and_square_matrices():
    for shape in ((3, 40, 40), (3, 64, 20), (3, 20, 64)):
        singular = torch.linalg.svdvals(muon.orthogonalise(torch.randn(shape)))
        assert singular.min() > 0.5 and singular.max() < 1.35
    with pytest.raises(ValueError, match="give vectors and embeddings to AdamW"):
        muon.Muon([torch.nn.Parameter(torch.zeros(4))])


def test_schedule_follows_whichever_budget_is_nearer_its_end():
    assert pretrain.progress(50, 10.0, 100.0, 40.0) == 0.5
    assert pretrain.progress(50, 30.0, 100.0, 40.0) == 0.75
    assert pretrain.progress(50, 99.0, None, 40.0) == 1.0
    assert pretrain.rate(0, 0.0, 10, 0.4) == pytest.approx(0.1)
    assert pretrain.rate(500, 0.6, 10, 0.4) == pytest.approx(1.0)
    assert pretrain.rate(500, 0.8, 10, 0.4) == pytest.approx(0.5)
    assert pretrain.rate(500, 1.0, 10, 0.4) == 0.0


def write_shards(work, rows: int = 64, context: int = 64) -> None:
    """Two languages, each a cycle of its own over few tokens, so that a few steps learn them."""
    (work / "shards").mkdir(parents=True)
    (work / "tokenizer").mkdir()
    (work / "tokenizer" / "tokenizer.json").write_text(
        json.dumps({"model": {"vocab": {str(i): i for i in range(60)}}, "added_tokens": [{"id": 6}]})
    )
    random = np.random.default_rng(0)
    for split, count in (("train", rows), ("heldout", 16)):
        languages = np.arange(count) % 2
        start = random.integers(0, 20, count)
        data = 10 + 20 * languages[:, None] + (start[:, None] + np.arange(context)[None]) % 20
        np.save(work / "shards" / f"{split}.npy", data.astype(np.uint16))
        np.save(work / "shards" / f"{split}-language.npy", languages.astype(np.uint8))
    (work / "shards" / "languages.json").write_text(json.dumps(["python", "go"]))


def options(work, **changes) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    pretrain.add_arguments(parser)
    args = parser.parse_args([])
    sizes = {
        "work": work, "smoke": False, "device": "cpu", "hidden": 32, "layers": 1, "intermediate": 48, "compile": "off",
        "rows": 4, "micro_rows": 4, "heldout_rows": 8, "final_rows": 8, "warmup_steps": 2, "processes": 1, "adam_lr": 0.01,
    }
    for name, value in {**sizes, **changes}.items():
        setattr(args, name, value)
    return args


def events(work) -> list[dict]:
    return [json.loads(line) for line in (work / "pretrain.jsonl").read_text().splitlines()]


def test_learns_and_leaves_a_loadable_backbone(tmp_path):
    write_shards(tmp_path)
    assert pretrain.run(options(tmp_path, tokens=4 * 63 * 60)) == 0
    found = {event["event"]: event for event in events(tmp_path)}
    assert found["untrained"]["loss"] == pytest.approx(math.log(60), abs=0.3)
    assert found["final"]["loss"] < 1.0
    assert set(found["final"]["languages"]) == {"python", "go"}
    model = backbone.load(tmp_path / "backbone")
    ids = torch.from_numpy(np.load(tmp_path / "shards" / "heldout.npy").astype(np.int64))
    with torch.no_grad():
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss.item()
    assert loss == pytest.approx(found["final"]["loss"], abs=0.1)
    assert pretrain.run(options(tmp_path, tokens=4 * 63 * 60)) == 0
    assert events(tmp_path)[-1]["event"] == "end"


def test_resumed_run_equals_an_uninterrupted_one(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for work in (whole, parts):
        write_shards(work)
    budget = 4 * 63 * 24
    assert pretrain.run(options(whole, tokens=budget)) == 0
    trainer = pretrain.Trainer(options(parts, tokens=budget))
    optimise = trainer.optimise

    def stop_after_nine(rows, factor):
        sums = optimise(rows, factor)
        if trainer.step == 9:
            trainer.request_stop(15, None)
        return sums

    trainer.optimise = stop_after_nine
    assert trainer.train() == pretrain.INTERRUPTED
    assert events(parts)[-1]["event"] == "interrupted"
    resumed = pretrain.Trainer(options(parts, tokens=budget))
    assert resumed.step == 9 and resumed.tokens == 9 * 4 * 63 and resumed.elapsed > 0
    assert resumed.train() == 0
    expected = backbone.load(whole / "backbone").state_dict()
    found = backbone.load(parts / "backbone").state_dict()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-5, rtol=1e-4, msg=name)


def test_two_processes_train_the_same_model_as_one(tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    for work, processes in ((alone, 1), (together, 2)):
        write_shards(work)
        assert pretrain.run(options(work, tokens=4 * 63 * 6, processes=processes)) == 0
    one, two = ([event for event in events(work) if event["event"] == "final"][0] for work in (alone, together))
    assert two["loss"] == pytest.approx(one["loss"], abs=0.02)
    assert two["tokens"] == one["tokens"]


def test_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `tokenizer` first"):
        pretrain.run(options(tmp_path, minutes=1.0))
    write_shards(tmp_path)
    pretrain.run(options(tmp_path, tokens=500))
    with pytest.raises(ValueError, match="found 32"):
        pretrain.run(options(tmp_path, tokens=500, hidden=64))


def test_rows_come_once_an_epoch(tmp_path):
    write_shards(tmp_path, rows=10)
    trainer = pretrain.Trainer(options(tmp_path, tokens=500))
    first = np.concatenate([trainer.next_rows(3) for _ in range(3)])
    crossing = trainer.next_rows(3)
    assert sorted([*first, crossing[0]]) == list(range(10))
    assert trainer.epoch == 1 and trainer.position == 2
