"""Command `restore`: backbone and adapter of a model package as the folders that `export`, `gguf` and `evaluate` read.

The restored weights are those that the package computes with: int8 codes times their scales, adapters rounded to float16.
Exported again with the same kind of weights they give the same codes. So the graph can be rebuilt, and the same weights
measured elsewhere, without training.

Reads  --package (default: models/default).        Writes  backbone/ (with tokenizer.json) and llora/.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from selfracg.export import export
from selfracg.export.package import RETRIEVAL_SETTINGS
from selfracg.model import backbone, llora

CONFIGS = {"qwen2": Qwen2Config, "llama": LlamaConfig}
# A layer's tensors in the graph, and the checkpoint's tensors that each of them joins by rows.
JOINED = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "output": ("self_attn.o_proj",),
    "gate": ("mlp.gate_proj",),
    "up": ("mlp.up_proj",),
    "down": ("mlp.down_proj",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `restore`."""
    parser.add_argument(
        "--package",
        type=Path,
        default=export.REPOSITORY / "models" / "default",
        help="package folder (default: models/default)",
    )


def run(args: argparse.Namespace) -> int:
    """Writes both folders. Returns 0; raises ``FileExistsError`` rather than overwrite a trained backbone or adapter."""
    work = Path(args.work)
    for folder in (work / "backbone", work / "llora"):
        if folder.exists():
            raise FileExistsError(
                f"expected no {folder}, found one: it may hold weights before rounding; name another --work"
            )
    model = restore(args.package, work)
    print(
        f"restore: {args.package} as {work / 'backbone'} ({backbone.parameter_count(model):,} parameters) and {work / 'llora'}"
    )
    return 0


def restore(package: Path, work: Path) -> Any:
    """Writes backbone/ and llora/ under `work` and returns the model.

    Raises ``ValueError`` for a graph that this project's exporter did not write.
    """
    description = json.loads((package / "model.json").read_text(encoding="utf-8"))
    proto = onnx.load(package / "model.onnx")
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    config = _config(description, tensors, proto, Tokenizer.from_file(str(package / "tokenizer.json")))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    state = {
        name: torch.from_numpy(value) for name, value in _backbone_tensors(description["architecture"], tensors).items()
    }
    if config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in sorted(expected.keys() | state.keys()):
        found = tuple(state[name].shape) if name in state else None
        if expected.get(name) != found:
            raise ValueError(
                f"{package}: expected the tensor {name} of shape {expected.get(name)}, found {found}: is it a package of this project's?"
            )
    model.load_state_dict(state)
    model.eval()
    backbone.save(model, work / "backbone", package / "tokenizer.json")

    retrieval = description["retrieval"]
    module = llora.LLoRA(
        model,
        rank=int(retrieval["rank"]),
        alpha=float(retrieval["alpha"]),
        adapters=retrieval["adapters"],
    )
    module.load_state_dict({name: torch.from_numpy(value) for name, value in _adapter_tensors(module, tensors).items()})
    module.save(
        work / "llora",
        backbone=backbone.checksum(work / "backbone"),
        restoredFrom=f"{description['name']} {description['version']}",
        **{key: retrieval[key] for key in RETRIEVAL_SETTINGS if key in retrieval},
    )
    return model


def _config(
    description: Mapping[str, Any], tensors: Mapping[str, np.ndarray], proto: onnx.ModelProto, tokenizer: Tokenizer
) -> Any:
    """config.json from model.json, and from the graph what model.json lacks: rotary base, epsilon, whether the head is tied."""
    size, special = description["architecture"], description["specialTokens"]
    epsilons = {
        round(attribute.f, 12)
        for node in proto.graph.node
        if "SimplifiedLayerNormalization" in node.op_type
        for attribute in node.attribute
        if attribute.name == "epsilon"
    }
    if len(epsilons) != 1:
        raise ValueError(
            f"expected one epsilon in all normalisations of the graph, found {sorted(epsilons)}: is it a package of this project's?"
        )
    half = size["headDim"] // 2
    # The angle of position 1 in the second pair is base ** (-1 / half).
    angles = np.arctan2(tensors["rotary.sin"][1].astype(np.float64), tensors["rotary.cos"][1].astype(np.float64))
    base = float(np.round(angles[1] ** -half)) if half > 1 else 10000.0
    if not np.allclose(angles, base ** (-np.arange(half) / half), rtol=1e-4):
        raise ValueError(
            "expected an unscaled rotary embedding, found scaled angles: restore the checkpoint that it was exported from"
        )
    return CONFIGS[size["type"]](
        vocab_size=size["vocabularySize"],
        hidden_size=size["hiddenSize"],
        intermediate_size=size["intermediateSize"],
        num_hidden_layers=size["layers"],
        num_attention_heads=size["queryHeads"],
        num_key_value_heads=size["keyValueHeads"],
        head_dim=size["headDim"],
        max_position_embeddings=description["contextLength"],
        rms_norm_eps=epsilons.pop(),
        tie_word_embeddings=not _has_head(tensors),
        rope_parameters={"rope_type": "default", "rope_theta": base},
        eos_token_id=tokenizer.token_to_id(special["endOfText"]),
        bos_token_id=None,
        pad_token_id=tokenizer.token_to_id(special["pad"]),
    )


def _backbone_tensors(size: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The checkpoint's tensors by their Hugging Face names; the head only where it is not the embedding."""
    found = {
        "model.embed_tokens.weight": _matrix(tensors, "embedding", rows_first=True),
        "model.norm.weight": _stored(tensors, "final_norm"),
    }
    if _has_head(tensors):
        found["lm_head.weight"] = _matrix(tensors, "head", rows_first=True)
    queries, pairs = size["queryHeads"] * size["headDim"], size["keyValueHeads"] * size["headDim"]
    for layer in range(size["layers"]):
        source, target = f"layers.{layer}", f"model.layers.{layer}"
        found[f"{target}.input_layernorm.weight"] = _stored(tensors, f"{source}.input_norm")
        found[f"{target}.post_attention_layernorm.weight"] = _stored(tensors, f"{source}.mlp_norm")
        for part, members in JOINED.items():
            ends = [queries, queries + pairs] if part == "qkv" else []
            for member, piece in zip(members, np.split(_matrix(tensors, f"{source}.{part}"), ends), strict=True):
                found[f"{target}.{member}.weight"] = np.ascontiguousarray(piece)
            if f"{source}.{part}.bias" in tensors:
                for member, piece in zip(
                    members, np.split(_stored(tensors, f"{source}.{part}.bias"), ends), strict=True
                ):
                    found[f"{target}.{member}.bias"] = np.ascontiguousarray(piece)
    return found


def _has_head(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether the output projection has its own matrix."""
    return any(name in tensors for name in ("head", "head.f16", "head.codes"))


def _adapter_tensors(module: llora.LLoRA, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The adapter's tensors by their names in adapter.safetensors: layers.{l}.{q|k|v}.A [adapters, rank, hidden] and .B [adapters, out, rank]."""

    def stacked(part: str) -> np.ndarray:
        return np.stack(
            [
                _stored(tensors, f"layers.need.{part}.{each}")
                for each in range(2 if module.adapters == "separate" else 1)
            ]
        )

    # [adapters, layers, inputs, outputs]; A of keys and values is one tensor, their B are [adapters, layers, 1, pairs, rank, head_dim].
    query_down, query_up, down = stacked("query.A"), stacked("query.B"), stacked("A")
    up = {part: stacked(f"{name}.B").transpose(0, 1, 2, 3, 5, 4) for part, name in (("k", "key"), ("v", "value"))}
    found: dict[str, np.ndarray] = {}
    for layer in range(len(module.layers)):
        found[f"layers.{layer}.q.A"] = query_down[:, layer].transpose(0, 2, 1)
        found[f"layers.{layer}.q.B"] = query_up[:, layer].transpose(0, 2, 1)
        for part, piece in zip("kv", np.split(down[:, layer], 2, axis=-1), strict=True):
            found[f"layers.{layer}.{part}.A"] = piece.transpose(0, 2, 1)
            found[f"layers.{layer}.{part}.B"] = up[part][:, layer].reshape(len(down), -1, module.rank)
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


def _matrix(tensors: Mapping[str, np.ndarray], name: str, rows_first: bool = False) -> np.ndarray:
    """A linear layer's matrix [outputs, inputs] in float32; stored as [inputs, outputs], or `rows_first` the other way."""
    if f"{name}.codes" in tensors:
        codes = tensors[f"{name}.codes"].astype(np.float32)
        return np.ascontiguousarray((codes if rows_first else codes.T) * _stored(tensors, f"{name}.scale")[:, None])
    value = _stored(tensors, name if rows_first else f"{name}.weight")
    return np.ascontiguousarray(value if rows_first else value.T)


def _stored(tensors: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """A trained tensor of the graph in float32."""
    for kind in (name, f"{name}.f16"):
        if kind in tensors:
            return tensors[kind].astype(np.float32)
    raise ValueError(f"expected {name} in the graph, found none: is it a package of this project's?")
