"""Greedy decoding of many prompts at once with a Qwen2/Llama checkpoint, and the frozen pass that expressions are read from.

A batch holds prompts of like length, right-padded; keys and values are kept, finished rows leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from selfracg.model import forward
from selfracg.model.backbone import head_dimension
from selfracg.model.low_rank import LayerInputs


@torch.no_grad()
def trunk(model: PreTrainedModel, ids: Tensor, dtype: torch.dtype) -> tuple[list[LayerInputs], Tensor]:
    """Of right-padded ids [batch, seq] what each layer shows an adapter, and the final normed states [batch, seq, hidden]."""
    x, cos, sin = forward.embed(model, ids, dtype)
    found = []
    for layer in model.model.layers:
        normed, projected = forward.project_layer(x, layer, model.config, dtype)
        found.append(LayerInputs(normed, *(part.flatten(2) for part in projected)))
        x = forward.finish_layer(x, layer, model.config, cos, sin, dtype, projected)
    return found, forward.rms_norm(x, model.model.norm.weight, model.config.rms_norm_eps, dtype)


def batches(lengths: Sequence[int], size: int, spread: float = 1.15) -> Iterator[list[int]]:
    """Indices in batches of at most `size` whose max_length row is at most `spread` times the shortest."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) == size or lengths[i] > spread * lengths[batch[0]] + 8):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


@torch.no_grad()
def greedy(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    stop: Callable[[int, list[int]], bool],
    max_tokens: int,
    dtype: torch.dtype = torch.float32,
) -> list[list[int]]:
    """The tokens that follow each prompt, at most `max_tokens`, each the most likely one.

    The prompts are one batch, so they should have similar lengths. `stop(row, tokens)` is called after every token and
    ends the row; the last token it saw stays in the result.
    """
    config = model.config
    heads, pairs, size = config.num_attention_heads, config.num_key_value_heads, head_dimension(config)
    device = model.lm_head.weight.device
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    max_length = int(lengths.max())
    ids = torch.zeros(len(prompts), max_length, dtype=torch.int64, device=device)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt, device=device)
    inputs, states = trunk(model, ids, dtype)
    positions = torch.arange(max_length + max_tokens, device=device)
    cos, sin = model.model.rotary_emb(states, positions[None])
    cos, sin = cos[0, :, None].to(dtype), sin[0, :, None].to(dtype)
    keys, values = [], []
    for layer in inputs:
        rotated = forward.apply_rotary(
            layer.k.view(len(prompts), max_length, pairs, size), cos[:max_length], sin[:max_length]
        )
        keys.append(F.pad(rotated.transpose(1, 2), (0, 0, 0, max_tokens)).contiguous())
        values.append(
            F.pad(
                layer.v.view(len(prompts), max_length, pairs, size).transpose(1, 2), (0, 0, 0, max_tokens)
            ).contiguous()
        )
    del inputs
    head = model.lm_head.weight.to(dtype)
    rows = torch.arange(len(prompts), device=device)
    state = states[rows, lengths - 1]
    out: list[list[int]] = [[] for _ in prompts]
    place = lengths.clone()
    for step in range(max_tokens):
        chosen = (state @ head.T).float().argmax(-1)
        going = []
        for number, (row, token) in enumerate(zip(rows.tolist(), chosen.tolist(), strict=True)):
            out[row].append(token)
            if not stop(row, out[row]):
                going.append(number)
        if not going or step + 1 == max_tokens:
            break
        if len(going) < len(rows):
            kept = torch.tensor(going, device=device)
            rows, place, chosen = rows[kept], place[kept], chosen[kept]
            keys, values = [key[kept] for key in keys], [value[kept] for value in values]
        x = F.embedding(chosen[:, None], model.model.embed_tokens.weight).to(dtype)
        reach = int(place.max()) + 1
        hidden = torch.arange(reach, device=device)[None] > place[:, None]
        here = torch.arange(len(rows), device=device)
        for number, layer in enumerate(model.model.layers):
            _, (q, k, v) = forward.project_layer(x, layer, config, dtype)
            turn, slide = cos[place][:, None], sin[place][:, None]
            keys[number][here, :, place] = forward.apply_rotary(k, turn, slide)[:, 0]
            values[number][here, :, place] = v[:, 0]
            asked = forward.apply_rotary(q, turn, slide).view(len(rows), pairs, heads // pairs, size)
            scores = (asked @ keys[number][:, :, :reach].transpose(2, 3)).float() * size**-0.5
            weights = scores.masked_fill(hidden[:, None, None], float("-inf")).softmax(-1).to(dtype)
            attended = (weights @ values[number][:, :, :reach]).reshape(len(rows), 1, heads * size)
            x = _behind_attention(x, attended, layer, config, dtype)
        state = forward.rms_norm(x, model.model.norm.weight, config.rms_norm_eps, dtype)[:, 0]
        place = place + 1
    return out


def _behind_attention(x: Tensor, attended: Tensor, layer: Any, config: PretrainedConfig, dtype: torch.dtype) -> Tensor:
    """The rest of a layer: output projection and feed-forward, each added to the stream [batch, 1, hidden]."""
    x = x + F.linear(attended, layer.self_attn.o_proj.weight.to(dtype))
    normed = forward.rms_norm(x, layer.post_attention_layernorm.weight, config.rms_norm_eps, dtype)
    mlp = layer.mlp
    gate, up = F.linear(normed, mlp.gate_proj.weight.to(dtype)), F.linear(normed, mlp.up_proj.weight.to(dtype))
    return x + F.linear(F.silu(gate) * up, mlp.down_proj.weight.to(dtype))
