"""Tiny tokenizers and checkpoints for tests, and the package of the sidecar's test: PYTHONPATH=. python tests/tiny.py FOLDER."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from selfracg.data import prompt_layout
from selfracg.model import backbone

TEXT = "def need(self):\n    return self.x\n"
# What the package for the sidecar's test has learnt by heart.
LEARNT = "def add(first, second):\n    return first + second\n\n\ndef double(value):\n    return add(value, value)\n"


def tokenizer_json(layout: prompt_layout.Layout, text: str = TEXT) -> str:
    """Byte-level BPE of up to 300 entries with the special tokens of a prompt layout."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=layout.special_tokens(),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer.to_str()


def random_backbone(work: Path) -> PreTrainedModel:
    """Writes a random backbone of 32 dimensions, nothing in it zero, with its tokenizer into a work folder. Returns it."""
    torch.manual_seed(3)
    (work / "tokenizer.json").write_text(tokenizer_json(prompt_layout.OWN), encoding="utf-8")
    model = backbone.create(backbone.default_config(320, 32, 2, 4, 2, 48, 512))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    backbone.save(model, work / "backbone", work / "tokenizer.json")
    return model


def qwen2(vocabulary: int) -> Qwen2ForCausalLM:
    """Tied embeddings, biases in q, k and v, four query heads on two pairs."""
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=vocabulary,
            hidden_size=64,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        )
    )


def llama(vocabulary: int) -> LlamaForCausalLM:
    """A head of its own, no biases, a head size that is not hidden / heads, and a scaled rotary embedding."""
    rope = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128,
        "rope_theta": 5e5,
    }
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=48,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=3,
            num_key_value_heads=1,
            head_dim=32,
            max_position_embeddings=512,
            tie_word_embeddings=False,
            rope_parameters=rope,
        )
    )


def save_checkpoint(model: PreTrainedModel, tokenizer: str, folder: Path) -> None:
    """As checkpoints are published: bfloat16, in several files, with a tokenizer.json."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="30KB")
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")


def main(out: Path, weights: str = "int8") -> None:
    """A Llama that has learnt a few lines by heart, with StarCoder's tokens, exported as a package with such weights."""
    from selfracg import command
    from selfracg.export import export

    torch.manual_seed(0)
    layout = prompt_layout.STAR_CODER
    text = tokenizer_json(layout, LEARNT)
    tokenizer = Tokenizer.from_str(text)
    model = llama(320)
    head = [tokenizer.token_to_id("<filename>"), *tokenizer.encode("add.py").ids, *tokenizer.encode("\n").ids]
    end = tokenizer.token_to_id(layout.end_of_text)
    # Text before and after a cursor is tokenised apart, wherever the cursor stands.
    rows = [
        [*head, *tokenizer.encode(LEARNT[:cut]).ids, *tokenizer.encode(LEARNT[cut:]).ids, end]
        for cut in range(len(LEARNT))
    ]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [end] * (longest - len(row)) for row in rows])
    labels = torch.tensor([row + [-100] * (longest - len(row)) for row in rows])
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(500):
        chosen = torch.randint(len(rows), (12,))
        loss = model(input_ids=ids[chosen], labels=labels[chosen]).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    print(f"loss {loss.item():.4f}")
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(Path(scratch) / "tiny-llama", max_shard_size="30KB")
        (Path(scratch) / "tiny-llama" / "tokenizer.json").write_text(text, encoding="utf-8")
        command.run(
            export,
            [
                "--work",
                scratch,
                "--backbone",
                str(Path(scratch) / "tiny-llama"),
                "--untrained-adapter",
                "--weights",
                weights,
                "--name",
                "tiny-llama",
                "--out",
                str(out),
            ],
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
