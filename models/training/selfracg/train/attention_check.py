"""Whether a device computes the training step as the plain, uncompiled way does."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from selfracg.data.sample_boundaries import sample_numbers
from selfracg.data.special_tokens import PAD, PATH
from selfracg.model import forward


def attention_failure(
    model: PreTrainedModel, context: int, micro_rows: int, isolate: bool, hidden: Any, gradient: Any
) -> str | None:
    """What is wrong with a way to compute the step; None where its loss and gradients are the plain way's.

    Compared over one row of several samples, as often as a pass has rows. For this the output projections, which
    start at zero, are filled for a moment: without them no attention would be seen.
    """
    device = model.lm_head.weight.device
    generator = torch.Generator().manual_seed(0)
    row = torch.randint(7, model.config.vocab_size, (1, context), generator=generator)
    row[:, context // 5 :: context // 3] = PATH
    row = row.to(device)
    rows = row.expand(micro_rows, -1).contiguous()
    named = dict(model.named_parameters())
    kept = {
        name: p.detach().clone() for name, p in named.items() if name.endswith(("o_proj.weight", "down_proj.weight"))
    }
    read = [p for name, p in named.items() if name.endswith(("k_proj.weight", "v_proj.weight"))]
    results = []
    try:
        with torch.no_grad():
            for name, weights in kept.items():
                noise = torch.randn(weights.shape, generator=generator).to(device)
                named[name].add_(noise * weights.shape[1] ** -0.5)
        for ids, way, loss_way, dense in (
            (rows, hidden, gradient, False),
            (row, forward.hidden_states, None, True),
        ):
            within = sample_numbers(ids) if isolate else None
            loss, _, _ = forward.next_token_losses(model, ids, PAD, torch.bfloat16, way, loss_way, within, dense)
            loss.backward()
            results.append((loss.item(), torch.cat([p.grad.flatten() for p in read if p.grad is not None])))
            model.zero_grad(set_to_none=True)
    except Exception as error:
        # Whatever a compiler raises on a device that it has not been tried on.
        return f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        model.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, weights in kept.items():
                named[name].copy_(weights)
    (one, by_one), (other, by_other) = results
    similarity = torch.nn.functional.cosine_similarity(by_one, by_other, dim=0).item()
    if abs(one - other) < 0.02 * other and similarity > 0.98:
        return None
    return f"loss {one:.4f} instead of {other:.4f}, cosine of the gradients {similarity:.4f}"
