"""Pretraining: the fast forward equals transformers', the schedule, Muon, learning, interruption and resumption."""

import argparse
import json
import math

import command_options
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from selfracg.data import pack, rows, sample_boundaries, special_tokens, tokenizer
from selfracg.model import backbone, forward, llora
from selfracg.train import pretrain, trainer

SOURCE = "".join(
    f"class Maker_{n}Kind:\n    def make_from_{n}(self, value):\n        return value * {n}\n\n\n" for n in range(40)
)
USES = "".join(
    f"def use_{n}(value):\n    other = Maker_{n}Kind.make_from_{n}(value)\n    return other + {n}\n\n\n"
    for n in range(40)
)


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
    for one, other in zip(found, expected, strict=True):
        for tensor, name in zip(one, ("x", "q", "k", "v"), strict=True):
            torch.testing.assert_close(tensor, getattr(other, name), atol=2e-5, rtol=1e-4, msg=name)


def test_loss_and_gradients_equal_those_of_autograd(monkeypatch):
    monkeypatch.setattr(forward, "LOSS_CHUNK_CPU", 16)
    model = noisy_model()
    ids = torch.randint(7, 97, (3, 30))
    ids[1, 20:] = special_tokens.PAD
    targets = ids[:, 1:]
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    expected = F.cross_entropy(logits.reshape(-1, 97), targets.reshape(-1), ignore_index=special_tokens.PAD)
    expected.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    loss, losses, valid = forward.next_token_losses(model, ids, special_tokens.PAD, torch.float32)
    loss.backward()
    assert valid.sum() == 3 * 29 - 10 and losses.shape == (3, 29)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-5, rtol=1e-3, msg=name)


def test_sample_numbers_follow_the_samples_of_a_packed_row():
    trained = tokenizer.train([SOURCE, USES], 600)
    row = {"repository": "one", "language": "python", "licence": "MIT", "files": {"a.py": SOURCE, "b.py": USES}}
    packed, counts = pack.pack_repository(row, trained, 512, 4, 1)
    samples = sum(count for name, count in counts.items() if name.startswith(("leftToRight", "fillInMiddle", "spare")))
    numbers = sample_boundaries.sample_numbers(torch.from_numpy(packed.astype(np.int64)))
    assert samples > len(packed) and counts["fragments"] > 0
    assert int((numbers[:, -1] + 1).sum()) == samples
    # A sample starts with what opens one, and only the path token may follow the fill-in-the-middle token.
    starts = packed[:, 1:][(numbers[:, 1:] != numbers[:, :-1]).numpy()]
    assert set(starts.tolist()) <= {special_tokens.FRAGMENT, special_tokens.PATH, special_tokens.FIM_PREFIX}


def test_isolated_samples_have_the_losses_that_each_has_alone(monkeypatch):
    monkeypatch.setattr(forward, "ATTENTION_BLOCK", 16)
    model = noisy_model()
    parts = [
        torch.cat((torch.tensor([[special_tokens.PATH]]), torch.randint(7, 97, (1, size - 1))), dim=1)
        for size in (21, 30, 13)
    ]
    ids = torch.cat(parts, dim=1)
    numbers = sample_boundaries.sample_numbers(ids)
    loss, losses, valid = forward.next_token_losses(model, ids, special_tokens.PAD, torch.float32, documents=numbers)
    loss.backward()
    gradient = model.model.layers[0].self_attn.k_proj.weight.grad.clone()
    model.zero_grad()
    alone = [forward.next_token_losses(model, part, special_tokens.PAD, torch.float32) for part in parts]
    together = sum(each[1].sum() for each in alone) / (64 - 3)
    torch.testing.assert_close(loss, together, atol=1e-5, rtol=1e-5)
    assert int(valid.sum()) == 64 - 3 and not valid[0, 20] and not valid[0, 50]
    sum(each[0] * each[2].sum() / (64 - 3) for each in alone).backward()
    torch.testing.assert_close(model.model.layers[0].self_attn.k_proj.weight.grad, gradient, atol=1e-5, rtol=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: compares its attention with the CPU's")
def test_gpu_attention_equals_the_cpus():
    model = noisy_model()
    ids = torch.randint(7, 97, (2, 600))
    ids[:, 200] = ids[1, 411] = special_tokens.PATH
    numbers = sample_boundaries.sample_numbers(ids)
    with torch.no_grad():
        expected = forward.hidden_states(model, ids, torch.float32, numbers)
        model, ids, numbers = model.cuda(), ids.cuda(), numbers.cuda()
        compiled = torch.compile(forward.hidden_states, dynamic=False)
        found = compiled(model, ids, torch.bfloat16, forward.bounds(numbers)).float().cpu()
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()


def test_schedule_follows_whichever_budget_is_nearer_its_end():
    assert trainer.progress(50, 10.0, 100.0, 40.0) == 0.5
    assert trainer.progress(50, 30.0, 100.0, 40.0) == 0.75
    assert trainer.progress(50, 99.0, None, 40.0) == 1.0
    assert trainer.rate(0, 0.0, 10, 0.4) == pytest.approx(0.1)
    assert trainer.rate(500, 0.6, 10, 0.4) == pytest.approx(1.0)
    assert trainer.rate(500, 0.8, 10, 0.4) == pytest.approx(0.5)
    assert trainer.rate(500, 1.0, 10, 0.4) == 0.0


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
    sizes = {
        "hidden": 32,
        "layers": 1,
        "intermediate": 48,
        "compile": "off",
        "rows": 4,
        "micro_rows": 4,
        "heldout_rows": 8,
        "final_rows": 8,
        "warmup_steps": 2,
        "processes": 1,
        "adam_lr": 0.01,
    }
    return command_options.options(pretrain, work, **{**sizes, **changes})


def events(work) -> list[dict]:
    return [json.loads(line) for line in (work / "pretrain.jsonl").read_text().splitlines()]


def test_pretraining_learns_and_writes_a_loadable_backbone(tmp_path):
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
    run = pretrain.Pretraining(options(parts, tokens=budget))
    optimise = run.optimise

    def stop_after_nine(batch, factor):
        sums = optimise(batch, factor)
        if run.step == 9:
            run.request_stop(15, None)
        return sums

    run.optimise = stop_after_nine
    assert run.train() == trainer.INTERRUPTED
    assert events(parts)[-1]["event"] == "interrupted"
    resumed = pretrain.Pretraining(options(parts, tokens=budget))
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


def test_pretraining_names_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `pack` first"):
        pretrain.run(options(tmp_path, minutes=1.0))
    write_shards(tmp_path)
    pretrain.run(options(tmp_path, tokens=500))
    with pytest.raises(ValueError, match="found 32"):
        pretrain.run(options(tmp_path, tokens=500, hidden=64))


def feed_of(work, count: int | None = None) -> rows.Feed:
    shards = rows.Shards.load(work / "shards", "train")
    if count is not None:
        shards = rows.Shards(shards.rows[:count], shards.languages[:count], shards.names)
    return rows.Feed(shards, 0, torch.device("cpu"))


def test_rows_come_once_a_pass_and_with_their_languages(tmp_path):
    write_shards(tmp_path, rows=10)
    feed = feed_of(tmp_path)
    batches = [feed.next(3) for _ in range(4)]
    assert sorted([*np.concatenate([batch.rows for batch in batches[:3]]), batches[3].rows[0]]) == list(range(10))
    assert (feed.done.epoch, feed.done.position) == (1, 2)
    for batch in batches:
        assert torch.equal(batch.ids, torch.from_numpy(feed.shards.rows[batch.rows].astype(np.int64)))
        assert batch.languages.tolist() == [row % 2 for row in batch.rows]


def test_feed_resumes_from_its_state_and_gives_each_rank_other_rows(tmp_path):
    write_shards(tmp_path, rows=10)
    whole, first = feed_of(tmp_path), feed_of(tmp_path)
    expected = [whole.next(4).rows.tolist() for _ in range(6)]
    assert [first.next(4).rows.tolist() for _ in range(2)] == expected[:2]
    second = feed_of(tmp_path)
    second.restore(first.state())
    assert [second.next(4).rows.tolist() for _ in range(4)] == expected[2:]
    shares = [rows.Feed(whole.shards, 0, torch.device("cpu"), rank, 2).next(4).rows.tolist() for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == sorted(expected[0])


def test_a_pass_over_other_shards_begins_anew(tmp_path):
    write_shards(tmp_path, rows=12)
    early = feed_of(tmp_path, 6)
    early.next(4)
    late = feed_of(tmp_path)
    late.restore(early.state())
    assert sorted(late.next(12).rows.tolist()) == list(range(12))
