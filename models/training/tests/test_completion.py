"""Completion: what stands in a prompt, decoding in batches, healing, and predictions that are kept."""

import json

import pytest
import torch
from tiny import tokenizer_json
from tokenizers import Tokenizer

from selfracg_training import backbone, bench, completion, decoding, llora, package, retrievers, scoring
from selfracg_training.prompt_format import PromptFormat
from selfracg_training.retrievers import Ranking


def form():
    manifest = {"prompt": package.OWN.to_json(), "retrieval": {"queryTokens": 200, "fragmentTokens": 200}}
    return PromptFormat(manifest, Tokenizer.from_str(tokenizer_json(package.OWN)))


def case(prefix="x = 1\ny = ", suffix="\n", texts=("def one(): pass", "def two(): go"), truth="two()"):
    pool = [bench.Fragment(f"f{i}.py", 0, text) for i, text in enumerate(texts)]
    task = bench.Task("t", "python", "r", "here.py", len(prefix), truth)
    return bench.Case(task, prefix, pool, list(range(len(pool))), "two", frozenset({1}), suffix)


def shown(found):
    return [form().tokenizer.decode(tokens) for tokens in found]


def test_fragments_that_say_nothing_new_are_left_out():
    same = "alpha beta gamma delta epsilon zeta eta theta iota kappa"
    texts = ["x = 1\n)", f"{same} one", f"{same} two", "other words here", "(\n)"]
    one = case(texts=texts)
    # The first stands on screen, the third says what the second says, the last says nothing.
    assert shown(completion.select(one, Ranking([0, 1, 2, 3, 4], []), form())) == [
        f"f1.py\n{same} one\n",
        "f3.py\nother words here\n",
    ]
    assert len(completion.select(one, Ranking([1, 3], [0.9, 0.2], 0.5), form())) == 1
    assert completion.select(one, Ranking([1, 3], [0.4, 0.2], 0.5), form()) == []


def test_fragments_overlap_no_better_one_and_keep_the_limits(monkeypatch):
    pool = [bench.Fragment("a.py", 10 * i, f"word{i} thing{i} of{i}") for i in range(8)]
    one = bench.Case(case().task, "x", pool, list(range(8)), "", frozenset(), "")
    places = [tokens for tokens in shown(completion.select(one, Ranking([1, 0, 2, 3, 5, 7], []), form()))]
    assert [text.split()[1] for text in places] == ["word1", "word3", "word5", "word7"]
    monkeypatch.setattr(completion, "FRAGMENT_BUDGET", 50)
    assert len(completion.select(one, Ranking([1, 3, 5], []), form())) < 3
    monkeypatch.setattr(completion, "FRAGMENT_BUDGET", 448)
    monkeypatch.setattr(completion, "MOST_FRAGMENTS", 1)
    assert len(completion.select(one, Ranking([1, 3, 5], []), form())) == 1


def test_the_best_fragment_stands_next_to_the_code_and_code_keeps_its_room():
    one, layout = case(), form()
    fragments = completion.select(one, Ranking([1, 0], []), layout)
    prompt, count = completion.assemble(one, fragments, layout, 1024)
    assert count == 2 and prompt == [*fragments[1], *fragments[0], *layout.left_to_right("here.py", one.prefix, 512)]
    behind = case(suffix="\nreturn y\n")
    prompt, _ = completion.assemble(behind, [], layout, 1024)
    assert prompt == layout.fill_in_middle("here.py", behind.prefix, "\nreturn y\n", 512)
    # 48 tokens to write and 96 of code leave no room for a second fragment.
    prompt, count = completion.assemble(one, fragments, layout, 48 + 96 + len(fragments[0]))
    assert count == 1 and len(prompt) <= 96 + len(fragments[0])


def test_a_suffix_is_shown_in_whole_lines():
    assert completion.visible_suffix("short\n") == "short\n"
    long = "\n".join(f"line {n}" for n in range(100))
    cut = completion.visible_suffix(long)
    assert len(cut) <= 384 and cut.endswith("\n") and long.startswith(cut)


def test_fill_in_the_middle_shares_the_room():
    layout = form()
    long = "abc def ghi " * 100
    row = layout.fill_in_middle("a.py", long, long, 100)
    special = layout.tokenizer.token_to_id
    assert len(row) == 100
    assert row[0] == special("<|fim_prefix|>") and row[-1] == special("<|fim_middle|>")
    frame = len(layout.fill_in_middle("a.py", "", "", 100))
    assert row[-1 - (100 - frame) // 4 : -1] == layout.encode(long)[: (100 - frame) // 4]
    # What a short suffix leaves goes to the prefix.
    row = layout.fill_in_middle("a.py", long, "x", 100)
    assert len(row) == 100 and row[-2] == layout.encode("x")[0]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(5)
    made = backbone.create(backbone.default_config(320, 32, 2, 4, 2, 48, 512))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return made.eval()


def test_batches_decode_what_each_prompt_would_alone(model):
    generator = torch.Generator().manual_seed(1)
    prompts = [torch.randint(7, 300, (length,), generator=generator).tolist() for length in (30, 41, 33, 38)]
    wanted = [
        model.generate(
            torch.tensor([p]),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=6,
            attention_mask=torch.ones(1, len(p)),
        )[0, len(p) :].tolist()
        for p in prompts
    ]
    assert decoding.greedy(model, prompts, lambda row, tokens: False, 12) == wanted
    # Rows end one after the other, and the others go on as if nothing had happened.
    ended = decoding.greedy(model, prompts, lambda row, tokens: len(tokens) > 2 * row, 12)
    assert ended == [tokens[: 2 * row + 1] for row, tokens in enumerate(wanted)]


def test_healing_spells_what_is_owed_first(model):
    tokenizer = Tokenizer.from_str(tokenizer_json(package.OWN))
    spelling = decoding.Spelling(tokenizer)
    # Latin-1 and beyond: the table of bytes is the tokenizer's own.
    for text in ("self.naïve = ü\t€\n", "".join(map(chr, range(1, 256)))):
        assert b"".join(spelling.bytes[token] for token in tokenizer.encode(text).ids) == text.encode()
    prompt = list(range(20, 40))
    (tokens,) = decoding.greedy(
        model, [prompt], lambda row, found: len(found) > 9, 10, owed=[b"return"], spelling=spelling
    )
    assert tokenizer.decode(tokens).startswith("return")
    (free,) = decoding.greedy(model, [prompt], lambda row, found: True, 10)
    (barred,) = decoding.greedy(model, [prompt], lambda row, found: True, 10, ends=free)
    assert barred != free


def test_the_last_token_before_the_cursor_is_owed():
    layout = form()
    prefix, owed = completion.heal("value = self", layout)
    assert owed and prefix + owed == "value = self" and layout.encode("value = self")[-1:] == layout.encode(owed)
    assert completion.heal("", layout) == ("", "")


@pytest.fixture
def work(tmp_path, model):
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(package.OWN), encoding="utf-8")
    backbone.save(model, tmp_path / "backbone", tmp_path / "tokenizer.json")
    llora.LLoRA(model).save(tmp_path / "llora", queryTokens=60, importTokens=0, fragmentTokens=60)
    return tmp_path


def test_what_was_completed_is_kept_and_shared(work, monkeypatch):
    found = [case(), case(prefix="def go(a):\n    return ", truth="one()")]
    none, some = [Ranking([], [])] * 2, [Ranking([1], []), Ranking([], [])]
    first = completion.complete(work, found, {"nothing": none, "BM25": some}, dtype="float32")
    assert [p.fragments for p in first["BM25"]] == [1, 0] and first["BM25"][1] == first["nothing"][1]
    kept = work / "predictions" / "generated.jsonl"
    # Two cases, and one of them with a fragment; the second case's prompts are the same.
    assert len([line for line in kept.read_text(encoding="utf-8").splitlines() if line]) == 3
    text = kept.read_text(encoding="utf-8")
    kept.write_text(text[:-10], encoding="utf-8")
    assert completion.complete(work, found, {"nothing": none, "BM25": some}, dtype="float32") == first

    def never(*_):
        raise AssertionError("completed again")

    monkeypatch.setattr(decoding, "greedy", never)
    assert completion.complete(work, found, {"BM25": some}, dtype="float32")["BM25"] == first["BM25"]
    rows = [
        json.loads(line)
        for line in (work / "predictions" / "python" / "bm25.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for row, each, one in zip(rows, first["BM25"], found, strict=True):
        assert row["es"] == pytest.approx(
            scoring.score("python", scoring.line_before(one.prefix), row["prediction"], one.task.groundtruth).es,
            abs=1e-3,
        )
        assert row["prediction"] == each.text


def test_oracles_and_draws_are_among_the_others():
    one = case(texts=tuple(f"def f{n}(): two" for n in range(9)))
    assert retrievers.defining_ranking(one).order == [1]
    assert retrievers.random_ranking(one) == retrievers.random_ranking(one)
    assert sorted(retrievers.random_ranking(one).order) == list(one.others)
