"""The seven measurements: each on a tiny work folder, and the parts whose truth can be worked out by hand."""

import json

import pytest
import torch
from command_options import options
from tiny import tokenizer_json
from tokenizers import Tokenizer

from experiments import attention, diagnosis, documentation, measure, rounds, scale
from experiments.fixtures import SHIPPED, UNTRAINED, Fixtures
from selfracg import tables
from selfracg.data import crossfile, prompt_layout
from selfracg.eval import completions
from selfracg.export import export
from selfracg.intervals import Interval
from selfracg.model import backbone, forward, llora, low_rank
from selfracg.model.expressions import pad

VERBS = "open close read write parse merge split count clean build".split()


def repository(name, seed):
    """Two files that define functions, and one that uses each of them once."""
    names = [f"{verb}_ledger_{seed}" for verb in VERBS]
    files = {}
    for part in range(2):
        own = names[part * 5 : part * 5 + 5]
        files[f"pkg/part{part}.py"] = "\n".join(
            f"def {each}(value):\n    total = value + {seed}\n    return total\n\n\n# end\n" for each in own
        )
    calls = "\n".join(f"    step = step * 2\n    result = {each}(step)" for each in names)
    files["pkg/main.py"] = f"import sys\n\n\ndef main(step):\n{calls}\n    return result\n"
    return {"repository": name, "language": "python", "licence": "MIT", "files": files}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A work folder with a tiny random backbone, adapters of several stages and a small corpus."""
    work = tmp_path_factory.mktemp("work")
    torch.manual_seed(3)
    (work / "tokenizer").mkdir()
    (work / "tokenizer" / "tokenizer.json").write_text(tokenizer_json(prompt_layout.OWN), encoding="utf-8")
    model = backbone.create(backbone.default_config(320, 64, 2, 4, 2, 96, 512))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    backbone.save(model, work / "backbone", work / "tokenizer" / "tokenizer.json")
    for folder in ("llora", "stages/stage1", "stages/stage2-only", "stages/stage2", "stages/stage2-round2"):
        module = llora.LLoRA(model, rank=4, alpha=8.0)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        module.save(work / folder, queryTokens=96, importTokens=24, fragmentTokens=64, stage=folder.rsplit("/", 1)[-1])
    assert not export.run(options(export, work, "--smoke"))
    (work / "corpus").mkdir()
    for split, seeds in (("train", range(3)), ("heldout", range(10, 12))):
        rows = [json.dumps(repository(f"{split}-{seed}", seed)) for seed in seeds]
        (work / "corpus" / f"{split}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (work / "nothing").mkdir()
    return work


def arguments(work, *extra):
    # An empty folder is no benchmark: held-out repositories serve.
    return options(measure, work, "--smoke", *extra, "--bench", str(work / "nothing"))


@pytest.fixture(scope="module")
def fixtures(work):
    return Fixtures(arguments(work, "scale", "--limit", "4"))


def test_every_measurement_prints_and_saves_its_table(work, capsys):
    assert measure.run(arguments(work, "all")) == 0
    printed = capsys.readouterr().out
    for name in measure.MEASURES:
        table = tables.load(work, name)
        assert table.title in printed and table.model.parameters == tables.of_backbone(work / "backbone").parameters
        assert all(len(row) == len(table.header) for row in table.rows)
        assert table.command.startswith(f"python -m experiments.measure {name} ")
    stages = tables.load(work, "stages").figures["python"]
    assert {"BM25", UNTRAINED, "stage 1 only", "stage 2 only", "stages 1 and 2", SHIPPED} == set(stages)
    assert "em" not in stages[SHIPPED]
    assert (
        tables.load(work, "diagnosis").figures["python"]["findings"][diagnosis.SIGNATURES[3]] == diagnosis.NOT_MEASURED
    )
    assert list(tables.load(work, "rounds").figures["rounds"]) == ["0", "1", "2"]


def test_completions_of_the_evaluation_fill_the_tables(work, fixtures, tmp_path, capsys):
    ids = [task.cursor.identifier for task in fixtures.tasks.load()["python"]]
    options = []
    for name, es in (("none", 10.0), (SHIPPED, 30.0), ("oracle", 50.0)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"results": [{"id": each, "em": 0, "es": es} for each in ids]}), encoding="utf-8")
        options += ["--completions", f"{name}={path}"]
    assert measure.run(arguments(work, "stages", "diagnosis", *options)) == 0
    assert tables.load(work, "stages").figures["python"][SHIPPED]["es"]["value"] == 30.0
    used = tables.load(work, "diagnosis").figures["python"]["use"]
    assert used["oracle"]["value"] == 40.0
    assert "the oracle's fragments change ES by +40.0 to +40.0" in capsys.readouterr().out


def test_completions_of_another_form_are_refused(tmp_path):
    path = tmp_path / "old.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="npm run eval"):
        completions.parse([f"none={path}"])
    with pytest.raises(ValueError, match="NAME=FILE"):
        completions.parse([str(path)])


def test_a_leak_is_reported(work, monkeypatch):
    collect = llora.LLoRA.collect

    def leaking(self, ids, logits=False):
        inputs, found = collect(self, ids, logits)
        return inputs, None if found is None else found + found.sign() * 1e-3

    monkeypatch.setattr(llora.LLoRA, "collect", leaking)
    assert measure.run(arguments(work, "diagnosis")) == 1
    assert tables.load(work, "diagnosis").figures["python"]["findings"][diagnosis.SIGNATURES[1]] == diagnosis.SEEN


def test_attention_weights_reproduce_the_expression(fixtures):
    module = fixtures.engine.module(fixtures.methods[SHIPPED])
    plain = llora.LLoRA(fixtures.engine.model, rank=4, alpha=8.0, normalise=False, project=False)
    plain.load_state_dict(module.state_dict())
    with torch.no_grad():
        for layer in plain.layers:
            layer["v"].B.zero_()
        ids, lengths = pad([list(range(10, 31)), list(range(40, 52))], fixtures.engine.device)
        inputs = [
            low_rank.LayerInputs(*each) for each in forward.layer_inputs(fixtures.engine.model, ids, torch.float32)
        ]
        weights = attention.weights(plain, inputs, lengths, llora.QUERY)
        expected = plain.read(inputs, lengths, llora.QUERY)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    assert weights[:, 1, :, 12:].abs().max() == 0
    total = torch.zeros_like(expected)
    for layer, own in zip(inputs, weights, strict=True):
        values = layer.v.view(2, 21, plain.key_value_heads, -1).repeat_interleave(
            plain.query_heads // plain.key_value_heads, dim=2
        )
        total += torch.einsum("bht,bthd->bhd", own, values).flatten(1)
    torch.testing.assert_close(total / len(inputs), expected, rtol=1e-4, atol=1e-5)


def test_every_token_of_a_context_gets_its_kind(fixtures):
    prefix = (
        "from pkg import price\n" + "\n" * 14 + '# a note\ndef total(items):\n    return price(items, "x", 12) + other.'
    )
    found = attention.context(fixtures.form, "python", "pkg/user.py", prefix, {"price"}, {"total"})
    by_kind = {
        kind: "".join(
            fixtures.form.tokenizer.decode([token], skip_special_tokens=False)
            for token, number in zip(found.ids, found.kinds, strict=True)
            if attention.KINDS[number] == kind
        )
        for kind in attention.KINDS
    }
    assert by_kind["path"] == "pkg/user.py" and by_kind["template"] == "<|path|>\n"
    assert by_kind["name defined elsewhere"].strip() == "price" and by_kind["name defined here"].strip() == "total"
    assert by_kind["import statements"].strip().startswith("from pkg import price")
    assert "# a note" in by_kind["comment"] and '"x"' in by_kind["string or number"].replace(" ", "")
    assert "return" in by_kind["keyword"] and "items" in by_kind["other name"] and "(" in by_kind["punctuation"]
    line = "".join(
        fixtures.form.tokenizer.decode([token])
        for token, inside in zip(found.ids, found.last_line, strict=True)
        if inside
    )
    assert line.lstrip("\n") == '    return price(items, "x", 12) + other.'


def test_rank_of_the_right_fragment_never_improves_as_the_index_grows(fixtures):
    found = fixtures.tasks.load()["python"]
    further = scale.others(fixtures, "python", {task.cursor.repository for task in found})
    assert len(further) == 3 and all(fragment.path.startswith("pkg/") for part in further for fragment in part)
    ranks = scale.grown(fixtures, found, further, [1, 2, 4])
    for before, after in zip(ranks[1][SHIPPED], ranks[4][SHIPPED], strict=True):
        assert after is None or (before is not None and before <= after)
    own = fixtures.rank([fixtures.methods[SHIPPED]])["python"][SHIPPED]
    assert ranks[1][SHIPPED] == [crossfile.first_hit(task, ranking) for task, ranking in zip(found, own, strict=True)]


def test_passages_follow_headings_and_queries_never_show_their_target():
    text = (
        "Intro " * 30
        + "\n\n# First part\n\n"
        + "alpha beta. " * 12
        + "\n\n"
        + "gamma delta. " * 30
        + "\n\nSecond part\n-----------\n\n"
        + "omega. " * 30
    )
    found = list(documentation.passages("doc", text))
    assert [(each.heading, each.opens) for each in found] == [
        ("", True),
        ("First part", True),
        ("First part", False),
        ("Second part", True),
    ]
    assert all(documentation.MIN_CHARACTERS <= len(each.text) <= documentation.MAX_CHARACTERS for each in found)
    ((before, target, own),) = documentation.queries(found, documentation.TASKS[0])
    assert target == 2 and own == {0, 1} and before.endswith(found[1].text + "\n\n") and found[2].text not in before
    named = documentation.queries(found, documentation.TASKS[1])
    assert [(found[target].heading, target) for _, target, _ in named] == [("First part", 1), ("Second part", 3)]
    assert "Second part" in named[1][0]


def figures(first, tenth, mrr):
    return {"recall": {"1": first, "10": tenth}, "mrr": {"value": mrr}}


@pytest.mark.parametrize(
    ("values", "gain", "expected"),
    [
        (figures(0.05, 0.5, 0.3), (1.0, 4.0), ["SEEN", "not seen", "not seen"]),
        (figures(0.3, 0.5, 0.4), (-1.0, 4.0), ["not seen", "not seen", "SEEN"]),
        (figures(0.0, 0.1, 0.02), (-1.0, 4.0), ["too few hits to tell", "not seen", "too few hits to tell"]),
    ],
)
def test_findings_follow_their_thresholds(values, gain, expected):
    used = {"oracle": {"low": gain[0], "high": gain[1]}, "found": {"tasks": 0}, "not found": {"tasks": 0}}
    found = diagnosis.findings(values, {SHIPPED: {"mean": 0.0, "largest": 0.0}}, used)
    assert [finding for *_, finding in found] == expected


def test_use_separates_tasks_by_whether_the_right_fragment_ranks_first():
    def scores(*values):
        return [completions.Score(100.0 * (es == 100), es) for es in values]

    given = {"none": scores(10, 20, 30), SHIPPED: scores(100, 15, 30), "oracle": scores(100, 40, 60)}
    found = diagnosis.use(given, [0, 3, None], ["a", "b", "c"])
    assert found["found"] == {"tasks": 1, "em": 100.0, "es": 100.0, "esGain": 90.0}
    assert found["not found"] == {"tasks": 2, "em": 0.0, "es": 22.5, "esGain": -2.5}
    assert found["oracle"]["value"] == pytest.approx((90 + 20 + 30) / 3)


def test_examples_name_cases_without_their_text(fixtures):
    found = fixtures.tasks.load()["python"]
    rankings = []
    for task in found:
        wrong = [i for i in task.others if i not in task.relevant]
        rankings.append([wrong[0], min(task.relevant)])
    listed = diagnosis.examples(found, rankings, [1] * len(found), None)
    assert len(listed) == diagnosis.EXAMPLES and listed[0]["rank"] == 2 and listed[0]["right"].startswith("pkg/part")
    assert {each["kind"] for each in listed} == {"among ten, not first"}


def test_a_trend_needs_an_interval_clear_of_zero(work, fixtures):
    assert [rounds.trend(Interval(0.1, low, high)) for low, high in ((0.01, 0.2), (-0.1, 0.2), (-0.2, -0.1))] == [
        "improves",
        "plateau",
        "degrades",
    ]
    assert rounds.rounds(fixtures) == {0: "stage1", 1: "stage2", 2: "stage2-round2"}


def test_byte_level_tokens_have_a_character_a_byte():
    tokenizer = Tokenizer.from_str(tokenizer_json(prompt_layout.OWN))
    text = "def größe(x):\n    return x  # né\n"
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert sum(len(tokenizer.id_to_token(token)) for token in ids) == len(text.encode())
