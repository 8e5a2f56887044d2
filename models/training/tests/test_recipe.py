"""A GGUF file to a graph without weights: what the recipe makes is what the graph was built with, and the model it came from."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny import qwen2, tokenizer_json

from selfracg import command
from selfracg.data import prompt_layout
from selfracg.export import export_recipe, gguf, graph, package, quantisation, recipe, runtime, smoothing
from selfracg.export.gguf_checkpoint import GgufCheckpoint
from selfracg.model import backbone, llora

CONTEXT = 64


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(the model, its GGUF file, the folder that `export-recipe` wrote)."""
    work = tmp_path_factory.mktemp("recipe")
    text = tokenizer_json(prompt_layout.QWEN_CODER)
    torch.manual_seed(1)
    model = qwen2(320)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        # Channels of outliers, as real models have.
        model.model.layers[0].input_layernorm.weight[7] *= 30
        model.model.layers[0].mlp.up_proj.weight[7] *= 30
    (work / "tokenizer.json").write_text(text, encoding="utf-8")
    backbone.save(model, work / "backbone", work / "tokenizer.json")
    file = work / "tiny.gguf"
    gguf.write(work / "backbone", work / "tokenizer.json", file, "f32")
    out = work / "tiny"
    arguments = [
        "--gguf",
        str(file),
        "--name",
        "tiny",
        "--source",
        "Tiny",
        "--context",
        str(CONTEXT),
        "--out",
        str(out),
    ]
    assert command.run(export_recipe, arguments) == 0
    return model.eval(), file, out


def weights(file, folder, variant):
    """Content of the file of weights of a variant, as the recipe says."""
    content = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    export_recipe.write_weights(
        content["files"]["weights.bin"]["entries"],
        GgufCheckpoint(file),
        (folder / "factors.bin").read_bytes(),
        content["variants"][variant]["codes"],
        folder / "weights.bin",
    )
    return content, (folder / "weights.bin").read_bytes()


@pytest.mark.parametrize("variant, largest", [("int8", 127), ("int7", 64)])
def test_weights_made_by_the_recipe_have_the_pinned_hash_and_codes_up_to_the_variants(exported, variant, largest):
    _, file, folder = exported
    content, made = weights(file, folder, variant)
    part = content["files"]["weights.bin"]
    assert package.digest(folder / "weights.bin") == part["pinned"][variant] == package.digest(made)
    assert content["factors"] == package.digest((folder / "factors.bin").read_bytes())
    for entry in part["entries"]:
        if entry["store"] == "int8-rows":
            place = entry["codes"]
            codes = np.frombuffer(made, dtype=np.int8, offset=place["offset"], count=place["bytes"])
            assert np.abs(codes.astype(int)).max() == largest


def test_every_place_is_aligned_and_none_overlaps(exported):
    content = json.loads((exported[2] / "recipe.json").read_text(encoding="utf-8"))
    end = 0
    for entry in content["files"]["weights.bin"]["entries"]:
        for part in ("codes", "scales", "values"):
            if part in entry:
                assert entry[part]["offset"] >= end and entry[part]["offset"] % 64 == 0
                assert entry[part]["bytes"] < 4096 or entry[part]["offset"] % 4096 == 0
                end = entry[part]["offset"] + entry[part]["bytes"]
    assert end == content["files"]["weights.bin"]["pinned"]["int8"]["bytes"]


def test_the_graph_refers_to_no_weight_but_those_of_the_recipe(exported):
    _, _, folder = exported
    content = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    places = {
        (entry[part]["offset"], entry[part]["bytes"])
        for entry in content["files"]["weights.bin"]["entries"]
        for part in ("codes", "scales", "values")
        if part in entry
    }
    proto = onnx.load(folder / "model.onnx", load_external_data=False)
    found = {"weights.bin": set(), "adapters.bin": set()}
    for tensor in proto.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            told = {entry.key: entry.value for entry in tensor.external_data}
            found[told["location"]].add((int(told["offset"]), int(told["length"])))
        else:
            assert len(tensor.raw_data) < 1024
    assert found["weights.bin"] == places and found["adapters.bin"]
    assert set(content["manifest"]["files"]) == {"model.onnx", "adapters.bin", "tokenizer.json", "MODEL_CARD.md"}
    for name, stated in content["manifest"]["files"].items():
        assert package.digest((folder / name).read_bytes()) == stated


def test_a_packaged_graph_computes_the_model_that_the_file_holds(exported):
    model, file, folder = exported
    weights(file, folder, "int8")
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    found = runtime.OnnxModel(session)
    ids = np.random.default_rng(0).integers(0, 280, (1, 40))
    logits = found.run(ids, [40], np.arange(40)[None], adapter=0)
    with torch.no_grad():
        expected = model(input_ids=torch.from_numpy(ids)).logits[0].numpy()
    known = logits.logits.shape[-1]
    assert known == prompt_layout.token_count((folder / "tokenizer.json").read_text(encoding="utf-8")) <= 320
    # Measured: 0.6 to 1.6 % for twelve rows of ids and smoothing factors fitted on ten other sets of rows. The factors here are
    # fitted on this repository's own files, so the difference changes when those files do: a bound of 1 % held by chance.
    assert np.abs(logits.logits[0] - expected[:, :known]).mean() < 0.02 * np.abs(expected).max()
    assert np.linalg.norm(logits.expression) == pytest.approx(1)


def test_packaged_graph_rounds_as_its_twin_in_pytorch_does(exported):
    """With the factors in the weights, codes up to 127 and each row of activations by its own step."""
    model, file, folder = exported
    content, _ = weights(file, folder, "int8")
    checkpoint = GgufCheckpoint(file)
    known = content["manifest"]["architecture"]["vocabularySize"]
    smoothed = checkpoint.pytorch_model(CONTEXT, known)
    factors = np.frombuffer((folder / "factors.bin").read_bytes(), dtype="<f4")
    names = {gguf_name: name for name in checkpoint for gguf_name in checkpoint.names[name]}
    with torch.no_grad():
        for entry in content["files"]["weights.bin"]["entries"]:
            for tensor in entry["tensors"]:
                name = names[tensor if isinstance(tensor, str) else tensor[0]]
                parameter = smoothed.get_parameter(name)
                if "columnFactors" in entry:
                    place = entry["columnFactors"]
                    parameter.mul_(torch.tensor(factors[place["offset"] : place["offset"] + place["count"]]))
    twin, _ = quantisation.twin(smoothed, llora.LLoRA(smoothed), "int8-dynamic", largest_code=127)
    found = runtime.OnnxModel(onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"]))
    ids = np.random.default_rng(0).integers(0, 280, (1, 40))
    with torch.no_grad():
        expected = twin(input_ids=torch.from_numpy(ids)).logits[0].numpy()
    difference = np.abs(found.run(ids, [40], np.arange(40)[None]).logits[0] - expected) / np.abs(expected).max()
    # In most rows no activation rounds another way; where one does, it is one step.
    assert np.median(difference) < 1e-5 and difference.max() < 0.02


def test_a_graph_that_computes_another_model_is_refused_and_nothing_is_written(exported, monkeypatch, tmp_path):
    _, file, _ = exported
    whole = recipe.detach

    def swapped(model, origins, *arguments):
        names = [name for name, origin in origins.items() if origin.part == "codes" and name.endswith("up.codes")]
        origins[names[0]], origins[names[1]] = origins[names[1]], origins[names[0]]
        return whole(model, origins, *arguments)

    monkeypatch.setattr(recipe, "detach", swapped)
    with pytest.raises(ValueError, match="expected a divergence of at most"):
        export_recipe.export(GgufCheckpoint(file), tmp_path / "out", "tiny", "0.1.0", "Apache-2.0", "Tiny", CONTEXT)
    assert not (tmp_path / "out").exists()


def test_smoothing_changes_no_bit_of_the_model(exported):
    model, file, _ = exported
    checkpoint = GgufCheckpoint(file)
    factors = smoothing.fit(model, [list(range(40))])
    smoothed = smoothing.Smoothed(checkpoint, factors)
    for layer in range(2):
        prefix = f"model.layers.{layer}"
        norm = smoothed[f"{prefix}.input_layernorm.weight"]
        for part in "qkv":
            name = f"{prefix}.self_attn.{part}_proj.weight"
            assert np.array_equal(
                smoothed[name] * norm, checkpoint[name] * checkpoint[f"{prefix}.input_layernorm.weight"]
            )
        factor = factors.arrays[f"layers.{layer}.attention"]
        assert (np.log2(factor) % 1 == 0).all() and len(set(factor)) > 1


def test_factors_even_out_a_channel_of_outliers(exported):
    model, _, _ = exported
    rows = [list(range(40))]
    factors = smoothing.fit(model, rows)
    largest = smoothing.largest_inputs(model, rows)[0].numpy()
    assert largest.argmax() == 7
    smoothed = largest / factors.arrays["layers.0.attention"]
    assert smoothed.max() / np.median(smoothed) < 0.5 * largest.max() / np.median(largest)


def test_largest_inputs_of_a_gated_layer_are_multiplied_without_rounding(exported):
    """A package's graph is close to a model whose `down` reads one value that is a thousand times as large as the others."""
    x = torch.cat([torch.rand(3, 31) / 1000, torch.tensor([[1.0], [-1.0], [0.0]])], -1)
    assert (quantisation.rounded_by_row(x) - x).abs().max() > 2e-4
    assert (quantisation.rounded_by_row(x, outliers=1) - x).abs().max() < 5e-6
    assert torch.equal(quantisation.rounded_by_row(x, outliers=1)[:2, -1], x[:2, -1])


def test_smoothing_without_rows_is_refused(exported):
    with pytest.raises(ValueError, match="rows of real code"):
        smoothing.fit(exported[0], [[]])


def test_another_file_is_refused(exported, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a GGUF file"):
        GgufCheckpoint(tmp_path / "none.gguf")
    with pytest.raises(ValueError, match="blk.9.attn_q.weight"):
        recipe.joined([["blk.9.attn_q.weight"]], lambda name: None)
    with pytest.raises(ValueError, match="a context of 1..512 tokens, found 513"):
        GgufCheckpoint(exported[1]).config(513, 300)


def test_rotary_tables_made_by_the_runtime_are_those_of_transformers():
    frequencies = tuple(1e6 ** (-np.arange(0, 64, 2) / 64))
    config = graph.GraphConfig("qwen2", 64, 1, 1, 1, 64, 64, 64, 1e-6, 8192, frequencies, 1.0)
    builder = graph.Builder(config, {}, None, "int8-dynamic", {}, 127)
    cos, sin, _ = graph.rotary_initialisers(builder)
    outputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in (cos, sin)]
    body = onnx.helper.make_graph(builder.body.nodes, "rotary", [], outputs, initializer=builder.initialisers)
    made = onnx.helper.make_model(
        body, ir_version=graph.IR_VERSION, opset_imports=[onnx.helper.make_opsetid("", graph.OPSET)]
    )
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    for found, expected in zip(session.run(None, {}), graph.rotary_caches(config), strict=True):
        assert np.abs(found - expected).max() < 1e-6
