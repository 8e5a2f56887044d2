"""Command `vanilla`: the baseline with one LoRA for generation and retrieval, trained with InfoNCE on the last hidden state.

Low-rank updates of q, k and v in every layer (LoRA, Hu et al., 2021) change the backbone itself: the expression is the
final normed state of a row's last token, and whatever retrieval learns is felt by generation too. That leak is what a
layer-wise adapter beside the backbone avoids, so this one is trained on the same pairs and measured, never shipped.

Reads  pairs/ (drawn by `ing`), backbone/.
Writes stages/vanilla/ (adapter.safetensors, adapter_config.json), checkpoints/vanilla.pt, ing.jsonl (stage "vanilla").
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from . import backbone, contrast, forward, llora, pairs, parallel, reader
from .pretrain import progress, rate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vanilla`."""
    parser.add_argument("--minutes", type=float, default=4.0, help="end by the clock, resumed time counted in")
    parser.add_argument("--steps", type=int, default=None, help="end after this many steps")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--alpha", type=float, default=32.0)
    parser.add_argument("--batch", type=int, default=64, help="pairs a step")
    parser.add_argument("--group", type=int, default=32, help="pairs of one repository that share a batch")
    parser.add_argument("--micro", type=int, default=16, help="rows whose activations are kept at a time")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--temperature", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=0)


class LowRankLinear(nn.Module):
    """A frozen linear layer with a low-rank update; `weight` is their sum, so that every forward pass sees both."""

    def __init__(self, base: nn.Linear, rank: int, scale: float) -> None:
        super().__init__()
        self.base, self.scale = base, scale
        self.A = nn.Parameter(torch.empty(rank, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    @property
    def weight(self) -> Tensor:
        return self.base.weight + self.scale * (self.B @ self.A)

    @property
    def bias(self) -> Tensor | None:
        return self.base.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


def attach(model: PreTrainedModel, rank: int, alpha: float) -> dict[str, nn.Parameter]:
    """Puts updates on q, k and v of every layer of a model and freezes the rest. Returns the trainable parameters by name."""
    model.requires_grad_(False)
    out: dict[str, nn.Parameter] = {}
    for number, layer in enumerate(model.model.layers):
        for name in llora.PROJECTIONS:
            update = LowRankLinear(getattr(layer.self_attn, f"{name}_proj"), rank, alpha / rank)
            setattr(layer.self_attn, f"{name}_proj", update)
            out |= {f"layers.{number}.{name}.A": update.A, f"layers.{number}.{name}.B": update.B}
    return out


def express(states: Tensor, lengths: Tensor) -> Tensor:
    """L2-normalised final states [batch, hidden] of the last valid tokens, of states [batch, seq, hidden]."""
    return F.normalize(states[torch.arange(len(states), device=states.device), lengths - 1].float(), dim=-1)


def merged(directory: Path, adapter: Path) -> PreTrainedModel:
    """The backbone of a folder with a trained adapter merged into its weights, as generation would run it."""
    model = backbone.load(directory)
    config = llora.load_config(adapter)
    tensors = load_file(adapter / "adapter.safetensors")
    scale = config["alpha"] / config["rank"]
    with torch.no_grad():
        for number, layer in enumerate(model.model.layers):
            for name in llora.PROJECTIONS:
                update = tensors[f"layers.{number}.{name}.B"] @ tensors[f"layers.{number}.{name}.A"]
                getattr(layer.self_attn, f"{name}_proj").weight += scale * update
    return model.eval()


def run(args: argparse.Namespace) -> int:
    """Trains to the end of the budget. Returns 0."""
    if args.smoke:
        args.steps, args.batch, args.group, args.micro = min(args.steps or 3, 3), 8, 4, 4
    work, device = Path(args.work), parallel.choose_device(args.device)
    path = work / "checkpoints" / "vanilla.pt"
    source = work / "backbone"
    drawn, held = pairs.stored(work)
    model = backbone.placed(backbone.load(source), device)
    torch.manual_seed(args.seed)
    parameters = attach(model, args.rank, args.alpha)
    model = backbone.placed(model, device)
    optimiser = torch.optim.AdamW(parameters.values(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01)
    belongs = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest() + f"/{args.rank}/{args.seed}"
    step, elapsed = 0, 0.0
    if path.is_file():
        saved = torch.load(path, map_location=device, weights_only=True)
        if saved["belongs"] == belongs:
            with torch.no_grad():
                for name, parameter in parameters.items():
                    parameter.copy_(saved["parameters"][name])
            optimiser.load_state_dict(saved["optimiser"])
            step, elapsed = saved["step"], saved["elapsed"]
    limits = itertools.chain.from_iterable(
        contrast.batches(drawn, args.batch, args.group, args.seed + epoch) for epoch in itertools.count()
    )
    if len(drawn) < args.batch:
        raise ValueError(f"expected at least {args.batch} pairs, found {len(drawn)}: lower --batch")
    stream = itertools.islice(limits, step, None)
    last = logged = time.monotonic()
    shortest = time.monotonic() - elapsed
    while True:
        elapsed = time.monotonic() - shortest
        done = progress(step, elapsed, args.steps, args.minutes * 60)
        if done >= 1.0:
            break
        batch = next(stream)
        loss = _step(model, parameters, optimiser, batch, args, device, args.lr * rate(step, done, 10, 0.7))
        step += 1
        now = time.monotonic()
        if now - logged > 15:
            logged = now
            print(f"vanilla: step {step}, loss {loss:.3f}, {elapsed:.0f} s, {done:.0%}", flush=True)
        if now - last > 60:
            last = now
            _save(path, parameters, optimiser, step, elapsed, belongs)
    _save(path, parameters, optimiser, step, elapsed, belongs)
    found = _heldout(model, held, args, device)
    _write(
        work / "stages" / "vanilla",
        parameters,
        {
            "kind": "vanilla",
            "rank": args.rank,
            "alpha": args.alpha,
            "steps": step,
            "batch": args.batch,
            "temperature": args.temperature,
            "backbone": belongs.split("/")[0],
            **_limits(),
            "heldOut": found,
        },
    )
    with (work / "ing.jsonl").open("a", encoding="utf-8") as log:
        log.write(
            json.dumps(
                {
                    "time": time.strftime("%Y-%m-%dT%H:%M:%S"),
                    "stage": "vanilla",
                    "event": "final",
                    "step": step,
                    "elapsed": round(elapsed, 1),
                    **found,
                }
            )
            + "\n"
        )
    print(f"vanilla: {step} steps of {args.batch} pairs in {elapsed:.0f} s, held-out batch: {found}")
    return 0


def _limits() -> dict[str, int]:
    """Sizes of the rows, those of the pairs that it was trained on."""
    return {
        "queryTokens": pairs.QUERY_TOKENS,
        "importTokens": getattr(pairs, "IMPORT_TOKENS", 0),
        "fragmentTokens": pairs.FRAGMENT_TOKENS,
    }


def _step(
    model: PreTrainedModel,
    parameters: dict[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    batch: list[pairs.Pair],
    args: argparse.Namespace,
    device: torch.device,
    learning_rate: float,
) -> float:
    """One step. The batch's expressions are computed first, then again in parts with their gradients (GradCache, Gao et al., 2021)."""
    rows = [pair.query for pair in batch] + [pair.fragment for pair in batch]
    with torch.no_grad():
        values = _express(model, rows, args.micro, device)
    values.requires_grad_(True)
    loss, _ = contrast.in_batch(values[: len(batch)], values[len(batch) :], batch, args.temperature)
    loss.backward()
    gradient = values.grad
    assert gradient is not None
    for chosen in _parts(rows, args.micro):
        (_embed(model, [rows[i] for i in chosen], device) * gradient[chosen]).sum().backward()
    torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return float(loss.item())


def _parts(rows: Sequence[Sequence[int]], micro: int) -> list[list[int]]:
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    return [order[start : start + micro] for start in range(0, len(order), micro)]


def _embed(model: PreTrainedModel, rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    ids, lengths = reader.pad(rows, device)
    return express(forward.hidden_states(model, ids, torch.bfloat16), lengths)


def _express(model: PreTrainedModel, rows: Sequence[Sequence[int]], micro: int, device: torch.device) -> Tensor:
    """Expressions [rows, hidden] in the rows' order."""
    out: Tensor | None = None
    for chosen in _parts(rows, micro):
        found = _embed(model, [rows[i] for i in chosen], device)
        if out is None:
            out = torch.zeros(len(rows), found.shape[1], device=device)
        out[chosen] = found
    if out is None:
        raise ValueError("expected at least one row, found none")
    return out


@torch.no_grad()
def _heldout(
    model: PreTrainedModel, held: list[pairs.Pair], args: argparse.Namespace, device: torch.device
) -> dict[str, float]:
    """Loss and Recall@1 within one fixed batch of held-out pairs."""
    size = min(128, len(held))
    if size < 2:
        return {}
    batch = next(contrast.batches(held, size, args.group, 0))
    queries = _express(model, [pair.query for pair in batch], args.micro, device)
    fragments = _express(model, [pair.fragment for pair in batch], args.micro, device)
    loss, recall = contrast.in_batch(queries, fragments, batch, args.temperature)
    return {"loss": round(loss.item(), 4), "recall_at_1": round(recall, 4)}


def _save(
    path: Path,
    parameters: dict[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    step: int,
    elapsed: float,
    belongs: str,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    torch.save(
        {
            "parameters": {name: parameter.detach() for name, parameter in parameters.items()},
            "optimiser": optimiser.state_dict(),
            "step": step,
            "elapsed": elapsed,
            "belongs": belongs,
        },
        scratch,
    )
    os.replace(scratch, path)


def _write(folder: Path, parameters: dict[str, nn.Parameter], config: dict[str, Any]) -> None:
    """adapter.safetensors, then adapter_config.json, each replacing its older self in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / "adapter.safetensors.tmp"
    save_file({name: parameter.detach().cpu().contiguous() for name, parameter in parameters.items()}, scratch)
    os.replace(scratch, folder / "adapter.safetensors")
    scratch = folder / "adapter_config.json.tmp"
    scratch.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    os.replace(scratch, folder / "adapter_config.json")
