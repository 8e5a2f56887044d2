"""Layer-wise LoRA (L-LoRA): a retrieval-aware attention beside each frozen layer that expresses what a context needs.

Source of the method: SelfRACG, arXiv 2507.19033. With x the normed input of a layer and P one of q, k, v,
``P_r = P + (alpha / rank) B A x``; the layer's expression is its attention output at the last valid position, before the
output projection, under the backbone's rotary embedding and causal mask. The whole expression is the mean over layers,
L2-normalised. Nothing of it flows back into generation.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from .backbone import head_dimension

QUERY = 0
FRAGMENT = 1
PROJECTIONS = ("q", "k", "v")
ADAPTER_MODES = ("separate", "shared")


@dataclass(frozen=True)
class LayerInputs:
    """What one frozen layer shows its adapter.

    ``x`` [batch, seq, hidden] is the normed input; ``q`` [batch, seq, query heads * head_dim], ``k`` and ``v``
    [batch, seq, key-value heads * head_dim] are the backbone's own projections before the rotary embedding.
    """

    x: Tensor
    q: Tensor
    k: Tensor
    v: Tensor


class LowRank(nn.Module):
    """Low-rank updates of one projection, one per adapter: A is random, B zero, so that training starts at the backbone."""

    def __init__(self, adapters: int, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.empty(adapters, rank, inputs))
        self.B = nn.Parameter(torch.zeros(adapters, outputs, rank))
        for matrix in self.A:
            nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))

    def forward(self, x: Tensor, adapter: int) -> Tensor:
        return F.linear(F.linear(x, self.A[adapter]), self.B[adapter])


class LLoRA(nn.Module):
    """Expresses information needs and fragments with a frozen backbone.

    The backbone is held outside the module's parameters: ``parameters()`` and ``state_dict()`` are the adapters alone.
    """

    def __init__(
        self,
        backbone: PreTrainedModel,
        rank: int = 16,
        alpha: float = 32.0,
        adapters: str = "separate",
        normalise: bool = True,
    ) -> None:
        super().__init__()
        if adapters not in ADAPTER_MODES:
            raise ValueError(f"expected adapters to be one of {', '.join(ADAPTER_MODES)}, found {adapters!r}: choose one")
        config = backbone.config
        first = backbone.model.layers[0].self_attn
        if hasattr(first, "q_norm"):
            raise ValueError(
                f"expected a Qwen2 or Llama attention, found query normalisation in {type(first).__name__}: "
                "use a Qwen2 or Llama checkpoint"
            )
        object.__setattr__(self, "backbone", backbone)
        backbone.requires_grad_(False)
        self.rank = rank
        self.alpha = alpha
        self.adapters = adapters
        self.normalise = normalise
        self.query_heads = config.num_attention_heads
        self.key_value_heads = config.num_key_value_heads
        self.head_dim = head_dimension(config)
        self.dimension = self.query_heads * self.head_dim
        outputs = {
            "q": self.query_heads * self.head_dim,
            "k": self.key_value_heads * self.head_dim,
            "v": self.key_value_heads * self.head_dim,
        }
        count = 2 if adapters == "separate" else 1
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {name: LowRank(count, config.hidden_size, outputs[name], rank) for name in PROJECTIONS}
            )
            for _ in range(config.num_hidden_layers)
        )

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    @torch.no_grad()
    def collect(self, input_ids: Tensor, logits: bool = False) -> tuple[list[LayerInputs], Tensor | None]:
        """Runs the frozen backbone once over right-padded ids [batch, seq].

        Returns the layers' inputs and, where asked, the logits [batch, seq, vocabulary] of the very same pass. Right
        padding needs no mask: under the causal mask no valid position sees it.
        """
        seen: list[dict[str, Tensor]] = [{} for _ in self.layers]
        handles = []

        def keep(layer: int, name: str) -> Any:
            def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
                seen[layer][name] = output

            return hook

        for index, layer in enumerate(self.backbone.model.layers):
            handles.append(layer.input_layernorm.register_forward_hook(keep(index, "x")))
            for name in PROJECTIONS:
                projection = getattr(layer.self_attn, f"{name}_proj")
                handles.append(projection.register_forward_hook(keep(index, name)))
        output = None
        if not logits:
            # Nothing behind the last layer's projections is read.
            last = self.backbone.model.layers[-1].self_attn.o_proj
            handles.append(last.register_forward_pre_hook(_stop))
        try:
            if logits:
                output = self.backbone(input_ids=input_ids, use_cache=False).logits
            else:
                self.backbone.model(input_ids=input_ids, use_cache=False)
        except _Enough:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return [LayerInputs(**layer) for layer in seen], output

    def read(self, inputs: list[LayerInputs], lengths: Tensor, adapter: int) -> Tensor:
        """The expression [batch, dimension] at each row's last valid position; ``lengths`` [batch] counts valid tokens.

        ``adapter`` is QUERY or FRAGMENT; a shared adapter serves both. Differentiable in the adapters' parameters.
        """
        if adapter not in (QUERY, FRAGMENT):
            raise ValueError(f"expected adapter 0 (query) or 1 (fragment), found {adapter}: name one of them")
        index = adapter if self.adapters == "separate" else 0
        x = inputs[0].x
        batch, length, _ = x.shape
        rows = torch.arange(batch, device=x.device)
        last = lengths.to(x.device) - 1
        positions = torch.arange(length, device=x.device)
        cos, sin = self.backbone.model.rotary_emb(x, positions[None])
        cos, sin = cos[0], sin[0]
        visible = positions[None, :] <= last[:, None]
        mask = torch.zeros(batch, 1, length, dtype=torch.float32, device=x.device)
        mask.masked_fill_(~visible[:, None, :], float("-inf"))
        groups = self.query_heads // self.key_value_heads
        total = torch.zeros(batch, self.dimension, dtype=torch.float32, device=x.device)
        for layer, updates in zip(inputs, self.layers):
            at_last = layer.x[rows, last].float()
            everywhere = layer.x.float()
            query = layer.q[rows, last].float() + self.scale * updates["q"](at_last, index)
            key = layer.k.float() + self.scale * updates["k"](everywhere, index)
            value = layer.v.float() + self.scale * updates["v"](everywhere, index)
            query = query.view(batch, self.query_heads, self.head_dim)
            key = key.view(batch, length, self.key_value_heads, self.head_dim)
            value = value.view(batch, length, self.key_value_heads, self.head_dim)
            query = _rotate(query, cos[last][:, None], sin[last][:, None])
            key = _rotate(key, cos[:, None], sin[:, None])
            query = query.view(batch, self.key_value_heads, groups, self.head_dim)
            scores = torch.einsum("bkgd,btkd->bkgt", query, key) / math.sqrt(self.head_dim)
            weights = (scores + mask[:, :, None, :]).softmax(dim=-1)
            attended = torch.einsum("bkgt,btkd->bkgd", weights, value)
            total = total + attended.reshape(batch, self.dimension)
        mean = total / len(inputs)
        return F.normalize(mean, dim=-1) if self.normalise else mean

    def express(self, input_ids: Tensor, lengths: Tensor, adapter: int) -> Tensor:
        """Expression [batch, dimension] of right-padded ids [batch, seq] with ``lengths`` [batch] valid tokens each."""
        inputs, _ = self.collect(input_ids)
        return self.read(inputs, lengths, adapter)

    def save(self, directory: str | os.PathLike[str], **extra: Any) -> None:
        """Writes adapter.safetensors and adapter_config.json; ``extra`` values join the configuration."""
        path = Path(directory)
        path.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        config = {
            "rank": self.rank,
            "alpha": self.alpha,
            "adapters": self.adapters,
            "normalise": self.normalise,
            **extra,
        }
        scratch = path / "adapter.safetensors.tmp"
        save_file(tensors, scratch)
        os.replace(scratch, path / "adapter.safetensors")
        scratch = path / "adapter_config.json.tmp"
        scratch.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        os.replace(scratch, path / "adapter_config.json")


def load_config(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """adapter_config.json of a saved adapter: rank, alpha, adapters, normalise and what its training added."""
    path = Path(directory) / "adapter_config.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected an adapter configuration at {path}, found none: run `ing` first")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def load(backbone: PreTrainedModel, directory: str | os.PathLike[str]) -> LLoRA:
    """Loads saved adapters beside a backbone. Raises ``ValueError`` where their shapes do not fit each other."""
    config = load_config(directory)
    module = LLoRA(
        backbone,
        rank=config["rank"],
        alpha=config["alpha"],
        adapters=config["adapters"],
        normalise=config["normalise"],
    )
    tensors = load_file(Path(directory) / "adapter.safetensors")
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if expected != found:
        different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        first = different[0]
        raise ValueError(
            f"expected adapter tensor {first} of shape {expected.get(first)}, found {found.get(first)} in {directory}: "
            "train the adapter on this backbone"
        )
    module.load_state_dict(tensors)
    module.eval()
    return module


class _Enough(Exception):
    """Everything that is read has been computed."""


def _stop(_module: nn.Module, _inputs: Any) -> None:
    raise _Enough


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding in the half-split layout of Llama and Qwen2."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
