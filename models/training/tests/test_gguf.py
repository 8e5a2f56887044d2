"""GGUF files: what is read back is the checkpoint, in the names and with the vocabulary that llama.cpp expects."""

import json

import gguf
import numpy as np
import pytest
import tiny

from selfracg import command
from selfracg.data import prompt_layout
from selfracg.export import gguf as gguf_command


@pytest.fixture
def checkpoint(tmp_path):
    """A random Qwen2 with biases and tied embeddings, larger than its vocabulary."""
    tokenizer = tiny.tokenizer_json(prompt_layout.OWN)
    model = tiny.qwen2(320)
    tiny.save_checkpoint(model, tokenizer, tmp_path / "backbone")
    return model.float(), json.loads(tokenizer), tmp_path


def read(work, kind):
    out = work / f"{kind}.gguf"
    assert command.run(gguf_command, ["--work", str(work), "--out", str(out), "--type", kind]) == 0
    assert [path.name for path in work.glob("*.gguf*")] == [out.name]
    reader = gguf.GGUFReader(out)
    return {key: field.contents() for key, field in reader.fields.items()}, {
        tensor.name: tensor for tensor in reader.tensors
    }


def test_float32_is_the_checkpoint_to_the_bit(checkpoint):
    model, tokenizer, work = checkpoint
    fields, tensors = read(work, "f32")
    assert fields["general.architecture"] == "qwen2"
    assert (fields["qwen2.embedding_length"], fields["qwen2.block_count"], fields["qwen2.feed_forward_length"]) == (
        64,
        2,
        48,
    )
    assert (fields["qwen2.attention.head_count"], fields["qwen2.attention.head_count_kv"]) == (4, 2)
    assert fields["qwen2.rope.freq_base"] == 1e6
    tokens = fields["tokenizer.ggml.tokens"]
    assert len(tokens) == 320
    for token, index in tokenizer["model"]["vocab"].items():
        assert tokens[index] == token
    kinds = fields["tokenizer.ggml.token_type"]
    assert kinds[tokenizer["model"]["vocab"]["<|endoftext|>"]] == gguf.TokenType.CONTROL
    assert kinds[319] == gguf.TokenType.UNUSED
    assert fields["tokenizer.ggml.merges"][0].count(" ") == 1

    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    assert len(tensors) == len(weights)
    assert np.array_equal(tensors["token_embd.weight"].data, weights["model.embed_tokens.weight"])
    assert np.array_equal(tensors["blk.1.attn_k.bias"].data, weights["model.layers.1.self_attn.k_proj.bias"])
    assert np.array_equal(tensors["blk.0.ffn_down.weight"].data, weights["model.layers.0.mlp.down_proj.weight"])


def test_q8_0_rounds_matrices_alone(checkpoint):
    model, _, work = checkpoint
    _, tensors = read(work, "q8_0")
    weight = model.state_dict()["model.layers.0.mlp.gate_proj.weight"].numpy()
    stored = tensors["blk.0.ffn_gate.weight"]
    assert stored.tensor_type == gguf.GGMLQuantizationType.Q8_0
    found = gguf.quants.dequantize(stored.data, stored.tensor_type)
    assert np.abs(found - weight).max() <= np.abs(weight).max() / 127
    # Rows of 48 are no whole blocks.
    assert tensors["blk.0.ffn_down.weight"].tensor_type == gguf.GGMLQuantizationType.F32
    assert tensors["output_norm.weight"].tensor_type == gguf.GGMLQuantizationType.F32


def test_another_architecture_is_refused(tmp_path):
    tiny.save_checkpoint(tiny.llama(320), tiny.tokenizer_json(prompt_layout.OWN), tmp_path / "backbone")
    with pytest.raises(ValueError, match="expected the architecture qwen2"):
        command.run(gguf_command, ["--work", str(tmp_path), "--out", str(tmp_path / "model.gguf")])
    assert not list(tmp_path.glob("*.gguf*"))
