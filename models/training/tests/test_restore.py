"""A package taken apart again: the same graph comes of it, and the checkpoint computes what the package does."""

import numpy as np
import pytest
import tiny
import torch
from command_options import options

from selfracg import command
from selfracg.data import prompt_layout
from selfracg.export import export, package, restore, runtime
from selfracg.model import backbone, llora


def exported(work, make, stored, **reading):
    """A random checkpoint and adapter in `work`, and their package."""
    torch.manual_seed(4)
    tiny.save_checkpoint(make(320), tiny.tokenizer_json(prompt_layout.OWN), work / "checkpoint")
    model = backbone.load(work / "checkpoint")
    module = llora.LLoRA(model, rank=4, alpha=8.0, **reading)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.1)
    module.save(work / "adapter", nullScore=0.25, queryTokens=64)
    args = export_options(
        work, "package", stored, "--backbone", str(work / "checkpoint"), "--adapter", str(work / "adapter")
    )
    assert export.run(args) == 0
    return work / "package"


def export_options(work, out, stored, *more):
    sizes = ("--weights", stored, "--context", "128")
    return options(export, work, "--out", str(work / out), *sizes, *more)


@pytest.mark.parametrize("stored", ["float32", "float16"])
@pytest.mark.parametrize("adapters", llora.ADAPTER_MODES)
def test_restored_and_exported_again_it_is_the_same_package(tmp_path, stored, adapters):
    found = exported(tmp_path, tiny.qwen2, stored, adapters=adapters)
    again = tmp_path / "again"
    assert command.run(restore, ["--work", str(again), "--package", str(found)]) == 0
    assert (
        export.run(
            export_options(
                again,
                "package",
                stored,
                "--no-fill-in-middle" if "fillInMiddle" not in package.read(found)["prompt"] else "--fill-in-middle",
            )
        )
        == 0
    )
    assert (again / "package" / "model.onnx").read_bytes() == (found / "model.onnx").read_bytes()
    assert package.read(again / "package")["retrieval"] == package.read(found)["retrieval"]
    with pytest.raises(FileExistsError, match="name another --work"):
        command.run(restore, ["--work", str(again), "--package", str(found)])


def test_restore_rebuilds_matrices_from_codes_and_scales(tmp_path):
    found = exported(tmp_path, tiny.qwen2, "int8")
    assert command.run(restore, ["--work", str(tmp_path / "again"), "--package", str(found)]) == 0
    model = backbone.load(tmp_path / "again" / "backbone")
    module = llora.load(model, tmp_path / "again" / "llora")
    ids = np.arange(5, 45)[None]
    graph = runtime.OnnxModel.from_file(found / "model.onnx").run(ids, [40], np.array([range(40)]), adapter=llora.QUERY)
    with torch.no_grad():
        logits = model(input_ids=torch.from_numpy(ids)).logits[..., : graph.logits.shape[2]].numpy()
        need = module.express(torch.from_numpy(ids), torch.tensor([40]), llora.QUERY).numpy()
    # What is left are the codes of activations.
    assert np.median(np.abs(graph.logits - logits)) < 2e-2 * np.abs(logits).max()
    assert float((graph.expression * need).sum()) > 0.99


def test_a_scaled_rotary_embedding_is_refused(tmp_path):
    found = exported(tmp_path, tiny.llama, "float32")
    with pytest.raises(ValueError, match="unscaled rotary embedding"):
        command.run(restore, ["--work", str(tmp_path / "again"), "--package", str(found)])
