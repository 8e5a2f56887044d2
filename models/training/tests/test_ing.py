"""ING: what pairs hold, which negatives count, the loss, a whole small training, interruption, the null score."""

import argparse
import hashlib
import json
import random

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from selfracg_training import backbone, ing, llora, package, pairs

VERBS = "open close read write parse merge split count clean build".split()
NOUNS = "ledger parcel window branch ticket kettle garden planet".split()


def repository_row(name: str, seed: int) -> dict:
    """Files that define functions and files that call them, ten to fifteen lines before any name comes again."""
    source = random.Random(seed)
    names = [f"{verb}_{noun}_{seed}" for verb in VERBS for noun in source.sample(NOUNS, 2)]
    files = {}
    for part in range(4):
        own = names[part * 5 : part * 5 + 5]
        text = "\n".join(f"def {n}(value):\n    total = value + {i}\n    print(total)\n    return total\n" for i, n in enumerate(own))
        files[f"pkg/part{part}.py"] = text
    calls = "\n".join(f"    step = step * 2\n    print(step)\n    result = {n}(step)" for n in names)
    files["pkg/main.py"] = f"import sys\n\n\ndef main(step):\n{calls}\n    return result\n"
    return {"repository": name, "language": "python", "licence": "MIT", "files": files}


@pytest.fixture
def work(tmp_path):
    """A work folder with a byte-level tokenizer, a small corpus and a tiny backbone."""
    special = package.OWN.special_tokens()
    order = ["<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fragment|>", "<|path|>", "<|pad|>"]
    assert set(special) == set(order)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(order + alphabet)}, []))
    tokenizer.add_special_tokens(order)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    (tmp_path / "tokenizer").mkdir()
    tokenizer.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    (tmp_path / "corpus").mkdir()
    for split, seeds in (("train", range(4)), ("heldout", range(10, 12))):
        rows = [json.dumps(repository_row(f"{split}-{seed}", seed)) for seed in seeds]
        (tmp_path / "corpus" / f"{split}.jsonl").write_text("\n".join(rows) + "\n")
    torch.manual_seed(0)
    model = backbone.create(backbone.default_config(tokenizer.get_vocab_size(), 32, 2, 4, 2, 48, 256))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    backbone.save(model, tmp_path / "backbone", tmp_path / "tokenizer" / "tokenizer.json")
    return tmp_path


def options(work, **changes) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    ing.add_arguments(parser)
    args = parser.parse_args([])
    sizes = {
        "work": work, "smoke": False, "device": "cpu", "steps": 12, "pair_count": 120, "batch": 16, "group": 8,
        "micro": 8, "rank": 4, "alpha": 8.0, "processes": 1, "warmup_steps": 2, "log_seconds": 0.0,
        "evaluation_cases": 4, "evaluation_pool": 12, "compile": False,
    }
    for name, value in {**sizes, **changes}.items():
        setattr(args, name, value)
    return args


def sampler(work, seed: int = 0) -> tuple[pairs.Sampler, Tokenizer]:
    tokenizer = Tokenizer.from_file(str(work / "tokenizer" / "tokenizer.json"))
    return pairs.Sampler(repository_row("one", 3), pairs.prompt_format(tokenizer), seed), tokenizer


def test_definition_pairs_end_before_a_name_that_the_fragment_defines(work):
    source, tokenizer = sampler(work)
    found = [pair for pair in (source.draw("definition") for _ in range(60)) if pair is not None]
    assert len(found) > 10
    for pair in found:
        assert pair.path != pair.query_path
        assert set(pair.defines) & set(pair.follows)
        assert len(pair.query) <= pairs.QUERY_TOKENS and len(pair.fragment) <= pairs.FRAGMENT_TOKENS
        assert tokenizer.id_to_token(pair.query[0]) == "<|path|>"
        assert tokenizer.id_to_token(pair.fragment[0]) == tokenizer.id_to_token(pair.fragment[-1]) == "<|fragment|>"
        needed = set(pair.defines) & set(pair.follows)
        assert not any(name in tokenizer.decode(pair.query) for name in needed)


def test_next_pairs_continue_the_same_file_and_cursors_stand_anywhere(work):
    source, tokenizer = sampler(work)
    found = [pair for pair in (source.draw("next") for _ in range(80)) if pair is not None]
    assert all(pair.path == pair.query_path and pair.query_line < pair.first < pair.last for pair in found)
    ends = {tokenizer.decode(pair.query)[-1] for pair in found}
    assert len(ends) > 8


def test_contexts_without_need_use_nothing_defined_elsewhere(work):
    source, _ = sampler(work)
    found = [quiet for quiet in (source.without_need() for _ in range(100)) if quiet is not None]
    assert found
    for path, line, ids in found:
        lines = source.repository.files[[f.path for f in source.repository.files].index(path)].lines[line : line + 3]
        assert "result =" not in "\n".join(lines) and 0 < len(ids) <= pairs.QUERY_TOKENS


def pair(**changes) -> pairs.Pair:
    values = dict(
        repository="a", kind="next", query=[1], fragment=[2], query_path="q.py", query_line=5, path="f.py", first=0,
        last=10, defines=["alpha"], follows=["alpha"],
    )
    return pairs.Pair(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"repository": "b"}, True),  # the same text
        ({"fragment": [3], "first": 5, "last": 15, "defines": []}, True),  # overlapping windows
        ({"fragment": [3], "first": 10, "last": 20, "defines": []}, False),
        ({"fragment": [3], "path": "g.py", "defines": ["alpha"]}, True),  # defines what follows
        ({"fragment": [3], "path": "g.py", "defines": ["beta"]}, False),
        ({"fragment": [3], "path": "q.py", "first": 2, "last": 4, "defines": []}, True),  # already visible
        ({"fragment": [3], "path": "q.py", "first": 40, "last": 60, "defines": []}, False),
        ({"fragment": [3], "repository": "b", "defines": ["alpha"]}, False),
    ],
)
def test_fragments_that_would_do_as_well_are_no_negatives(changes, expected):
    assert pairs.interchangeable(pair(), pair(**changes)) is expected


def test_masked_negatives_do_not_change_the_loss():
    torch.manual_seed(0)
    queries = torch.nn.functional.normalize(torch.randn(4, 8), dim=-1)
    fragments = torch.nn.functional.normalize(torch.randn(4, 8), dim=-1)
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[0, 1] = False
    rows = [
        -torch.log_softmax(queries[row] @ fragments[[row, *(c for c in range(4) if c != row and mask[row, c])]].T / 0.05, 0)[0]
        for row in range(4)
    ]
    torch.testing.assert_close(ing.info_nce(queries, fragments, mask, 0.05), torch.stack(rows).mean())


def test_batches_keep_groups_of_one_repository_together_and_lose_no_pair_twice():
    drawn = [pair(repository=f"r{i % 3}", query=[i]) for i in range(90)]
    made = list(ing.batches(drawn, 20, 10, seed=1))
    assert len(made) == 4 and all(len(batch) == 20 for batch in made)
    seen = [one.query[0] for batch in made for one in batch]
    assert len(seen) == len(set(seen))
    assert all(len({one.repository for one in batch[start : start + 10]}) == 1 for batch in made for start in (0, 10))


def test_rows_come_back_in_order_whatever_their_length(work):
    model = backbone.load(work / "backbone")
    module = llora.LLoRA(model, rank=4)
    rows = [list(range(7, 7 + length)) for length in (30, 4, 17, 9, 25)]
    reader = ing.Reader(model, 2, torch.device("cpu"), compiled=False)
    with torch.no_grad():
        (together,) = reader.express([module], rows, llora.QUERY)
        exact = torch.cat([module.express(torch.tensor([row]), torch.tensor([len(row)]), llora.QUERY) for row in rows])
        # The compiled reader's fixed shapes, without the compiler.
        reader.compiled = True
        (filled,) = reader.express([module], rows, llora.QUERY)
    for found in (together, filled):
        torch.testing.assert_close(found, exact, atol=2e-2, rtol=0)
        assert (found @ exact.T).argmax(1).tolist() == list(range(5))


def test_trains_the_adapter_alone_measures_it_and_resumes(work):
    weights = hashlib.sha256((work / "backbone" / "model.safetensors").read_bytes()).hexdigest()
    assert ing.run(options(work, steps=60)) == 0
    log = [json.loads(line) for line in (work / "ing.jsonl").read_text().splitlines()]
    losses = [event["loss"] for event in log if event["event"] == "train"]
    assert sum(losses[-8:]) / 8 < sum(losses[:8]) / 8 - 0.1
    assert hashlib.sha256((work / "backbone" / "model.safetensors").read_bytes()).hexdigest() == weights
    config = llora.load_config(work / "llora")
    assert config["steps"] == 60 and config["backbone"] == weights and -1.0 <= config["nullScore"] <= 1.0
    assert config["nullScoreCalibration"]["keptWithNeed"] >= 0.9
    assert config["heldOut"]["trained"]["cases"] == config["heldOut"]["untrained"]["cases"] > 0
    loaded = llora.load(backbone.load(work / "backbone"), work / "llora")
    assert any(parameter.abs().sum() > 0 for name, parameter in loaded.named_parameters() if name.endswith("B"))
    assert ing.run(options(work, steps=60)) == 0
    assert [json.loads(line) for line in (work / "ing.jsonl").read_text().splitlines()][-1]["event"] == "final"


def test_an_interrupted_run_goes_on_where_it_stopped(work, monkeypatch):
    args = options(work, steps=8)
    ing.prepare(args)
    trainer = ing.Trainer(args)
    optimise = trainer.optimise

    def stop_after_three(batch, factor):
        result = optimise(batch, factor)
        if trainer.step == 3:
            trainer.request_stop(15, None)
        return result

    monkeypatch.setattr(trainer, "optimise", stop_after_three)
    assert trainer.train() == ing.INTERRUPTED
    resumed = ing.Trainer(args)
    assert (resumed.step, resumed.taken, resumed.finished) == (3, 3, False)
    whole = list(ing.batches(resumed.drawn, 16, 8, 0))
    assert next(resumed.upcoming()) == whole[3]
    other = backbone.create(backbone.default_config(263, 32, 2, 4, 2, 48, 256), seed=5)
    backbone.save(other, work / "backbone")
    assert ing.Trainer(args).step == 0


def test_two_processes_take_the_same_step_as_one(work):
    states = []
    for processes in (1, 2):
        (work / "checkpoints" / "ing.pt").unlink(missing_ok=True)
        assert ing.run(options(work, steps=2, processes=processes)) == 0
        states.append(llora.load(backbone.load(work / "backbone"), work / "llora").state_dict())
    for name, tensor in states[0].items():
        assert torch.nn.functional.cosine_similarity(tensor.flatten(), states[1][name].flatten(), dim=0) > 0.9, name


def test_threshold_keeps_the_asked_share():
    scores = [i / 100 for i in range(100)]
    chosen = ing.threshold(scores, 0.9)
    assert ing.share_above(scores, chosen) == pytest.approx(0.9)
    assert ing.threshold([], 0.9) == 0.0
    assert ing.separation([0.9, 0.8], [0.1, 0.8]) == pytest.approx(0.875)
