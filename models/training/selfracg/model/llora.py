"""Layer-wise LoRA (L-LoRA): a retrieval-aware attention beside each frozen layer that expresses what a context needs.

Source of the method: SelfRACG, arXiv 2507.19033. With x the normed input of a layer and P one of q, k, v,
``P_r = P + (alpha / rank) B A x``; the layer's expression is its attention output at the last valid position, under
the backbone's rotary embedding and causal mask, behind the layer's own output projection (decided by `ablate`). The whole
expression is the mean over layers, L2-normalised. Nothing of it flows back into generation. Other ways of reading it out
are options.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from selfracg.files import replaced
from selfracg.model.backbone import head_dimension
from selfracg.model.forward import apply_rotary
from selfracg.model.low_rank import LayerInputs, LowRank

QUERY = 0
FRAGMENT = 1
PROJECTIONS = ("q", "k", "v")
ADAPTER_MODES = ("separate", "shared")
POOLS = ("last", "mean")


class LLoRA(nn.Module):
    """Expresses information needs and fragments with a frozen backbone.

    The backbone is held outside the module's parameters: ``parameters()`` and ``state_dict()`` are the adapters alone.
    """

    backbone: Any  # a PreTrainedModel, whose parts have no declared types

    def __init__(
        self,
        backbone: PreTrainedModel,
        rank: int = 16,
        alpha: float = 32.0,
        adapters: str = "separate",
        normalise: bool = True,
        *,
        layer_normalise: bool = False,
        learn_layers: bool = False,
        pool: str = "last",
        project: bool = True,
    ) -> None:
        """The options behind ``adapters`` are for comparisons alone: such a module can be neither saved nor exported.

        ``layer_normalise`` brings every layer's expression to length 1 before the mean, whose weights ``learn_layers``
        trains. ``project`` sends each layer's expression through the backbone's output projection first. ``pool`` "mean"
        reads fragments as the mean over their tokens, not at the last one.
        """
        super().__init__()
        if adapters not in ADAPTER_MODES:
            raise ValueError(
                f"expected adapters to be one of {', '.join(ADAPTER_MODES)}, found {adapters!r}: choose one"
            )
        if pool not in POOLS:
            raise ValueError(f"expected pool to be one of {', '.join(POOLS)}, found {pool!r}: choose one")
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
        self.layer_normalise = layer_normalise
        self.pool = pool
        self.project = project
        # Stands in for `project_attended` where it is set: calibration watches what goes through it, rounding imitates it.
        self.replaced_projection: Callable[[int, Tensor], Tensor] | None = None
        self.query_heads = config.num_attention_heads
        self.key_value_heads = config.num_key_value_heads
        self.head_dim = head_dimension(config)
        self.attended = self.query_heads * self.head_dim
        # Numbers in an expression.
        self.dimension: int = config.hidden_size if project else self.attended
        outputs = {
            "q": self.query_heads * self.head_dim,
            "k": self.key_value_heads * self.head_dim,
            "v": self.key_value_heads * self.head_dim,
        }
        count = 2 if adapters == "separate" else 1
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: LowRank(count, config.hidden_size, outputs[name], rank) for name in PROJECTIONS})
            for _ in range(config.num_hidden_layers)
        )
        if learn_layers:
            self.layer_logits = nn.Parameter(torch.zeros(config.num_hidden_layers))

    def layer_weights(self) -> Tensor | None:
        """Weights [layers] of the layers' expressions, which sum to 1; None where all layers count equally."""
        return self.layer_logits.softmax(0) if hasattr(self, "layer_logits") else None

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
            # Nothing after the last layer's projections is read.
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

        ``adapter`` is QUERY or FRAGMENT; a shared adapter serves both. Differentiable in the adapters' parameters. What
        is as long as the row is computed in the inputs' type, the rest in float32.
        """
        if adapter not in (QUERY, FRAGMENT):
            raise ValueError(f"expected adapter 0 (query) or 1 (fragment), found {adapter}: name one of them")
        index = adapter if self.adapters == "separate" else 0
        x = inputs[0].x
        batch, length, _ = x.shape
        rows = torch.arange(batch, device=x.device)
        last = lengths.to(x.device) - 1
        positions = torch.arange(length, device=x.device)
        cos, sin = (part[0] for part in self.backbone.model.rotary_emb(x.float(), positions[None]))
        everywhere = self.pool == "mean" and adapter == FRAGMENT
        if everywhere:
            visible = (positions[None, :, None] >= positions[None, None, :]).expand(batch, -1, -1)
        else:
            visible = (positions[None, :] <= last[:, None])[:, None]
        mask = torch.zeros(visible.shape, device=x.device).masked_fill_(~visible, float("-inf"))[:, None, None]
        mixture = self.layer_weights()
        layers = cast(Iterable[Mapping[str, LowRank]], self.layers)
        total = torch.zeros(batch, self.dimension, dtype=torch.float32, device=x.device)
        for number, (layer, updates) in enumerate(zip(inputs, layers, strict=True)):
            own = self._layer(layer, updates, index, (cos, sin), None if everywhere else (rows, last), mask)
            if everywhere:
                valid = positions[None, :] <= last[:, None]
                own = (own * valid[..., None]).sum(1) / lengths.to(x.device)[:, None]
            else:
                own = own[:, 0]
            if self.project:
                own = self.project_attended(number, own)
            if self.layer_normalise:
                own = F.normalize(own, dim=-1)
            total = total + own * (1.0 / len(inputs) if mixture is None else mixture[number])
        return F.normalize(total, dim=-1) if self.normalise else total

    def project_attended(self, layer: int, attended: Tensor) -> Tensor:
        """One layer's attention output [..., attended] after the backbone's output projection [..., hidden]."""
        return (self.replaced_projection or self.output_projection)(layer, attended)

    def output_projection(self, layer: int, attended: Tensor) -> Tensor:
        """The backbone's own output projection of a layer."""
        return self.backbone.model.layers[layer].self_attn.o_proj(attended)

    def _layer(
        self,
        layer: LayerInputs,
        updates: Mapping[str, LowRank],
        index: int,
        rotation: tuple[Tensor, Tensor],
        at: tuple[Tensor, Tensor] | None,
        mask: Tensor,
    ) -> Tensor:
        """One layer's attention output [batch, asked, attended] at one position of each row (``at``), or at all of them."""
        batch, length, _ = layer.x.shape
        cos, sin = rotation
        groups = self.query_heads // self.key_value_heads
        if at is None:
            asked, query = layer.x.float(), layer.q.float()
            turn = (cos[:, None], sin[:, None])
        else:
            rows, last = at
            asked, query = layer.x[rows, last][:, None].float(), layer.q[rows, last][:, None].float()
            turn = (cos[last][:, None, None], sin[last][:, None, None])
        query = query + self.scale * updates["q"](asked, index)
        query = apply_rotary(query.view(batch, -1, self.query_heads, self.head_dim), *turn)
        kind = layer.x.dtype
        key = layer.k + self.scale * updates["k"](layer.x, index)
        key = apply_rotary(
            key.view(batch, length, self.key_value_heads, self.head_dim), cos[:, None].to(kind), sin[:, None].to(kind)
        )
        # [batch, key-value heads, query heads of each, asked, head size], against [batch, key-value heads, 1, head size, seq]
        query = query.transpose(1, 2).unflatten(1, (self.key_value_heads, groups))
        scores = (query.flatten(2, 3).to(kind) @ key.permute(0, 2, 3, 1)).float().unflatten(2, (groups, -1))
        weights = (scores / math.sqrt(self.head_dim) + mask).softmax(dim=-1)
        # The values' update is applied to what attention has summed up: rank numbers a head instead of a row's length.
        flat = weights.flatten(2, 3).to(kind)
        value = layer.v.view(batch, length, self.key_value_heads, self.head_dim).transpose(1, 2)
        low = (flat.flatten(1, 2) @ updates["v"].down(layer.x, index)).float().unflatten(1, (self.key_value_heads, -1))
        raised = updates["v"].B[index].view(self.key_value_heads, self.head_dim, self.rank).transpose(1, 2)
        attended = (flat @ value).float() + self.scale * (low @ raised)
        return attended.unflatten(2, (groups, -1)).permute(0, 3, 1, 2, 4).reshape(batch, -1, self.attended)

    def express(self, input_ids: Tensor, lengths: Tensor, adapter: int) -> Tensor:
        """Expression [batch, dimension] of right-padded ids [batch, seq] with ``lengths`` [batch] valid tokens each."""
        inputs, _ = self.collect(input_ids)
        return self.read(inputs, lengths, adapter)

    def save(self, directory: str | os.PathLike[str], **extra: Any) -> None:
        """Writes adapter.safetensors and adapter_config.json; ``extra`` values join the configuration."""
        path = Path(directory)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        config = {"rank": self.rank, "alpha": self.alpha, "adapters": self.adapters, **extra}
        with replaced(path / "adapter.safetensors") as scratch:
            save_file(tensors, scratch)
        with replaced(path / "adapter_config.json") as scratch:
            scratch.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_config(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """adapter_config.json of a saved adapter: rank, alpha, adapters and what its training added."""
    path = Path(directory) / "adapter_config.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected an adapter configuration at {path}, found none: run `ing` first")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def load(backbone: PreTrainedModel, directory: str | os.PathLike[str]) -> LLoRA:
    """Loads saved adapters beside a backbone. Raises ``ValueError`` where their shapes do not fit each other."""
    config = load_config(directory)
    module = LLoRA(backbone, config["rank"], config["alpha"], config["adapters"])
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
