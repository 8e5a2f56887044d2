"""Reads a published Qwen2 GGUF file: its shape, its tensors dequantised to float32 by Hugging Face names, and its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader, ReaderTensor, TokenType
from gguf.quants import dequantize
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, Qwen2Config

from selfracg.data import prompt_layout
from selfracg.export import graph
from selfracg.export.gguf import LAYER_TENSORS

ARCHITECTURE = "qwen2"
# Keys of the file's metadata, behind the architecture's name, by what recipe.json calls them.
SHAPE_KEYS = {
    "blockCount": "block_count",
    "embeddingLength": "embedding_length",
    "feedForwardLength": "feed_forward_length",
    "headCount": "attention.head_count",
    "headCountKv": "attention.head_count_kv",
    "ropeFreqBase": "rope.freq_base",
    "layerNormRmsEpsilon": "attention.layer_norm_rms_epsilon",
}
# Where a file holds the tied matrix twice, the head's copy has more bits.
TIED_NAMES = ("output.weight", "token_embd.weight")


class GgufCheckpoint(Mapping[str, np.ndarray]):
    """Tensors float32 by Hugging Face name, each dequantised when it is asked for. The head is the embedding."""

    def __init__(self, path: Path) -> None:
        """Raises ``FileNotFoundError`` without the file, ``ValueError`` for another architecture."""
        if not path.is_file():
            raise FileNotFoundError(f"expected a GGUF file at {path}, found none: name the file of a Qwen2 model")
        self.path = path
        self._reader = GGUFReader(path)
        found = self._value("general.architecture")
        if found != ARCHITECTURE:
            raise ValueError(f"{path}: expected the architecture {ARCHITECTURE}, found {found}: use a Qwen2 file")
        self._tensors: dict[str, ReaderTensor] = {tensor.name: tensor for tensor in self._reader.tensors}
        self.shape = {name: self._value(f"{ARCHITECTURE}.{key}") for name, key in SHAPE_KEYS.items()}
        self.shape["vocabularySize"] = int(self._tensors["token_embd.weight"].shape[1])
        layers = range(self.shape["blockCount"])
        self._names: dict[str, tuple[str, ...]] = {
            name: (gguf_name(name),) for name in layer_names(len(layers)) if gguf_name(name) in self._tensors
        }
        self._names["model.norm.weight"] = ("output_norm.weight",)
        self._names[graph.EMBEDDING] = TIED_NAMES

    def _value(self, key: str) -> Any:
        entry = self._reader.get_field(key)
        if entry is None:
            raise ValueError(f"{self.path}: expected the metadata {key}, found none: use a complete model file")
        return entry.contents()

    def __getitem__(self, name: str) -> np.ndarray:
        return next(self.dequantised(tensor) for tensor in self._names[name] if tensor in self._tensors)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def has(self, tensor: str) -> bool:
        """Whether the file holds a tensor of this GGUF name."""
        return tensor in self._tensors

    def dequantised(self, tensor: str) -> np.ndarray:
        """A tensor float32 [outputs, inputs] or [n] by its GGUF name."""
        found = self._tensors[tensor]
        return dequantize(found.data, found.tensor_type).astype(np.float32, copy=False)

    def config(self, context: int, vocabulary: int) -> Qwen2Config:
        """The model's configuration for a context of at most so many tokens, with so many rows of the embedding."""
        max_context = int(self._value(f"{ARCHITECTURE}.context_length"))
        if not 0 < context <= max_context:
            raise ValueError(
                f"{self.path}: expected a context of 1..{max_context} tokens, found {context}: choose another"
            )
        return Qwen2Config(
            vocab_size=vocabulary,
            hidden_size=self.shape["embeddingLength"],
            intermediate_size=self.shape["feedForwardLength"],
            num_hidden_layers=self.shape["blockCount"],
            num_attention_heads=self.shape["headCount"],
            num_key_value_heads=self.shape["headCountKv"],
            max_position_embeddings=context,
            rms_norm_eps=self.shape["layerNormRmsEpsilon"],
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": self.shape["ropeFreqBase"]},
        )

    def tokenizer_json(self) -> str:
        """tokenizer.json as the product reads it, without names of rows that no token stands for, without spaces."""
        made = AutoTokenizer.from_pretrained(self.path.parent, gguf_file=self.path.name)
        content = json.loads(prompt_layout.product_tokenizer(made.backend_tokenizer.to_str()))
        kinds = self._value("tokenizer.ggml.token_type")
        unused = {name for name, row in content["model"]["vocab"].items() if kinds[row] == TokenType.UNUSED}
        content["model"]["vocab"] = {k: row for k, row in content["model"]["vocab"].items() if k not in unused}
        # A merge as one string takes less room than as a pair.
        content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))

    def pytorch_model(self, context: int, vocabulary: int, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
        """The dequantised file as a model of transformers."""
        model = AutoModelForCausalLM.from_config(self.config(context, vocabulary), dtype=dtype)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(torch.tensor(self[name][: parameter.shape[0]]))
        return model.eval()


def layer_names(layers: int) -> list[str]:
    """Hugging Face names of all tensors that layers of Qwen2 may have."""
    return [f"model.layers.{layer}.{name}" for layer in range(layers) for name in LAYER_TENSORS]


def gguf_name(name: str) -> str:
    """GGUF's name of a layer's tensor."""
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{LAYER_TENSORS[rest]}"
