"""Rankings by every method, their intervals, and agreement of the lexical ones with the benchmark's own script."""

import json
import lzma

import numpy as np
import pytest
import torch
from tiny import random_backbone

from selfracg import intervals
from selfracg.data import crossfile, lexical
from selfracg.data.tasks import TaskSet
from selfracg.eval import retrievers
from selfracg.model import backbone, forward, llora, low_rank

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
    merged = backbone.load(work / "backbone")
    with torch.no_grad():
        for layer in merged.model.layers:
            layer.self_attn.q_proj.weight.add_(0.1)
    backbone.save(merged, work / "stages" / "vanilla", work / "tokenizer.json")
    return work


def test_every_method_ranks_as_its_expressions_say(work, benchmark):
    tasks = TaskSet(work, benchmark, None)
    methods = retrievers.methods(work)
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
    ]
    found = retrievers.rank(work, tasks, methods)["python"]
    number, task = 3, tasks.all()["python"][3]
    engine = retrievers.Engine(work)
    form = engine.form("llora")
    rows = [form.fragment_embedding(fragment.path, fragment.text) for fragment in task.pool]

    def embed(rows, adapter, module):
        out = []
        for row in rows:
            inputs = [
                low_rank.LayerInputs(*each)
                for each in forward.layer_inputs(engine.model, torch.tensor([row]), torch.float32)
            ]
            out.append(module.read(inputs, torch.tensor([len(row)]), adapter)[0].detach().numpy())
        return np.stack(out)

    module = llora.load(engine.model, work / "llora")
    need = embed([form.query(task.cursor.file, task.prefix)], llora.QUERY, module)[0]
    scores = embed(rows, llora.FRAGMENT, module) @ need
    ranking = found["SelfRACG"][number]
    assert set(ranking) == set(task.others)
    assert (np.diff(scores[ranking]) < 0.03).all()
    model = backbone.load(work / "stages" / "vanilla")
    with torch.no_grad():
        states = [
            torch.nn.functional.normalize(model.model(torch.tensor([row])).last_hidden_state[0, -1], dim=0)
            for row in (form.query(task.cursor.file, task.prefix), *rows)
        ]
    scores = torch.stack(states[1:]) @ states[0]
    assert (np.diff(scores[found["vanilla LoRA"][number]]) < 0.03).all()


def test_the_next_fragment_is_of_the_same_file_and_comes_once():
    pool = [crossfile.Fragment(path, line, "") for path in "ab" for line in (0, 10, 20)]
    assert lexical.next_fragments([0, 1, 2, 5, 3], pool) == [1, 2, 5, 4]


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
