"""The `export` command: package on disk, agreement check, refusals that leave the old package alone, the card's figures."""

import hashlib
import json
import shutil

import numpy as np
import onnx
import pytest
import torch
from command_options import options
from tiny import tokenizer_json
from tokenizers import Tokenizer

from selfracg.data import prompt_layout
from selfracg.export import agreement, export, package, runtime
from selfracg.export.graph import decoder
from selfracg.model import backbone, llora


def arguments(work, *extra):
    return options(export, work, "--smoke", "--out", str(work / "package"), *extra)


@pytest.fixture
def work(tmp_path):
    """A work folder with a random backbone, its tokenizer and a random adapter."""
    torch.manual_seed(5)
    config = backbone.default_config(
        vocabulary_size=320, hidden_size=64, layers=2, intermediate_size=96, context_length=128
    )
    model = backbone.create(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(prompt_layout.OWN), encoding="utf-8")
    backbone.save(model, tmp_path / "backbone", tmp_path / "tokenizer.json")
    module = llora.LLoRA(model)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.1)
    module.save(tmp_path / "llora", nullScore=0.125)
    return tmp_path


def test_package_holds_what_it_says_and_runs(work):
    assert export.run(arguments(work)) == 0
    manifest = package.read(work / "package")
    assert sorted(manifest["files"]) == sorted(package.FILES)
    assert sorted(p.name for p in (work / "package").iterdir()) == sorted([*package.FILES, "model.json"])
    # The embedding has 320 rows; those behind the tokenizer's last token are left out.
    known = Tokenizer.from_file(str(work / "package" / "tokenizer.json")).get_vocab_size()
    assert known < 320 and manifest["architecture"]["vocabularySize"] == known
    assert manifest["retrieval"] == {
        "dimension": 64,
        "outputProjection": True,
        "normalised": True,
        "rank": 16,
        "alpha": 32.0,
        "adapters": "separate",
        "nullScore": 0.125,
        "queryTokens": 192,
        "fragmentTokens": 128,
    }
    assert manifest["weights"] == {"stored": "float16", "computed": "float32"}
    model = runtime.OnnxModel.from_file(work / "package" / "model.onnx")
    out = model.run(np.array([[1, 2, 3]]), [3], np.array([[2]]), adapter=0)
    assert out.logits.shape == (1, 1, known) and out.expression.shape == (1, 64)


def test_package_takes_the_adapters_settings_and_defaults_for_missing_ones(work):
    config = json.loads((work / "llora" / "adapter_config.json").read_text(encoding="utf-8"))
    null = [0.5] + [0.0] * 63
    found = {
        **config,
        "nullVector": null,
        "importTokens": 32,
        "queryTokens": 64,
        "fragmentTokens": 48,
        "heldOut": {},
    }
    (work / "llora" / "adapter_config.json").write_text(json.dumps(found), encoding="utf-8")
    export.run(arguments(work, "--weights", "int8"))
    manifest = package.read(work / "package")
    assert manifest["retrieval"] == {
        "dimension": 64,
        "outputProjection": True,
        "normalised": True,
        "rank": 16,
        "alpha": 32.0,
        "adapters": "separate",
        "nullScore": 0.125,
        "nullVector": null,
        "queryTokens": 64,
        "importTokens": 32,
        "fragmentTokens": 48,
    }
    assert manifest["weights"] == {"stored": "int8", "computed": "int8"}


def test_embedding_in_batches_equals_one_at_a_time(work):
    export.run(arguments(work))
    model = runtime.OnnxModel.from_file(work / "package" / "model.onnx")
    rows = [list(np.random.default_rng(n).integers(0, 280, n)) for n in (40, 3, 17, 40, 1, 90)]
    together = model.embed(rows, llora.FRAGMENT, batch_tokens=100)
    for row, found in zip(rows, together, strict=True):
        np.testing.assert_allclose(found, model.embed([row], llora.FRAGMENT)[0], atol=1e-5)


def test_rounding_beyond_the_bound_refuses_and_keeps_the_old_package(work, monkeypatch):
    export.run(arguments(work))
    before = {p.name: p.read_bytes() for p in (work / "package").iterdir()}
    monkeypatch.setitem(agreement.ROUNDING_BOUNDS, "float16", 1e-7)
    with pytest.raises(ValueError, match="--weights float32"):
        export.run(arguments(work, "--model-version", "9.9.9"))
    assert {p.name: p.read_bytes() for p in (work / "package").iterdir()} == before
    export.run(arguments(work, "--weights", "float32", "--model-version", "9.9.9"))
    manifest = package.read(work / "package")
    assert manifest["version"] == "9.9.9" and manifest["weights"]["stored"] == "float32"


def test_a_graph_that_disagrees_with_pytorch_is_refused(work, monkeypatch):
    honest = decoder.rotary_caches
    monkeypatch.setattr(decoder, "rotary_caches", lambda config: tuple(1.01 * a for a in honest(config)))
    with pytest.raises(ValueError, match="of PyTorch"):
        export.run(arguments(work))
    assert not (work / "package").exists()


def test_a_graph_beyond_protobufs_limit_is_refused(work, monkeypatch):
    export.run(arguments(work))
    size = package.read(work / "package")["files"]["model.onnx"]["bytes"]
    monkeypatch.setattr(export, "PROTOBUF_LIMIT", int(0.8 * size))
    with pytest.raises(ValueError, match="bytes of float16 weights: use --weights int8"):
        export.run(arguments(work))
    export.run(arguments(work, "--weights", "int8"))
    assert package.read(work / "package")["weights"]["stored"] == "int8"


def test_missing_adapter_is_refused_unless_asked_for(work):
    for file in (work / "llora").iterdir():
        file.unlink()
    with pytest.raises(FileNotFoundError, match="run `ing`"):
        export.run(arguments(work))
    export.run(arguments(work, "--untrained-adapter"))
    assert package.read(work / "package")["retrieval"]["nullScore"] == 0.0


def test_adapter_of_other_weights_counts_as_missing(work):
    config = json.loads((work / "llora" / "adapter_config.json").read_text(encoding="utf-8"))
    weights = hashlib.sha256((work / "backbone" / "model.safetensors").read_bytes()).hexdigest()
    for belongs, accepted in ((weights, True), ("0" * 64, False)):
        (work / "llora" / "adapter_config.json").write_text(
            json.dumps({**config, "backbone": belongs}), encoding="utf-8"
        )
        if accepted:
            export.run(arguments(work))
            assert "L-LoRA adapters: information-need-guided" in (work / "package" / "MODEL_CARD.md").read_text(
                encoding="utf-8"
            )
        else:
            with pytest.raises(FileNotFoundError, match="other weights"):
                export.run(arguments(work))
    export.run(arguments(work, "--untrained-adapter"))
    assert "adapters: not trained" in (work / "package" / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_context_may_be_shortened_not_lengthened(work):
    export.run(arguments(work, "--context", "64"))
    assert package.read(work / "package")["contextLength"] == 64
    with pytest.raises(ValueError, match="--context up to 128"):
        export.run(arguments(work, "--context", "256"))


def test_layouts_are_recognised_by_the_tokenizers_special_tokens():
    for layout in prompt_layout.LAYOUTS:
        assert prompt_layout.layout_for(tokenizer_json(layout)) == layout
    with pytest.raises(ValueError, match="layout"):
        prompt_layout.layout_for(json.dumps({"added_tokens": [{"content": "<s>", "special": True}]}))


def test_altered_or_missing_files_are_refused_by_name(work):
    export.run(arguments(work))
    card = work / "package" / "MODEL_CARD.md"
    text = card.read_text(encoding="utf-8")
    card.write_text(text + "!", encoding="utf-8")
    with pytest.raises(ValueError, match="MODEL_CARD.md"):
        package.read(work / "package")
    card.write_text(text, encoding="utf-8")
    (work / "package" / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="tokenizer.json"):
        package.read(work / "package")


def move_weights(graph: bytes, location: str) -> tuple[bytes, bytes]:
    """The graph without its large initializers, and the file that they lie in."""
    model, data = onnx.load_model_from_string(graph), bytearray()
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) >= 1024:
            onnx.external_data_helper.set_external_data(tensor, location, len(data), len(tensor.raw_data))
            data += tensor.raw_data
            tensor.ClearField("raw_data")
    return model.SerializeToString(), bytes(data)


def test_weights_outside_the_graph_are_listed_and_checked(work):
    export.run(arguments(work))
    package_folder = work / "package"
    manifest = package.read(package_folder)
    files = {name: (package_folder / name).read_bytes() for name in package.FILES}
    graph, data = move_weights(files["model.onnx"], "weights.bin")
    assert package.external_files(graph) == ["weights.bin"]
    (work / "weights").write_bytes(data)
    description = {key: value for key, value in manifest.items() if key != "files"}
    package.write(package_folder, description, {**files, "model.onnx": graph, "weights.bin": work / "weights"})
    listed = package.read(package_folder)["files"]
    assert listed["weights.bin"] == package.digest(data)
    package.replace_figures(package_folder, "| a | 1 |")
    listed = package.read(package_folder)["files"]
    assert listed["weights.bin"] == package.digest(data)

    (package_folder / "weights.bin").write_bytes(bytes(len(data)))
    with pytest.raises(ValueError, match="weights.bin"):
        package.read(package_folder)
    (package_folder / "weights.bin").write_bytes(data)
    path = package_folder / "model.json"
    path.write_text(
        json.dumps({**manifest, "files": {k: v for k, v in listed.items() if k != "weights.bin"}}), encoding="utf-8"
    )
    with pytest.raises(ValueError, match="found that the graph reads weights.bin"):
        package.read(package_folder)


def test_weights_outside_the_graph_must_be_given(work):
    export.run(arguments(work))
    manifest = package.read(work / "package")
    files = {name: (work / "package" / name).read_bytes() for name in package.FILES}
    graph, _ = move_weights(files["model.onnx"], "weights.bin")
    with pytest.raises(ValueError, match="found that the graph reads weights.bin"):
        package.write(work / "package", manifest, {**files, "model.onnx": graph})


def test_card_repeats_the_records(work):
    (work / "corpus").mkdir()
    train = {"go": {"repositories": 2, "files": 1234, "bytes": 3_400_000}}
    repositories = [
        {"repository": "a/b", "language": "go", "licence": "MIT", "part": "train", "files": 1234, "bytes": 3_400_000},
        {"repository": "c/d", "language": "go", "licence": "ISC", "part": "heldout", "files": 3, "bytes": 10},
    ]
    counts = {
        "parts": {"train": train, "heldout": {"go": {"repositories": 1, "files": 3, "bytes": 10}}},
        "benchmark": 7,
        "repositories": repositories,
    }
    (work / "corpus" / "counts.json").write_text(json.dumps(counts), encoding="utf-8")
    (work / "backbone" / "training.json").write_text('{"tokens": 12345678}', encoding="utf-8")
    export.run(arguments(work))
    card = (work / "package" / "MODEL_CARD.md").read_text(encoding="utf-8")
    for part in (
        "12,345,678 tokens",
        "| go | 2 | 1,234 | 3.40 |",
        "| MIT | 1 | 3.40 |",
        "The benchmark's 7 repositories",
    ):
        assert part in card, part
    assert "ISC" not in card


def test_card_states_which_records_are_missing(work):
    export.run(arguments(work))
    card = (work / "package" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "no record of pretraining" in card and "No record of the corpus" in card


def test_card_lists_the_stages_that_the_adapter_went_through(work):
    ranks = {"trained": {"mrr_at_10": 0.25, "low": 0.2, "high": 0.3}}
    config = json.loads((work / "llora" / "adapter_config.json").read_text(encoding="utf-8"))
    start = ""
    for number, stage in enumerate(("stage1", "stage2", "utility")):
        folder = work / "stages" / stage
        shutil.copytree(work / "llora", folder)
        content = (work / "llora" / "adapter.safetensors").read_bytes() + bytes(number)
        (folder / "adapter.safetensors").write_bytes(content)
        config |= {"stage": stage, "start": start, "steps": 100 + number, "heldOut": ranks}
        start = hashlib.sha256(content).hexdigest()
        for place in (folder, work / "llora"):
            (place / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
        export.run(arguments(work))
        card = (work / "package" / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert [
            f"{100 + n} steps; MRR@10 on held-out repositories 0.250 (0.200 to 0.300)" in card for n in range(3)
        ] == [n <= number for n in range(3)]


def test_what_was_fitted_on_weights_stays_with_them(work, capsys):
    export.run(arguments(work))
    assert "no confidence for these weights yet" in capsys.readouterr().out
    path = work / "package" / "model.json"
    confidence = {"weights": {"constant": 1.0}, "thresholds": {"more": 0.01}}
    fitted = {"ngramWeights": [0, 0.5], "confidence": confidence}

    def state():
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **fitted}), encoding="utf-8")

    state()
    export.run(arguments(work, "--model-version", "0.2.0"))
    manifest = package.read(work / "package")
    assert manifest["version"] == "0.2.0" and {name: manifest[name] for name in fitted} == fitted
    assert "no confidence" not in capsys.readouterr().out
    package.replace_figures(work / "package", "| a | 1 |", {"retrieval.nullScore": 0.5})
    assert package.read(work / "package")["confidence"] == confidence
    # Another graph around the same weights, as a newer exporter may write it.
    graph = onnx.load(work / "package" / "model.onnx")
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([7]), "seven"))
    data = graph.SerializeToString()
    former = package.read(work / "package")
    files = {name: (work / "package" / name).read_bytes() for name in package.FILES}
    assert package.fitted_members(work / "package", former, {**files, "model.onnx": data}) == fitted
    for other in (("--fill-in-middle",), ("--weights", "float32")):
        export.run(arguments(work, *other))
        assert not fitted.keys() & package.read(work / "package").keys()
        state()


def test_figures_replace_figures_and_the_manifest_follows(work):
    export.run(arguments(work))
    for figures in ("| a | 1 |", "| b | 2 |"):
        package.replace_figures(work / "package", figures, {"retrieval.nullScore": 0.5})
        card = (work / "package" / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert card.count(figures) == 1 and card.count(package.FIGURES_BEGIN) == 1
    assert "| a | 1 |" not in card and "## Limits" in card
    assert package.read(work / "package")["retrieval"]["nullScore"] == 0.5
