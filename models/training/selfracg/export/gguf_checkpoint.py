"""Reads a published Qwen2 GGUF file: its shape, its tensors dequantised to float32 by Hugging Face names, and its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import MODEL_ARCH, GGUFReader, ReaderTensor, TokenType, get_tensor_name_map
from gguf.quants import dequantize
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, Qwen2Config

from selfracg.data import prompt_layout
from selfracg.export import graph, recipe
from selfracg.export.gguf import SUFFIXES

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
# Where a file holds the tied matrix twice, the copy of the head has more bits.
TIED_NAMES = ("output.weight", "token_embd.weight")


class GgufCheckpoint(Mapping[str, np.ndarray]):
    """The tensors in float32 by Hugging Face name, each dequantised when it is read. The head is the embedding."""

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
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(self.config(1, self.shape["vocabularySize"]))
        known = get_tensor_name_map(MODEL_ARCH.QWEN2, self.shape["blockCount"])
        # Names that a tensor may have in the file, best first.
        self.names: dict[str, tuple[str, ...]] = {
            name: (known.get_name(name, SUFFIXES) or "",) for name, _ in model.named_parameters()
        } | {graph.EMBEDDING: TIED_NAMES}

    def _value(self, key: str) -> Any:
        entry = self._reader.get_field(key)
        if entry is None:
            raise ValueError(f"{self.path}: expected the metadata {key}, found none: use a complete model file")
        return entry.contents()

    def __getitem__(self, name: str) -> np.ndarray:
        return recipe.joined([self.names[name]], self.dequantised)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def dequantised(self, tensor: str) -> np.ndarray | None:
        """A tensor float32 [outputs, inputs] or [n] by its GGUF name; None where the file has none of that name."""
        found = self._tensors.get(tensor)
        return None if found is None else dequantize(found.data, found.tensor_type).astype(np.float32, copy=False)

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
        """tokenizer.json as the product reads it, without the names of unused rows and without spaces."""
        made = AutoTokenizer.from_pretrained(self.path.parent, gguf_file=self.path.name)
        content = json.loads(prompt_layout.product_tokenizer(made.backend_tokenizer.to_str()))
        kinds = self._value("tokenizer.ggml.token_type")
        unused = {name for name, row in content["model"]["vocab"].items() if kinds[row] == TokenType.UNUSED}
        content["model"]["vocab"] = {k: row for k, row in content["model"]["vocab"].items() if k not in unused}
        # One string takes less space than a pair.
        content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))

    def pytorch_model(self, context: int, vocabulary: int, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
        """The dequantised file as a model of transformers."""
        model = AutoModelForCausalLM.from_config(self.config(context, vocabulary), dtype=dtype)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(torch.tensor(self[name][: parameter.shape[0]]))
        return model.eval()
