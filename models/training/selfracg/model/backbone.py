"""The backbone: creates, saves and loads a Qwen2-architecture decoder in Hugging Face format.

Every size is read from ``config.json``, so a published Qwen2.5-Coder checkpoint loads through the same function as the
default model.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM
from transformers.utils import logging

from selfracg.files import sha256

# A checkpoint a few minutes apart needs no progress bar in the log.
logging.disable_progress_bar()

SUPPORTED_TYPES = ("qwen2", "llama")


def default_config(
    vocabulary_size: int = 8192,
    hidden_size: int = 256,
    layers: int = 6,
    query_heads: int = 4,
    key_value_heads: int = 2,
    intermediate_size: int = 704,
    context_length: int = 1024,
    rope_theta: float = 10000.0,
    end_of_text: int = 0,
    pad: int = 6,
) -> Qwen2Config:
    """The default model's sizes; ``hidden_size / query_heads`` is the head dimension, as Qwen2 prescribes."""
    if hidden_size % query_heads:
        raise ValueError(
            f"expected a hidden size that divides by the query heads, found {hidden_size} and {query_heads}: "
            "choose sizes whose quotient is whole"
        )
    return Qwen2Config(
        vocab_size=vocabulary_size,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=layers,
        num_attention_heads=query_heads,
        num_key_value_heads=key_value_heads,
        max_position_embeddings=context_length,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": rope_theta},
        eos_token_id=end_of_text,
        bos_token_id=None,
        pad_token_id=pad,
        architectures=["Qwen2ForCausalLM"],
    )


def create(config: Qwen2Config, seed: int = 0) -> Qwen2ForCausalLM:
    """A randomly initialised float32 decoder whose residual branches start at zero.

    Zero output projections make every layer the identity at first, which keeps a small model with a short budget from
    spending its first steps on undoing random features. Input projections are scaled by their fan-in.
    """
    generator = torch.Generator().manual_seed(seed)
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight", ".bias")):
                parameter.zero_()
            elif "norm" in name:
                parameter.fill_(1.0)
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.normal_(0.0, 0.02, generator=generator)
            else:
                bound = (3.0 / parameter.shape[1]) ** 0.5 * 0.5
                parameter.uniform_(-bound, bound, generator=generator)
    return model


def load(directory: str | os.PathLike[str], dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Loads a Qwen2- or Llama-architecture checkpoint from a local folder; it never reaches for the network.

    Raises ``FileNotFoundError`` where the folder holds no checkpoint, ``ValueError`` for another architecture.
    """
    path = Path(directory)
    if not (path / "config.json").is_file():
        raise FileNotFoundError(
            f"expected a Hugging Face checkpoint (config.json, model.safetensors) in {path}, found no config.json: "
            "run `pretrain` first or name the folder of a downloaded checkpoint"
        )
    config = AutoConfig.from_pretrained(path, local_files_only=True)
    if config.model_type not in SUPPORTED_TYPES:
        raise ValueError(
            f"expected an architecture among {', '.join(SUPPORTED_TYPES)} in {path / 'config.json'}, "
            f"found {config.model_type}: use a Qwen2 or Llama checkpoint"
        )
    model = AutoModelForCausalLM.from_pretrained(path, local_files_only=True, dtype=dtype)
    model.eval()
    return model


def placed(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    """The model itself, moved to a device. (transformers' type of `to` accepts no device.)"""
    torch.nn.Module.to(model, device)
    return model


def checksum(directory: str | os.PathLike[str]) -> str:
    """SHA-256 (hexadecimal) of a checkpoint's weights: of model.safetensors, or of its parts in order."""
    path = Path(directory)
    files = [path / "model.safetensors"]
    if not files[0].is_file():
        files = sorted(path.glob("model-*-of-*.safetensors"))
    if not files:
        raise FileNotFoundError(
            f"expected model.safetensors or model-*-of-*.safetensors in {path}, found neither: save the checkpoint as safetensors"
        )
    return sha256(*files)


def tokenizer_file(directory: str | os.PathLike[str], work: str | os.PathLike[str]) -> Path:
    """The tokenizer.json beside a checkpoint, else the one that the `tokenizer` command wrote into the work folder."""
    own, made = Path(directory) / "tokenizer.json", Path(work) / "tokenizer" / "tokenizer.json"
    for path in (own, made):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"expected {own} or {made}, found neither: run `tokenizer`, or save the checkpoint's tokenizer as tokenizer.json"
    )


def save(
    model: PreTrainedModel,
    directory: str | os.PathLike[str],
    tokenizer: str | os.PathLike[str] | None = None,
) -> None:
    """Writes config.json, generation_config.json, model.safetensors and, where given, tokenizer.json.

    Each file replaces its older self in one step, so a reader sees a whole old or a whole new file.
    """
    path = Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
        model.save_pretrained(scratch)
        if tokenizer is not None:
            shutil.copyfile(tokenizer, Path(scratch) / "tokenizer.json")
        for file in sorted(Path(scratch).iterdir()):
            os.replace(file, path / file.name)


def parameter_count(model: PreTrainedModel) -> int:
    """Distinct parameters: tied tensors count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def head_dimension(config: Any) -> int:
    """Size of one attention head."""
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
