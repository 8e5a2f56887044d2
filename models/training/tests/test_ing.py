"""ING: what pairs hold, which negatives count, the losses, a whole small training, interruption, the null vector."""

import hashlib
import json

import pytest
import torch
from command_options import stage_options
from conftest import repository_row
from tokenizers import Tokenizer

from selfracg.data import pair_sampler, pairs
from selfracg.model import backbone, expressions, llora
from selfracg.train import contrast, ing, need
from selfracg.train.adapter_training import AdapterTraining
from selfracg.train.trainer import INTERRUPTED


def sampler(work, seed: int = 0) -> tuple[pair_sampler.Sampler, Tokenizer]:
    tokenizer = Tokenizer.from_file(str(work / "tokenizer" / "tokenizer.json"))
    return pair_sampler.Sampler(repository_row("one", 3), pairs.prompt_format(tokenizer), seed), tokenizer


def test_definition_pairs_end_before_a_name_that_the_fragment_defines(work):
    source, tokenizer = sampler(work)
    found = [pair for pair in (source.draw("definition") for _ in range(60)) if pair is not None]
    assert len(found) > 10
    for pair in found:
        assert pair.path != pair.query_path
        assert set(pair.defines) & set(pair.follows)
        assert (
            len(pair.query) <= pairs.QUERY_TOKENS + pairs.IMPORT_TOKENS and len(pair.fragment) <= pairs.FRAGMENT_TOKENS
        )
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


def test_contexts_without_a_need_use_nothing_defined_elsewhere(work):
    source, _ = sampler(work)
    found = [no_need for no_need in (source.no_need() for _ in range(100)) if no_need is not None]
    assert found
    for one in found:
        file = next(file for file in source.repository.files if file.path == one.query_path)
        assert "result =" not in "\n".join(file.lines[one.query_line : one.query_line + 3])
        assert one.kind == "no-need" and one.follows == [] and one.first % 10 == 0


def test_windows_equal_those_of_a_search_and_come_once(work):
    source, _ = sampler(work)
    found = list(source.windows(1000))
    places = [(window.path, window.first) for window in found]
    assert len(places) == len(set(places)) and all(first % 10 == 0 for _, first in places)
    assert {file.path for file in source.repository.files} == {path for path, _ in places}
    assert all(window.last - window.first <= 20 for window in found) and len(list(source.windows(3))) == 3
    assert any("_3" in name for window in found for name in window.defines)


def pair(**changes) -> pairs.Pair:
    values = dict(
        repository="a",
        kind="next",
        query=[1],
        fragment=[2],
        query_path="q.py",
        query_line=5,
        path="f.py",
        first=0,
        last=10,
        defines=["alpha"],
        follows=["alpha"],
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
def test_interchangeable_fragments_are_not_negatives(changes, expected):
    assert pairs.interchangeable(pair(), pair(**changes)) is expected


def test_masked_negatives_do_not_change_the_loss_and_other_columns_may_be_right():
    torch.manual_seed(0)
    queries = torch.nn.functional.normalize(torch.randn(3, 8), dim=-1)
    fragments = torch.nn.functional.normalize(torch.randn(5, 8), dim=-1)
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[0, 1] = mask[2, 4] = False
    scores = queries @ fragments.T
    first = -torch.log_softmax(scores[0, [0, 2, 3, 4]] / 0.05, 0)[0]
    last = -torch.log_softmax(scores[2] / 0.05, 0)[4]
    found = contrast.info_nce(scores, mask, torch.tensor([0, -100, 4]), 0.05)
    torch.testing.assert_close(found, (first + last) / 2)


def test_negatives_of_a_query_are_marked():
    batch = [
        pair(),
        pair(fragment=[3], path="g.py", defines=["beta"], follows=[]),
        pair(kind="no-need", fragment=[4], follows=[]),
    ]
    window = pairs.Window("a", [5], "h.py", 0, 20, ["alpha"])
    elsewhere = pairs.Window("b", [2], "h.py", 0, 20, [])
    assert contrast.wrong(batch, [*batch, window, elsewhere]).tolist() == [
        [
            True,
            True,
            False,
            False,
            False,
        ],  # the third is from the same lines, the window defines what follows, the last is equal
        [True, True, True, True, True],
        [True, True, True, True, True],  # nothing of the repository is right for one without a need
    ]
    assert contrast.targets(batch, 9).tolist() == [0, 1, 9] and contrast.targets(batch, None).tolist() == [0, 1, -100]


def test_windows_that_score_high_and_are_wrong_are_chosen_first():
    windows = [pairs.Window("a", [10 + i], f"w{i}.py", 0, 20, ["alpha"] if i == 0 else []) for i in range(6)]
    bank = contrast.WindowBank(windows, 0)
    queries = torch.eye(8)[:2]
    batch = [pair(), pair(query_path="r.py")]
    assert len(bank.choose(batch, queries, 1.0)) == 2
    bank.keep(
        range(6), torch.tensor([[1.0] + [0.0] * 7, [0.9] + [0.0] * 7, [0.0] * 8, [0.0] * 8, [0.0] * 8, [0.0] * 8])
    )
    chosen = [bank.choose(batch, queries, 1.0) for _ in range(20)]
    # The first window would do as well; it may only come by chance, the second always.
    assert all(places[0] == 1 and len(set(places)) == 2 for places in chosen)
    assert bank.choose([pair(repository="unknown")], queries[:1], 1.0) == []


def test_listwise_loss_is_lowest_where_scores_follow_the_gains():
    gains = torch.tensor([[0.4, 0.0, float("-inf")], [0.0, 0.1, 0.3]])
    right = contrast.listwise(gains.nan_to_num(neginf=5.0), gains, 0.1, 0.1)
    wrong = contrast.listwise(-gains.nan_to_num(neginf=5.0), gains, 0.1, 0.1)
    weights = gains.div(0.1).softmax(1)
    assert right.item() == pytest.approx(torch.special.entr(weights).sum(1).mean().item(), abs=1e-5)
    assert wrong > right + 0.5


def test_batches_hold_groups_of_one_repository_and_each_pair_once():
    drawn = [pair(repository=f"r{i % 3}", query=[i]) for i in range(90)]
    made = list(contrast.batches(drawn, 20, 10, seed=1))
    assert len(made) == 4 and all(len(batch) == 20 for batch in made)
    seen = [one.query[0] for batch in made for one in batch]
    assert len(seen) == len(set(seen))
    assert all(len({one.repository for one in batch[start : start + 10]}) == 1 for batch in made for start in (0, 10))


def test_rows_come_back_in_order_whatever_their_length(work):
    model = backbone.load(work / "backbone")
    module = llora.LLoRA(model, rank=4)
    rows = [list(range(7, 7 + length)) for length in (30, 4, 17, 9, 25)]
    through = expressions.Reader(model, 2, torch.device("cpu"), compiled=False)
    with torch.no_grad():
        (together,) = through.express([module], rows, llora.QUERY)
        exact = torch.cat([module.express(torch.tensor([row]), torch.tensor([len(row)]), llora.QUERY) for row in rows])
        # The compiled reader's fixed shapes, without the compiler.
        through.compiled = True
        (filled,) = through.express([module], rows, llora.QUERY)
    for found in (together, filled):
        torch.testing.assert_close(found, exact, atol=2e-2, rtol=0)
        assert (found @ exact.T).argmax(1).tolist() == list(range(5))


def test_prompts_decoded_together_are_continued_as_each_is_alone(work):
    model = backbone.load(work / "backbone")
    generator = torch.Generator().manual_seed(1)
    prompts = [torch.randint(7, 260, (length,), generator=generator).tolist() for length in (30, 41, 33, 38)]
    alone = [expressions.greedy(model, [prompt], [0], 12)[0] for prompt in prompts]
    assert expressions.greedy(model, prompts, [0], 12) == alone and all(len(tokens) == 12 for tokens in alone)
    # Rows end one after the other, and the others go on as if nothing had happened.
    end = alone[0][5]
    assert expressions.greedy(model, prompts, [0, end], 12) == [
        tokens[: tokens.index(end)] if end in tokens else tokens for tokens in alone
    ]


def test_ing_trains_only_the_adapter_measures_it_and_resumes(work):
    weights = hashlib.sha256((work / "backbone" / "model.safetensors").read_bytes()).hexdigest()
    assert ing.run(stage_options(ing, work, steps=40)) == 0
    log = [json.loads(line) for line in (work / "ing.jsonl").read_text().splitlines()]
    losses = [event["loss"] for event in log if event["event"] == "train"]
    assert sum(losses[-8:]) / 8 < sum(losses[:8]) / 8 - 0.1
    assert hashlib.sha256((work / "backbone" / "model.safetensors").read_bytes()).hexdigest() == weights
    config = llora.load_config(work / "llora")
    assert config == llora.load_config(work / "stages" / "stage1")
    assert config["steps"] == 40 and config["backbone"] == weights and config["stage"] == "stage1"
    assert config["queryTokens"] == 192 and config["importTokens"] == 96
    assert len(config["nullVector"]) == 32 and any(config["nullVector"])
    assert config["nullScoreCalibration"]["keptWithNeed"] >= 0.9
    assert config["heldOut"]["trained"]["cases"] == config["heldOut"]["untrained"]["cases"] > 0
    loaded = llora.load(backbone.load(work / "backbone"), work / "llora")
    assert any(parameter.abs().sum() > 0 for name, parameter in loaded.named_parameters() if name.endswith("B"))
    before = (work / "ing.jsonl").read_text()
    assert ing.run(stage_options(ing, work, steps=40)) == 0
    assert (work / "ing.jsonl").read_text() == before and json.loads(before.splitlines()[-1])["event"] == "end"


def test_interrupted_training_resumes_at_the_same_step(work, monkeypatch):
    args = stage_options(ing, work, steps=8)
    trainer = AdapterTraining(args, 0, 1, ing.STAGE)
    optimise = trainer.optimise

    def stop_after_three(*values):
        result = optimise(*values)
        if trainer.step == 3:
            trainer.request_stop(15, None)
        return result

    monkeypatch.setattr(trainer, "optimise", stop_after_three)
    assert trainer.train() == INTERRUPTED
    resumed = AdapterTraining(args, 0, 1, ing.STAGE)
    assert (resumed.step, resumed.taken, resumed.finished) == (3, 3, False)
    pending, _ = next(resumed.upcoming())
    assert pending == list(contrast.batches(resumed.drawn, 16, 8, 0))[3]
    other = backbone.create(backbone.default_config(263, 32, 2, 4, 2, 48, 256), seed=5)
    backbone.save(other, work / "backbone")
    assert AdapterTraining(args, 0, 1, ing.STAGE).step == 0


def test_every_pass_draws_its_own_pairs(work):
    trainer = AdapterTraining(stage_options(ing, work, batch=32, pair_count=40), 0, 1, ing.STAGE)
    stream = trainer.upcoming()
    first, _ = next(stream)
    second, _ = next(stream)
    assert trainer.epoch == 1
    assert not {tuple(one.query) for one in first} >= {tuple(one.query) for one in second}


def test_two_processes_take_the_same_step_as_one(work, tmp_path):
    """Without the random windows, whose choice is each process's own; from the same pairs."""
    states = []
    for processes in (1, 2):
        (work / "checkpoints" / "stage1.pt").unlink(missing_ok=True)
        args = stage_options(ing, work, steps=2, processes=processes, windows=0.0)
        if processes == 2:
            whole = [row for row in (work / "pairs" / "train-0-0of1.jsonl").read_text().splitlines()]
            note = json.loads((work / "pairs" / "train-0-0of1.json").read_text())
            for part in range(2):
                name = work / "pairs" / f"train-0-{part}of2"
                name.with_suffix(".jsonl").write_text("".join(line + "\n" for line in whole) if part == 0 else "")
                name.with_suffix(".json").write_text(json.dumps({**note, "parts": 2}))
        assert ing.run(args) == 0
        states.append(torch.load(work / "checkpoints" / "stage1.pt", weights_only=True))
    for name, tensor in states[0]["module"].items():
        assert (
            torch.nn.functional.cosine_similarity(tensor.flatten(), states[1]["module"][name].flatten(), dim=0) > 0.9
        ), name
    torch.testing.assert_close(states[0]["null"], states[1]["null"], atol=2e-3, rtol=0.1)


def test_two_processes_share_windows_as_well(work):
    assert ing.run(stage_options(ing, work, steps=3, processes=2, windows=1.0)) == 0
    assert llora.load_config(work / "llora")["steps"] == 3


def test_training_starts_only_from_a_stage_of_the_same_backbone(work):
    assert ing.run(stage_options(ing, work, steps=2)) == 0
    later = AdapterTraining(stage_options(ing, work, start="stage1"), 0, 1, "again")
    saved = llora.load(later.reader.model, work / "stages" / "stage1")
    for name, tensor in saved.state_dict().items():
        assert torch.equal(tensor, later.module.state_dict()[name])
    torch.testing.assert_close(
        later.null.detach(), torch.tensor(llora.load_config(work / "stages" / "stage1")["nullVector"])
    )
    with pytest.raises(ValueError, match="rank"):
        AdapterTraining(stage_options(ing, work, start="stage1", rank=8), 0, 1, "again")
    other = backbone.create(backbone.default_config(263, 32, 2, 4, 2, 48, 256), seed=5)
    backbone.save(other, work / "backbone")
    with pytest.raises(ValueError, match="backbone"):
        AdapterTraining(stage_options(ing, work, start="stage1"), 0, 1, "again")
    with pytest.raises(FileNotFoundError, match="of this backbone"):
        ing.run(stage_options(ing, work, choose="best"))


def test_choose_takes_the_best_stage_unless_one_is_named(work):
    assert ing.run(stage_options(ing, work, steps=2)) == 0
    first = json.loads((work / "stages" / "stage1" / "adapter_config.json").read_text())
    (work / "stages" / "stage2").mkdir()
    (work / "stages" / "stage2" / "adapter.safetensors").write_bytes(
        (work / "stages" / "stage1" / "adapter.safetensors").read_bytes()
    )
    first["stage"] = "stage2"
    first["heldOut"]["trained"]["mrr_at_10"] = 2.0
    (work / "stages" / "stage2" / "adapter_config.json").write_text(json.dumps(first))
    assert ing.run(stage_options(ing, work, choose="best")) == 0
    assert llora.load_config(work / "llora")["stage"] == "stage2"
    assert ing.run(stage_options(ing, work, choose="stage1")) == 0
    assert llora.load_config(work / "llora")["stage"] == "stage1"


def test_threshold_keeps_the_asked_share():
    scores = [i / 100 for i in range(100)]
    chosen = need.threshold(scores, 0.9)
    assert need.share_above(scores, chosen) == pytest.approx(0.9)
    assert need.threshold([], 0.9) == 0.0
    assert need.separation([0.9, 0.8], [0.1, 0.8]) == pytest.approx(0.875)
