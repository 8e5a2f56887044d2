"""Reads expressions of token rows with any number of adapters over one frozen pass of the backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from selfracg.data import pairs
from selfracg.data.special_tokens import PAD
from selfracg.model import forward, llora, low_rank


def pad(rows: Sequence[Sequence[int]], device: torch.device, min_length: int = 0) -> tuple[Tensor, Tensor]:
    """Right-padded ids [count, longest row or ``min_length``] and lengths [count]."""
    length = max(min_length, *(len(row) for row in rows))
    ids = torch.full((len(rows), length), PAD, dtype=torch.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    return ids.to(device), torch.tensor([len(row) for row in rows], device=device)


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
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        parts: list[list[Tensor]] = [[] for _ in modules]
        for start in range(0, len(order), self.micro):
            chosen = [rows[place] for place in order[start : start + self.micro]]
            count = len(chosen)
            length = 0
            if self.compiled:
                length = next(size for size in self.shapes[adapter] if size >= len(chosen[-1]))
                chosen += [[PAD]] * (self.micro - count)
            ids, lengths = pad(chosen, self.device, length)
            with torch.no_grad():
                found = self.collect(self.model, ids, torch.bfloat16)
            inputs = [low_rank.LayerInputs(*(part[:count] for part in layer)) for layer in found]
            for part, module in zip(parts, modules, strict=True):
                part.append(module.read(inputs, lengths[:count], adapter))
        back = torch.empty(len(order), dtype=torch.int64)
        back[torch.tensor(order)] = torch.arange(len(order))
        return [torch.cat(part)[back.to(self.device)] for part in parts]
