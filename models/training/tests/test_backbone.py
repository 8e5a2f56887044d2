"""The backbone in Hugging Face format: sizes, start, saving, refusals."""

import json
import math

import pytest
import torch

from selfracg.model import backbone


def test_default_sizes_are_the_agreed_ones():
    model = backbone.create(backbone.default_config())
    attention = model.model.layers[0].self_attn
    assert len(model.model.layers) == 6
    assert attention.q_proj.weight.shape == (256, 256) and attention.k_proj.weight.shape == (128, 256)
    assert attention.q_proj.bias is not None and backbone.head_dimension(model.config) == 64
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert (
        backbone.parameter_count(model)
        == 8192 * 256 + 6 * (256 * 256 * 2 + 256 * 128 * 2 + 256 + 2 * 128 + 3 * 256 * 704 + 2 * 256) + 256
    )


def test_fresh_backbone_has_the_loss_of_a_uniform_guess():
    model = backbone.create(backbone.default_config(vocabulary_size=500))
    ids = torch.randint(0, 500, (2, 40))
    with torch.no_grad():
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss.item()
    assert abs(loss - math.log(500)) < 0.5


def test_saves_and_loads_the_same_model(tmp_path):
    tokenizer = tmp_path / "tokenizer-source.json"
    tokenizer.write_text("{}")
    model = backbone.create(backbone.default_config(300, 32, 2, 4, 2, 40, 64, rope_theta=5000.0)).eval()
    target = tmp_path / "backbone"
    backbone.save(model, target, tokenizer)
    loaded = backbone.load(target)
    ids = torch.randint(0, 300, (2, 16))
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, loaded(input_ids=ids).logits)
    assert loaded.config.rope_parameters["rope_theta"] == 5000.0
    assert {file.name for file in target.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_command_names_what_is_missing_or_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `pretrain` first"):
        backbone.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(ValueError, match="found gpt2"):
        backbone.load(tmp_path)


def test_refuses_sizes_without_a_whole_head():
    with pytest.raises(ValueError, match="divides by the query heads"):
        backbone.default_config(hidden_size=100, query_heads=3)
