"""The `evaluate` command: rank measures, lexical retrieval, tasks, prompts, losses, and the tables on a tiny package."""

import json
import lzma
import math

import numpy as np
import pytest
import torch
from command_options import options
from tiny import tokenizer_json
from tokenizers import Tokenizer

from selfracg import tables
from selfracg.data import crossfile, heldout, lexical, prompt_layout, source_reader
from selfracg.data.prompt_format import PromptFormat
from selfracg.eval import copying, evaluate, loss, package_under_test, retrieval
from selfracg.export import export, package, runtime
from selfracg.model import backbone, llora

HELPER = "\n".join(
    ["import os", "", "def compute_total(items):", "    return sum(items)"] + [f"value_{n} = {n}" for n in range(26)]
)
USER = "from helper import compute_total\n\ndef show(items):\n    print(compute_total(items))\n"


# Lexical retrieval


def brute_force_bm25(query, texts):
    """BM25 written out term by term from its formula."""
    bags = [lexical.words(text) for text in texts]
    average = sum(map(len, bags)) / len(bags)
    scores = []
    for bag in bags:
        score = 0.0
        for word in dict.fromkeys(lexical.words(query)):
            containing = sum(word in other for other in bags)
            idf = math.log(1 + (len(bags) - containing + 0.5) / (containing + 0.5))
            frequency = bag.count(word)
            saturation = frequency / (frequency + 1.2 * (0.25 + 0.75 * len(bag) / average))
            score += idf * saturation * min(3, lexical.words(query).count(word))
        scores.append(score)
    return scores


def test_bm25_follows_its_formula():
    texts = ["def readFile(path)", "class FileReader: pass", "x = 1", "readFile readFile read file file file"]
    query = "file = readFile(file) file file file"
    np.testing.assert_allclose(lexical.Bm25(texts).scores(query), brute_force_bm25(query, texts), rtol=1e-5)


def test_bm25_of_texts_or_queries_without_words_finds_nothing():
    assert lexical.Bm25(["=", "+"]).scores("a").tolist() == [0, 0]
    assert lexical.Bm25(["a", "+"]).rank("=", [1, 0]) == [1, 0]


def test_words_are_lower_case_with_their_parts():
    assert lexical.words("parseHTTPHeader x2 snake_case Plain 12") == [
        "parsehttpheader",
        "parse",
        "http",
        "header",
        "x2",
        "x",
        "2",
        "snake_case",
        "snake",
        "case",
        "plain",
    ]


def test_equal_scores_keep_their_order_and_only_the_given_are_ranked():
    index = lexical.Bm25(["a b", "b a", "c", "a b"])
    assert index.rank("a", [3, 0, 2]) == [3, 0, 2]


# Fragments, relevance, measures


def test_fragments_overlap_and_reach_the_end():
    found = crossfile.fragments({"a.py": "\n".join(map(str, range(45))), "b.py": "x"})
    assert [(f.path, f.line) for f in found] == [("a.py", 0), ("a.py", 10), ("a.py", 20), ("a.py", 30), ("b.py", 0)]
    assert found[3].text == "\n".join(map(str, range(30, 45)))


@pytest.mark.parametrize(
    "language, name, defining, using",
    [
        ("python", "load_all", "    async def load_all(self):", "    x = load_all()"),
        ("python", "limit", "    self.limit: int = 4", "    if limit == 4:"),
        ("python", "Reader", "class Reader(Base):", "reader = Reader()"),
        ("java", "getTotal", "    public static int getTotal(", "    int x = a.getTotal();"),
        ("java", "Order", "public final class Order {", "    Order.of();"),
        ("typescript", "fetchAll", "export async function fetchAll(", "  await client.fetchAll();"),
        ("typescript", "size", "  private readonly size: number;", "  return this.size;"),
    ],
)
def test_definitions_count_and_uses_do_not(language, name, defining, using):
    cursor = crossfile.Cursor("t", language, "r", "here", 0, f"{name}()")
    assert crossfile.relevant(cursor, [crossfile.Fragment("there", 0, "\n" + defining)]) == (name, {0})
    assert crossfile.relevant(cursor, [crossfile.Fragment("there", 0, "\n" + using)]) == (None, set())
    assert crossfile.relevant(cursor, [crossfile.Fragment("here", 0, "\n" + defining)]) == (None, set())


def test_the_first_name_with_a_definition_decides():
    pool = [crossfile.Fragment("a", 0, "def second():"), crossfile.Fragment("b", 0, "def third():")]
    cursor = crossfile.Cursor("t", "python", "r", "here", 0, "ab.first(second(third))")
    assert crossfile.relevant(cursor, pool) == ("second", {0})


def test_measures_of_known_ranks():
    ranks = crossfile.measure([0, 1, None, 9], ["a", "a", "b", "b"])
    assert ranks.mrr == pytest.approx((1 + 0.5 + 0 + 0.1) / 4)
    assert ranks.recall == {1: 0.25, 5: 0.5, 10: 0.75}
    assert ranks.low <= ranks.mrr <= ranks.high
    # Two repositories: a resample holds one, the other or both, so the interval spans the two means.
    assert (ranks.low, ranks.high) == (pytest.approx(0.05), pytest.approx(0.75))


def test_first_hit_looks_at_the_first_ten():
    task = crossfile.Task(crossfile.Cursor("t", "python", "r", "f", 0, "x"), "", [], [], "x", frozenset({7}))
    assert crossfile.first_hit(task, [3, 7]) == 1
    assert crossfile.first_hit(task, [*range(20, 30), 7]) is None


# TaskSet of held-out repositories


def test_tasks_stand_at_the_first_use_after_the_imports(tmp_path):
    path = tmp_path / "heldout.jsonl"
    row = {"repository": "r", "language": "python", "licence": "MIT", "files": {"helper.py": HELPER, "user.py": USER}}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    (task,) = heldout.tasks(path, 5)["python"]
    assert (task.cursor.file, task.name, task.cursor.groundtruth) == (
        "user.py",
        "compute_total",
        "compute_total(items))",
    )
    assert USER[: task.cursor.offset] == task.prefix and task.prefix.endswith("    print(")
    assert [task.pool[i].path for i in task.relevant] == ["helper.py"]


def test_texts_come_from_every_repository_in_turn(tmp_path):
    path = tmp_path / "heldout.jsonl"
    rows = [
        {"repository": r, "language": "go", "licence": "MIT", "files": {f"{r}{n}.go": "x" for n in range(9)}}
        for r in "ab"
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert sorted(name[0] for name, _ in heldout.texts(path, 4)["go"]) == ["a", "a", "b", "b"]


# Prompt format


def prompt_format():
    manifest = {"prompt": prompt_layout.OWN.to_json(), "retrieval": {"queryTokens": 40, "fragmentTokens": 40}}
    return PromptFormat(manifest, Tokenizer.from_str(tokenizer_json(prompt_layout.OWN)))


def test_rows_follow_the_templates_with_slots_tokenised_alone():
    form = prompt_format()
    special = form.tokenizer.token_to_id
    assert form.query("a.py", "x = 1") == [
        special("<|path|>"),
        *form.encode("a.py"),
        *form.encode("\n"),
        *form.encode("x = 1"),
    ]
    assert form.fragment_embedding("a.py", "x\n") == [
        special("<|fragment|>"),
        *form.encode("a.py"),
        *form.encode("\n"),
        *form.encode("x"),
        *form.encode("\n"),
        special("<|fragment|>"),
    ]


def test_limits_cut_prefix_and_path_from_the_left_and_text_from_the_right():
    form = prompt_format()
    long = "\n".join(f"line_{n} = {n}" for n in range(200))
    query = form.query("a.py", long)
    assert len(query) == 40 and query[-30:] == form.encode(long)[-30:]
    fragment = form.fragment_embedding("a.py", long)
    assert len(fragment) == 40
    frame = 3 + len(form.encode("a.py")) + len(form.encode("\n"))
    assert fragment[2 + len(form.encode("a.py")) : -2] == form.encode(long)[: 40 - frame]
    path = "very/long/path/of/many/pieces/" * 4 + "name.py"
    assert form.query(path, "x")[1:25] == form.encode(path)[-24:]
    with pytest.raises(ValueError, match="limit"):
        form.left_to_right("a.py", "x", 3)


def test_special_tokens_written_in_a_file_stay_text():
    form = prompt_format()
    assert form.tokenizer.token_to_id("<|fragment|>") not in form.encode("a <|fragment|> b")


# Losses and tables


def test_token_losses_are_negative_log_probabilities():
    logits = np.random.default_rng(0).normal(0, 30, (5, 11)).astype(np.float32)
    targets = np.array([0, 3, 10, 5, 5])
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(targets), reduction="none"
    ).numpy()
    np.testing.assert_allclose(package_under_test.token_losses(logits, targets), expected, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A work folder after `export` of a tiny random model, with a held-out repository and training rows."""
    work = tmp_path_factory.mktemp("work")
    torch.manual_seed(2)
    model = backbone.create(
        backbone.default_config(
            vocabulary_size=320, hidden_size=64, layers=2, intermediate_size=96, context_length=1024
        )
    )
    module = llora.LLoRA(model)
    with torch.no_grad():
        for parameter in (*model.parameters(), *module.parameters()):
            parameter.add_(torch.randn_like(parameter) * 0.1)
    (work / "tokenizer.json").write_text(tokenizer_json(prompt_layout.OWN), encoding="utf-8")
    backbone.save(model, work / "backbone", work / "tokenizer.json")
    module.save(work / "llora", queryTokens=192, importTokens=96, fragmentTokens=128, nullScore=0.1)
    export.run(options(export, work, "--smoke"))
    (work / "corpus").mkdir()
    files = {"pkg/helper.py": HELPER, "pkg/user.py": USER, "pkg/other.py": "OTHER = 3\n" * 30}
    row = {"repository": "r", "language": "python", "licence": "MIT", "files": files}
    (work / "corpus" / "heldout.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (work / "shards").mkdir()
    np.save(work / "shards" / "train.npy", np.random.default_rng(0).integers(7, 320, (4, 64)).astype(np.uint16))
    return work


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """A benchmark folder with one Python task."""
    folder = tmp_path_factory.mktemp("bench")
    task = {
        "id": "1",
        "language": "python",
        "repository": "r-1",
        "file": "user.py",
        "offset": USER.index("compute_total(items)"),
        "groundtruth": "compute_total(items))",
    }
    for language in crossfile.LANGUAGES:
        own = language == "python"
        (folder / f"tasks_{language}.jsonl").write_text(json.dumps(task) + "\n" if own else "", encoding="utf-8")
        with lzma.open(folder / f"repos_{language}.jsonl.xz", "wt", encoding="utf-8") as out:
            if own:
                files = {"helper.py": HELPER, "user.py": USER, "more.py": "MORE = 1\n" * 25}
                out.write(json.dumps({"repository": "r-1", "language": language, "files": files}) + "\n")
    return folder


def arguments(work, *extra):
    return options(evaluate, work, "--smoke", *extra)


def figures(work, capsys, *extra):
    assert evaluate.run(arguments(work, "--json", *extra)) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_loss_equals_pytorch(work, capsys):
    found = figures(work, capsys, "--only", "loss", "--rows", "2")["loss"]["python"]
    model_of = package_under_test.PackageUnderTest.load(work / "package")
    model = backbone.load(work / "backbone")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float() if parameter.ndim > 1 else parameter)
    total, tokens, size = 0.0, 0, 0
    for file, text in heldout.texts(work / "corpus" / "heldout.jsonl", 2)["python"]:
        row, start, size_of = loss._loss_row(model_of.format, file, text, loss.LOSS_TOKENS)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row])).logits[
                0, start - 1 : -1, : model_of.manifest["architecture"]["vocabularySize"]
            ]
        total += float(torch.nn.functional.cross_entropy(logits, torch.tensor(row[start:]), reduction="sum"))
        tokens, size = tokens + len(row) - start, size + size_of
        assert model_of.format.tokenizer.decode(row[start:]).encode() == text[-size_of:].encode() or size_of < len(text)
    assert (found["tokens"], found["bytes"]) == (tokens, size)
    assert found["loss"]["model"] == pytest.approx(total / tokens, rel=1e-3)
    assert found["bitsPerByte"]["model"] == pytest.approx(total / math.log(2) / size, rel=1e-3)
    assert found["loss"]["untrained"] == pytest.approx(
        math.log(model_of.manifest["architecture"]["vocabularySize"]), abs=0.2
    )
    assert found["bitsPerByte"].keys() == {"untrained", "model"}


def test_retrieval_on_the_benchmark_and_on_held_out_repositories(work, benchmark, capsys, monkeypatch):
    found = figures(work, capsys, "--only", "retrieval", "--bench", str(benchmark))["retrieval"]["python"]
    assert found["BM25"]["cases"] == 1 and found["BM25"]["mrr"] == 1.0
    assert found.keys() == {
        "BM25",
        "BM25 + next",
        "Jaccard",
        "Jaccard + next",
        "backbone, mean-pooled",
        "L-LoRA untrained",
        "SelfRACG",
    }
    assert found["SelfRACG"]["minusBm25"]["value"] == pytest.approx(found["SelfRACG"]["mrr"] - 1.0)
    monkeypatch.setattr(source_reader, "bench_folder", lambda given: None)
    found = figures(work, capsys, "--only", "retrieval")["retrieval"]["python"]
    assert found["BM25"]["cases"] == 1


def test_a_package_alone_is_ranked_through_its_graph(work, benchmark):
    model_of = package_under_test.PackageUnderTest.load(work / "package")
    (task,) = crossfile.all_tasks(benchmark, "python", None)
    ranking = retrieval.of_package(model_of, [task])["SelfRACG"][0]
    query = model_of.trained.embed([model_of.format.query(task.cursor.file, task.prefix)], llora.QUERY)[0]
    rows = [model_of.format.fragment_embedding(task.pool[i].path, task.pool[i].text) for i in task.others]
    scores = {
        i: float(query @ model_of.trained.embed([row], llora.FRAGMENT)[0])
        for i, row in zip(task.others, rows, strict=True)
    }
    # Fragments that are equal up to where they are cut share a score but for its last bits.
    assert sorted(ranking) == sorted(task.others) and [scores[i] for i in ranking] == pytest.approx(
        sorted(scores.values(), reverse=True), abs=1e-6
    )
    assert all(task.pool[i].path != "user.py" for i in ranking)


def test_copying_compares_the_same_continuation(work, benchmark, capsys):
    found = figures(work, capsys, "--only", "copying", "--bench", str(benchmark))["copying"]
    assert found["python"]["cases"] == 1
    assert len({found["all"][kind]["continuation"] for kind in ("none", "random", "right")}) == 3
    model_of = package_under_test.PackageUnderTest.load(work / "package")
    (task,) = crossfile.all_tasks(benchmark, "python", None)
    ids, is_name = copying._continuation(model_of.format, task)
    assert model_of.format.tokenizer.decode([t for t, name in zip(ids, is_name, strict=True) if name]).startswith(
        "compute_total"
    )
    with_fragment = copying._prompt(model_of.format, task, min(task.relevant), package_under_test.COPY_LIMIT)
    assert with_fragment[-30:] == copying._prompt(model_of.format, task, None, package_under_test.COPY_LIMIT)[-30:]


def test_copying_prompts_fit_a_short_context(work, benchmark):
    model_of = package_under_test.PackageUnderTest.load(work / "package")
    model_of.manifest["contextLength"] = 256
    (task,) = crossfile.all_tasks(benchmark, "python", None)
    assert model_of.copy_limit() + package_under_test.COPY_ROOM == 256
    assert (
        len(copying._prompt(model_of.format, task, min(task.relevant), model_of.copy_limit())) <= model_of.copy_limit()
    )


def test_isolation_holds_and_a_leak_is_reported(work, benchmark, capsys, monkeypatch):
    found = figures(work, capsys, "--only", "isolation", "--bench", str(benchmark))["isolation"]
    assert found["tokens"] > 0 and not any(found["different"].values())
    assert found["different"].keys() == {"query", "fragment", "untrained query", "query, PyTorch", "fragment, PyTorch"}
    honest = runtime.OnnxModel.run

    def leaking(self, ids, lengths, positions, adapter=-1, **rest):
        out = honest(self, ids, lengths, positions, adapter, **rest)
        if adapter == llora.QUERY:
            out.logits[0, 0, 0] += 1e-3
        return out

    monkeypatch.setattr(runtime.OnnxModel, "run", leaking)
    assert evaluate.run(arguments(work, "--only", "isolation", "--bench", str(benchmark))) == 1
    assert tables.load(work, "isolation").holds is False
    tables.path_of(work, "isolation").unlink()


def test_card_holds_every_table_with_its_command(work, benchmark, capsys):
    evaluate.run(arguments(work, "--card", str(work / "package"), "--bench", str(benchmark)))
    package.read(work / "package")
    card = (work / "package" / "MODEL_CARD.md").read_text(encoding="utf-8")
    for part in evaluate.PARTS:
        assert f"evaluate --only {part}" in card
    assert "Not measured yet" not in card and "## Limits" in card
    with pytest.raises(ValueError, match="--only"):
        evaluate.run(arguments(work, "--card", str(work / "package"), "--only", "isolation", "--bench", str(benchmark)))
