"""The training forward: a Qwen2/Llama decoder and its next-token loss, written for speed on the CPU and the GPU.

It reads a Hugging Face model's own parameters, so what it trains is what transformers loads. Two things make the CPU
fast: causal attention as a few dense matrix products over blocks of queries (the fused CPU kernel is far slower in
bfloat16), and a loss that computes its gradient chunk by chunk, so that the logits never leave the cache. On a GPU
attention is fused: flash attention, or, where the samples of a row must not see each other, flex attention over the
blocks that the mask leaves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers import PreTrainedModel

from selfracg.model.backbone import head_dimension

# Queries per dense attention block on the CPU: smaller blocks skip more of the masked half, larger ones multiply faster.
ATTENTION_BLOCK = 256
LOSS_CHUNK_CPU = 1024
LOSS_CHUNK_CUDA = 8192


# What limits attention besides causality: sample numbers [batch, seq] on the CPU, made into a block mask on a GPU.
Bounds = Tensor | BlockMask | None


def bounds(documents: Tensor) -> Tensor | BlockMask:
    """What ``hidden_states`` takes to keep attention within samples, of their numbers [batch, seq]."""
    if not documents.is_cuda:
        return documents
    batch, length = documents.shape

    def seen(row: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (documents[row, query] == documents[row, key])

    # Compiled, the mask is never written out whole.
    return _block_mask_maker()(seen, batch, None, length, length, device=documents.device)


@functools.cache
def _block_mask_maker() -> Callable[..., BlockMask]:
    # Not at import: the compiler takes seconds to load.
    return torch.compile(create_block_mask, dynamic=False)


def hidden_states(model: PreTrainedModel, input_ids: Tensor, dtype: torch.dtype, within: Bounds = None) -> Tensor:
    """Final normed hidden states [batch, seq, hidden] in ``dtype`` of ids [batch, seq]; causal, no padding mask.

    ``within`` (see ``bounds``) keeps attention within the samples of a row.
    """
    x, cos, sin = embed(model, input_ids, dtype)
    for layer in model.model.layers:
        _, projected = project_layer(x, layer, model.config, dtype)
        x = finish_layer(x, layer, model.config, cos, sin, dtype, projected, within)
    return rms_norm(x, model.model.norm.weight, model.config.rms_norm_eps, dtype)


def layer_inputs(
    model: PreTrainedModel, input_ids: Tensor, dtype: torch.dtype
) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Of each layer the normed input and q, k, v before the rotary embedding, each [batch, seq, features]."""
    x, cos, sin = embed(model, input_ids, dtype)
    found = []
    last = model.model.layers[-1]
    for layer in model.model.layers:
        normed, projected = project_layer(x, layer, model.config, dtype)
        q, k, v = (part.flatten(2) for part in projected)
        found.append((normed, q, k, v))
        # Nothing after the last layer's projections is needed.
        if layer is not last:
            x = finish_layer(x, layer, model.config, cos, sin, dtype, projected)
    return found


def embed(model: PreTrainedModel, input_ids: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Embedded ids, and the rotary embedding's cosines and sines [seq, 1, head size]."""
    x = F.embedding(input_ids, model.model.embed_tokens.weight).to(dtype)
    positions = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
    cos, sin = model.model.rotary_emb(x, positions)
    return x, cos[0, :, None].to(dtype), sin[0, :, None].to(dtype)


def next_token_losses(
    model: PreTrainedModel,
    input_ids: Tensor,
    ignore: int,
    dtype: torch.dtype,
    hidden: Callable[..., Tensor] = hidden_states,
    loss_and_gradient: Callable[..., tuple[Tensor, Tensor]] | None = None,
    documents: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean next-token loss, differentiable, and for reading the losses and validity [batch, seq - 1] of each position.

    Targets equal to ``ignore`` do not count. ``hidden`` and ``loss_and_gradient`` may be compiled versions of this
    module's functions. With the sample numbers ``documents`` [batch, seq] no sample sees another, and none has to
    predict how the next begins.
    """
    targets = input_ids[:, 1:]
    valid = targets != ignore
    if documents is None:
        states = hidden(model, input_ids, dtype)[:, :-1]
    else:
        states = hidden(model, input_ids, dtype, bounds(documents))[:, :-1]
        valid = valid & (documents[:, 1:] == documents[:, :-1])
    weight = model.lm_head.weight.to(dtype)
    counted = valid.sum().clamp(min=1)
    weights = valid.reshape(-1).float() / counted
    losses = _ChunkedCrossEntropy.apply(
        states.reshape(-1, states.shape[-1]),
        weight,
        targets.reshape(-1),
        weights,
        loss_and_gradient or cross_entropy_and_gradient,
    )
    return (losses * weights).sum(), losses.detach().view(targets.shape), valid


def cross_entropy_and_gradient(logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Losses [n] of logits [n, vocabulary], and the gradient of their weighted sum by the logits, in the logits' type."""
    exact = logits.float()
    highest = exact.amax(-1, keepdim=True)
    powers = (exact - highest).exp()
    total = powers.sum(-1, keepdim=True)
    losses = (total.log() + highest).squeeze(-1) - exact.gather(1, targets[:, None]).squeeze(1)
    hit = torch.arange(logits.shape[1], device=logits.device)[None, :] == targets[:, None]
    gradient = (powers / total - hit.float()) * weights[:, None]
    return losses, gradient.to(logits.dtype)


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Per-position losses; the gradient of their weighted sum is computed along with them."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        targets: Tensor,
        weights: Tensor,
        loss_and_gradient: Callable[..., tuple[Tensor, Tensor]],
    ) -> Tensor:
        count = states.shape[0]
        chunk = LOSS_CHUNK_CUDA if states.is_cuda else LOSS_CHUNK_CPU
        losses = torch.empty(count, dtype=torch.float32, device=states.device)
        by_states = torch.empty_like(states)
        by_weight = torch.zeros(weight.shape, dtype=torch.float32, device=weight.device)
        # Gradients of a mean are tiny; without this factor a 16-bit type would round them towards nothing.
        scale = 1.0 / weights.amax().clamp(min=1e-30)
        for start in range(0, count, chunk):
            part = slice(start, start + chunk)
            logits = torch.mm(states[part], weight.t())
            losses[part], gradient = loss_and_gradient(logits, targets[part], weights[part] * scale)
            by_states[part] = torch.mm(gradient, weight)
            by_weight += torch.mm(gradient.t(), states[part])
        ctx.save_for_backward(by_states, by_weight, weights, scale)
        return losses

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        by_states, by_weight, weights, scale = ctx.saved_tensors
        # The caller's weighted sum sends its weights upstream, times a factor; the weights are in the stored gradients already.
        factor = upstream.sum() / weights.sum().clamp(min=1e-30) / scale
        return by_states * factor, by_weight * factor, None, None, None


def rms_norm(x: Tensor, weight: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
    exact = x.float()
    return (exact * torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + epsilon) * weight).to(dtype)


def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding in the half-split layout of Llama and Qwen2."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def project_layer(
    x: Tensor, layer: Any, config: Any, dtype: torch.dtype
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The normed input of a layer, and its q, k and v [batch, seq, heads, size] before the rotary embedding."""
    attention = layer.self_attn
    batch, sequence, _ = x.shape
    queries, keys, size = config.num_attention_heads, config.num_key_value_heads, head_dimension(config)
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    normed = rms_norm(x, layer.input_layernorm.weight, config.rms_norm_eps, dtype)
    weight = torch.cat([projection.weight for projection in projections]).to(dtype)
    biased = attention.q_proj.bias is not None
    bias = torch.cat([projection.bias for projection in projections]).to(dtype) if biased else None
    joint = F.linear(normed, weight, bias).view(batch, sequence, queries + 2 * keys, size)
    return normed, joint.split((queries, keys, keys), dim=2)


def finish_layer(
    x: Tensor,
    layer: Any,
    config: Any,
    cos: Tensor,
    sin: Tensor,
    dtype: torch.dtype,
    projected: tuple[Tensor, Tensor, Tensor],
    within: Bounds = None,
) -> Tensor:
    """The layer's output [batch, seq, hidden] from its projections."""
    q, k, v = projected
    mlp = layer.mlp
    attended = _attend(apply_rotary(q, cos, sin), apply_rotary(k, cos, sin), v, within).reshape(*x.shape[:2], -1)
    x = x + F.linear(attended, layer.self_attn.o_proj.weight.to(dtype))
    normed = rms_norm(x, layer.post_attention_layernorm.weight, config.rms_norm_eps, dtype)
    gate, up = F.linear(normed, torch.cat((mlp.gate_proj.weight, mlp.up_proj.weight)).to(dtype)).chunk(2, dim=-1)
    return x + F.linear(F.silu(gate) * up, mlp.down_proj.weight.to(dtype))


def _attend(q: Tensor, k: Tensor, v: Tensor, within: Bounds = None) -> Tensor:
    """Causal grouped-query attention over [batch, seq, heads, size], within samples where ``within`` bounds them."""
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    if isinstance(within, BlockMask):
        return flex_attention(q, k, v, block_mask=within, enable_gqa=True).transpose(1, 2)
    if q.is_cuda and within is None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(1, 2)
    batch, heads, sequence, size = q.shape
    pairs = k.shape[1]
    groups = heads // pairs
    q = q.reshape(batch, pairs, groups, sequence, size)
    blocks = []
    for start in range(0, sequence, ATTENTION_BLOCK):
        end = min(start + ATTENTION_BLOCK, sequence)
        rows = end - start
        block = q[:, :, :, start:end].reshape(batch * pairs, groups * rows, size)
        seen = k[:, :, :end].reshape(batch * pairs, end, size)
        values = v[:, :, :end].reshape(batch * pairs, end, size)
        scores = torch.bmm(block, seen.transpose(1, 2)).view(batch * pairs, groups, rows, end)
        allowed = torch.arange(end, device=q.device)[None, :] <= torch.arange(start, end, device=q.device)[:, None]
        if within is not None:
            same = within[:, start:end, None] == within[:, None, :end]
            allowed = (allowed & same)[:, None].expand(batch, pairs, rows, end).reshape(batch * pairs, 1, rows, end)
        scores = torch.where(allowed, scores.float() * size**-0.5, float("-inf"))
        weights = scores.softmax(dim=-1).to(q.dtype).view(batch * pairs, groups * rows, end)
        blocks.append(torch.bmm(weights, values).view(batch, heads, rows, size))
    return torch.cat(blocks, dim=2).transpose(1, 2)
