"""The shape of the backbone and the adapter that a graph is built for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from transformers import AutoConfig, LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

WEIGHTS = ("float32", "float16", "int8", "int8-dynamic", "half")
SUPPORTED_TYPES = ("qwen2", "llama")
# Rotary embeddings whose angles depend on the position alone.
ROPE_TYPES = ("default", "linear", "llama3", "yarn")
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


@dataclass(frozen=True)
class GraphConfig:
    """Shape of a Llama or Qwen2 backbone, in the graph's own terms."""

    model_type: str
    hidden: int
    layers: int
    query_heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    eps: float
    context: int
    # Rotary frequencies, and the factor of cosines and sines.
    frequencies: tuple[float, ...]
    rotary_scale: float

    @property
    def attended(self) -> int:
        """Length of an attention's output, in the query-head layout."""
        return self.query_heads * self.head_dim

    def architecture(self, parameters: int) -> dict[str, object]:
        """The member `architecture` of model.json; `parameters` counts those of the adapters too."""
        return {
            "type": self.model_type,
            "hiddenSize": self.hidden,
            "layers": self.layers,
            "queryHeads": self.query_heads,
            "keyValueHeads": self.kv_heads,
            "headDim": self.head_dim,
            "intermediateSize": self.intermediate,
            "vocabularySize": self.vocabulary,
            "parameters": parameters,
        }

    @staticmethod
    def from_hf(config: Mapping[str, Any]) -> GraphConfig:
        """Reads a Hugging Face config.json (as a mapping). ValueError names the first thing the graph cannot express."""
        kind = str(config.get("model_type"))
        if kind not in SUPPORTED_TYPES:
            raise ValueError(
                f"expected model_type {' or '.join(SUPPORTED_TYPES)}, found {kind!r}: export another checkpoint"
            )
        activation = config.get("hidden_act", "silu")
        if activation != "silu":
            raise ValueError(f"expected hidden_act 'silu', found {activation!r}: the graph has no other activation")
        if config.get("use_sliding_window"):
            raise ValueError(
                "expected full attention, found use_sliding_window: set it to false if the context fits the window"
            )
        heads = int(config["num_attention_heads"])
        hidden = int(config["hidden_size"])
        head_dim = int(config.get("head_dim") or hidden // heads)
        if head_dim % 16:
            raise ValueError(
                f"expected a head dimension that is a multiple of 16, found {head_dim}: the attention operator needs it"
            )
        frequencies, rotary_scale = _rotary(config)
        return GraphConfig(
            model_type=kind,
            hidden=hidden,
            layers=int(config["num_hidden_layers"]),
            query_heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=head_dim,
            intermediate=int(config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            eps=float(config["rms_norm_eps"]),
            context=int(config["max_position_embeddings"]),
            frequencies=frequencies,
            rotary_scale=rotary_scale,
        )


def _rotary(config: Mapping[str, Any]) -> tuple[tuple[float, ...], float]:
    """Frequencies [head_dim / 2] and scale of a configuration's rotary embedding, as transformers computes them."""
    made = AutoConfig.for_model(**config)
    # Newer configs keep theta and scaling together in rope_parameters, older ones in two fields.
    rope = getattr(made, "rope_parameters", None) or getattr(made, "rope_scaling", None) or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ROPE_TYPES:
        raise ValueError(
            f"expected a rope type among {', '.join(ROPE_TYPES)}, found {kind!r}: its angles change with the text's length"
        )
    # Qwen2's is the same class under another name.
    module: Any = LlamaRotaryEmbedding(cast(LlamaConfig, made))
    return tuple(module.inv_freq.tolist()), float(module.attention_scaling)


@dataclass(frozen=True)
class Adapter:
    """L-LoRA weights as arrays: layers.{l}.{q|k|v}.A [adapters, rank, hidden] and .B [adapters, out, rank]."""

    tensors: Mapping[str, np.ndarray]
    rank: int
    alpha: float

    @property
    def count(self) -> int:
        """How many adapters are stacked: 2 (query, fragment), or 1 when both share one."""
        return int(self.tensors["layers.0.q.A"].shape[0])


def rotary_caches(config: GraphConfig) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines [context, head_dim / 2], in float32 throughout as transformers computes them."""
    frequencies = np.array(config.frequencies, dtype=np.float32)
    angles = np.outer(np.arange(config.context, dtype=np.float32), frequencies).astype(np.float32)
    scale = np.float32(config.rotary_scale)
    return np.cos(angles) * scale, np.sin(angles) * scale


def check_adapter(config: GraphConfig, adapter: Adapter) -> None:
    """Raises ``ValueError`` where the adapter's shapes do not fit the backbone."""
    sizes = {"q": config.attended, "k": config.kv_heads * config.head_dim, "v": config.kv_heads * config.head_dim}
    for layer in range(config.layers):
        for part, out in sizes.items():
            for side, shape in (
                ("A", (adapter.count, adapter.rank, config.hidden)),
                ("B", (adapter.count, out, adapter.rank)),
            ):
                name = f"layers.{layer}.{part}.{side}"
                if name not in adapter.tensors:
                    raise ValueError(
                        f"expected adapter tensor {name}, found none: was the adapter made for another backbone?"
                    )
                found = tuple(adapter.tensors[name].shape)
                if found != shape:
                    raise ValueError(
                        f"{name}: expected shape {shape}, found {found}: was the adapter made for another backbone?"
                    )
