"""Rankings by every method, their intervals, and agreement of the lexical ones with the benchmark's own script."""

import json
import lzma

import numpy as np
import pytest
import torch
from tiny import random_backbone

from selfracg_training import (
    bench,
    corpus,
    decoding,
    intervals,
    lexical,
    llora,
    retrieval,
    retrievers,
    vanilla,
)
from selfracg_training.cases import Cases

WORDS = "load save open close read write parse merge split count clean build total items lines path".split()


def made_up_repository(source, files=6):
    """Files that define functions, and calls of them from one another."""
    out = {}
    for number in range(files):
        names = [f"{source.choice(WORDS)}_{source.choice(WORDS)}_{number}{part}" for part in range(6)]
        lines = []
        for name in names:
            lines += [
                f"def {name}({source.choice(WORDS)}):",
                *(f"    {source.choice(WORDS)} = {source.choice(WORDS)}({source.choice(WORDS)})" for _ in range(4)),
                "",
            ]
        out[f"pkg/file{number}.py"] = "\n".join(lines)
    return out


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """A made-up benchmark: Python tasks whose rest of a line calls what another file defines, in three repositories."""
    folder = tmp_path_factory.mktemp("bench")
    source = np.random.default_rng(4)
    repositories = {f"r-{n}": made_up_repository(source) for n in range(3)}
    tasks = []
    for repository, files in repositories.items():
        for number in range(5):
            name = files[f"pkg/file{(number + 1) % 6}.py"].split("def ")[1 + number].split("(")[0]
            file = f"pkg/file{number}.py"
            lines = files[file].split("\n")
            lines[20] = f"    done = {name}(items)"
            files[file] = "\n".join(lines)
            offset = len("\n".join(lines[:20])) + 1 + len("    done = ")
            tasks.append(
                {
                    "id": f"{repository}/{number}",
                    "language": "python",
                    "repository": repository,
                    "file": file,
                    "offset": offset,
                    "groundtruth": f"{name}(items)" if number else "nothing_defines_this()",
                }
            )
    (folder / "tasks_python.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks), encoding="utf-8")
    with lzma.open(folder / "repos_python.jsonl.xz", "wt", encoding="utf-8") as out:
        for repository, files in repositories.items():
            out.write(json.dumps({"repository": repository, "language": "python", "files": files}) + "\n")
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A tiny random backbone with adapters of two stages and a vanilla LoRA."""
    work = tmp_path_factory.mktemp("work")
    model = random_backbone(work)
    for folder, tokens in (("llora", 64), ("stages/stage1", 48)):
        module = llora.LLoRA(model, rank=4, alpha=8.0)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        module.save(
            work / folder, queryTokens=96, importTokens=0, fragmentTokens=tokens, nullScore=0.2, nullVector=[0.5] * 32
        )
    parameters = vanilla.attach(model, 4, 8.0)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    limits = {"queryTokens": 96, "importTokens": 0, "fragmentTokens": 64}
    vanilla._write(work / "stages" / "vanilla", parameters, {"kind": "vanilla", "rank": 4, "alpha": 8.0, **limits})
    return work


def test_every_method_ranks_as_its_expressions_say(work, benchmark):
    cases = Cases(work, benchmark, None)
    methods = retrievers.methods(work, knowing=True)
    assert [method.name for method in methods] == [
        "BM25",
        "BM25 + next",
        "Jaccard",
        "Jaccard + next",
        "backbone, mean-pooled",
        "vanilla LoRA",
        "L-LoRA untrained",
        "L-LoRA stage 1",
        "SelfRACG",
        "BM25 with ground truth",
        "SelfRACG with ground truth",
    ]
    found = retrievers.rank(work, cases, methods)["python"]
    number, case = 3, cases.all()["python"][3]
    engine = retrievers.Engine(work)
    form = engine.form("llora")
    rows = [form.fragment_embedding(fragment.path, fragment.text) for fragment in case.pool]

    def embed(rows, adapter, module):
        out = []
        for row in rows:
            inputs, _ = decoding.trunk(engine.model, torch.tensor([row]), torch.float32)
            out.append(module.read(inputs, torch.tensor([len(row)]), adapter)[0].detach().numpy())
        return np.stack(out)

    module = llora.load(engine.model, work / "llora")
    for name, shown in (("SelfRACG", case.prefix), ("SelfRACG with ground truth", case.prefix + case.task.groundtruth)):
        need = embed([form.query(case.task.file, shown)], llora.QUERY, module)[0]
        scores = embed(rows, llora.FRAGMENT, module) @ need
        ranking = found[name][number]
        assert set(ranking.order) == set(case.others)
        np.testing.assert_allclose(ranking.scores, scores[ranking.order], atol=0.03)
        assert ranking.scores == sorted(ranking.scores, reverse=True)
        assert ranking.threshold == pytest.approx(0.2 + 0.5 * need.sum(), abs=0.05)
    assert found["BM25"][number].threshold is None
    model = vanilla.merged(work / "backbone", work / "stages" / "vanilla")
    states = [
        model.model(torch.tensor([row])).last_hidden_state[0, -1]
        for row in (rows[case.others[0]], form.query(case.task.file, case.prefix))
    ]
    score = torch.nn.functional.cosine_similarity(*states, dim=0).item()
    ranking = found["vanilla LoRA"][number]
    assert ranking.scores[ranking.order.index(case.others[0])] == pytest.approx(score, abs=0.03)


def test_rankings_are_kept_and_belong_to_their_adapter(work, benchmark, monkeypatch):
    cases = Cases(work, benchmark, 4)
    methods = retrievers.methods(work)
    expected = retrievers.rank(work, cases, methods)

    def never(*_):
        raise AssertionError("ranked again")

    with monkeypatch.context() as patch:
        patch.setattr(retrievers, "rank_repository", never)
        assert retrievers.rank(work, cases, methods) == expected
        assert retrievers.rank(work, cases.first(2), methods)["python"]["BM25"] == expected["python"]["BM25"][:2]
    for path in (work / "rankings").glob("selfracg-*"):
        path.write_text(path.read_text(encoding="utf-8")[:-5], encoding="utf-8")
    assert retrievers.rank(work, cases, methods) == expected
    config = work / "llora" / "adapter_config.json"
    before = config.read_text(encoding="utf-8")
    config.write_text(before.replace('"nullScore": 0.2', '"nullScore": 0.3'), encoding="utf-8")
    changed = {method.name: method.key for method in retrievers.methods(work)}
    config.write_text(before, encoding="utf-8")
    assert {method.name for method in methods if method.key != changed[method.name]} == {"SelfRACG"}


def test_lexical_rows_agree_with_the_benchmarks_own_script(benchmark, tmp_path):
    script = corpus.bench_folder(None)
    if script is None or not (script / "retrieval_baselines.py").is_file():
        pytest.skip("the benchmark's retrieval_baselines.py is not there")
    folder = tmp_path / "bench"
    folder.mkdir()
    for path in (*benchmark.iterdir(), script / "retrieval_baselines.py"):
        (folder / path.name).write_bytes(path.read_bytes())
    for limit in (None, 7):
        cases = Cases(tmp_path, folder, limit)
        plain = [retrievers.Method(name, "lexical", "0") for name in retrievers.LEXICAL]
        table = retrieval.retrieval_table(cases, retrievers.rank(tmp_path, cases, plain))
        # One task in five needs nothing that another file defines.
        assert table.figures["python"]["BM25"]["cases"] == (12 if limit is None else 5)
        (line,) = retrieval.agreement(cases, table)
        assert line.startswith("python: agrees with retrieval_baselines.py BM25 0.")
        assert 0 < table.figures["python"]["Jaccard + next"]["mrr"] < 1
        table.figures["python"]["BM25"]["mrr"] += 0.01
        assert "DIFFERS" in retrieval.agreement(cases, table)[0]


def test_the_next_fragment_is_of_the_same_file_and_comes_once():
    pool = [bench.Fragment(path, line, "") for path in "ab" for line in (0, 10, 20)]
    assert lexical.next_ones([0, 1, 2, 5, 3], pool) == [1, 2, 5, 4]


def test_intervals_resample_repositories_and_differences_are_paired():
    found = intervals.mean([1, 1, 0, 0], ["a", "a", "b", "b"])
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)
    assert found.text() == "0.500 (0.000 to 1.000)" and found.text(1, signed=True) == "+0.5 (+0.0 to +1.0)"
    # Each is a tenth better whatever is drawn: paired, there is no doubt about it.
    ours, theirs = np.array([0.9, 0.3, 0.5]), np.array([0.8, 0.2, 0.4])
    paired = intervals.mean(ours - theirs, ["a", "b", "c"])
    assert (paired.low, paired.high) == (pytest.approx(0.1), pytest.approx(0.1))
    ratio = intervals.ratio([0.6, 0.2], [0.3, 0.1], ["a", "b"])
    assert (ratio.value, ratio.low, ratio.high) == (pytest.approx(2), pytest.approx(2), pytest.approx(2))
    with pytest.raises(ValueError, match="as many"):
        intervals.mean([], [])
