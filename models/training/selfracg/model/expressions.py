"""Reads expressions of token rows: with any number of adapters over one frozen pass, or off a decoder's final states."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from selfracg.data import pairs
from selfracg.data.special_tokens import PAD
from selfracg.model import forward, llora, low_rank


def pad(
    rows: Sequence[Sequence[int]], device: torch.device, min_length: int = 0, left: bool = False
) -> tuple[Tensor, Tensor]:
    """Ids [count, longest row or ``min_length``], padded on the right or the ``left``, and lengths [count]."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    side = "left" if left else "right"
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], True, PAD, side)
    return F.pad(ids, (0, max(0, min_length - ids.shape[1])), value=PAD).to(device), lengths


def passes(rows: Sequence[Sequence[int]], micro: int) -> list[list[int]]:
    """Places of the rows in passes of ``micro`` rows of like length."""
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    return [order[start : start + micro] for start in range(0, len(order), micro)]


def in_order(places: Sequence[Sequence[int]], found: Sequence[Tensor]) -> Tensor:
    """What was computed pass by pass, in the rows' order."""
    back = torch.tensor(list(itertools.chain.from_iterable(places))).argsort()
    return torch.cat(list(found))[back.to(found[0].device)]


def final_state(decoder: nn.Module, rows: Sequence[Sequence[int]], device: torch.device, mean: bool = False) -> Tensor:
    """L2-normalised states [rows, hidden] of a decoder without its head: of each row's last token, or its tokens' ``mean``."""
    # Padding stands on the right, where no valid token of a causal model sees it.
    ids, lengths = pad(rows, device)
    with torch.autocast(device.type, torch.bfloat16):
        states = decoder(input_ids=ids, use_cache=False).last_hidden_state.float()
    places = torch.arange(ids.shape[1], device=device)[None]
    wanted = places < lengths[:, None] if mean else places == lengths[:, None] - 1
    return F.normalize((states * wanted[..., None]).sum(1), dim=-1)


@torch.no_grad()
def final_states(
    decoder: nn.Module, rows: Sequence[Sequence[int]], micro: int, device: torch.device, mean: bool = False
) -> Tensor:
    """As ``final_state``, of any number of rows, ``micro`` to a pass."""
    places = passes(rows, micro)
    return in_order(places, [final_state(decoder, [rows[i] for i in part], device, mean) for part in places])


class Reader:
    """Expresses rows of ids with adapters over one backbone, in passes of ``micro`` rows of like length.

    ``max_tokens``: the maximum of a query and of a fragment. Compiled, every pass has one of two shapes for queries and
    one for fragments, since another would have to be compiled.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        micro: int,
        device: torch.device,
        compiled: bool,
        max_tokens: tuple[int, int] = (pairs.QUERY_TOKENS + pairs.IMPORT_TOKENS, pairs.FRAGMENT_TOKENS),
    ) -> None:
        self.model, self.micro, self.device, self.compiled = model, micro, device, compiled
        self.shapes = ((max_tokens[0] * 2 // 3, max_tokens[0]), (max_tokens[1],))
        self.collect = torch.compile(forward.layer_inputs, dynamic=False) if compiled else forward.layer_inputs

    def express(self, modules: Sequence[llora.LLoRA], rows: Sequence[Sequence[int]], adapter: int) -> list[Tensor]:
        """For each module the expressions [count, dimension], in the rows' order; differentiable in the adapters."""
        places = passes(rows, self.micro)
        parts: list[list[Tensor]] = [[] for _ in modules]
        for part in places:
            chosen = [rows[place] for place in part]
            length = 0
            if self.compiled:
                length = next(size for size in self.shapes[adapter] if size >= len(chosen[-1]))
                chosen += [[PAD]] * (self.micro - len(part))
            ids, lengths = pad(chosen, self.device, length)
            with torch.no_grad():
                found = self.collect(self.model, ids, torch.bfloat16)
            inputs = [low_rank.LayerInputs(*(each[: len(part)] for each in layer)) for layer in found]
            for own, module in zip(parts, modules, strict=True):
                own.append(module.read(inputs, lengths[: len(part)], adapter))
        return [in_order(places, own) for own in parts]


@torch.no_grad()
def greedy(model: Any, prompts: Sequence[Sequence[int]], ends: Sequence[int], max_tokens: int) -> list[list[int]]:
    """The tokens that follow each prompt, each the most likely one: at most ``max_tokens``, none of ``ends`` nor behind one."""
    device = model.lm_head.weight.device
    ids, lengths = pad(prompts, device, left=True)
    mask = torch.arange(ids.shape[1], device=device)[None] >= ids.shape[1] - lengths[:, None]
    # Processors compute a small batch's single steps no faster in bfloat16.
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        found = model.generate(
            ids,
            attention_mask=mask.long(),
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=list(ends),
            pad_token_id=PAD,
        )
    written = found[:, ids.shape[1] :].tolist()
    return [list(itertools.takewhile(lambda token: token not in ends, row)) for row in written]
