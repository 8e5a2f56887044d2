"""Command `vanilla`: the baseline with one LoRA for generation and retrieval, trained with InfoNCE on the last hidden state.

Low-rank updates of q, k and v in every layer (LoRA, Hu et al., 2021, through peft) change the backbone itself: the
expression is the final normed state of a row's last token, and generation changes with whatever retrieval learns. The
layer-wise adapter beside the backbone avoids that. This one is trained on the same pairs for comparison and is never shipped.

Reads  pairs/ (drawn by `ing`), backbone/.
Writes stages/vanilla/: the backbone with the LoRA merged into it, and heldout.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedModel

from selfracg.data import pairs
from selfracg.model import backbone, expressions
from selfracg.train import contrast, parallel
from selfracg.train.trainer import progress, rate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vanilla`."""
    parser.add_argument("--minutes", type=float, default=4.0, help="end by the clock")
    parser.add_argument("--steps", type=int, default=None, help="end after this many steps")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--alpha", type=float, default=32.0)
    parser.add_argument("--batch", type=int, default=64, help="pairs a step")
    parser.add_argument("--group", type=int, default=32, help="pairs of one repository that share a batch")
    parser.add_argument("--micro", type=int, default=16, help="rows whose activations are in memory at a time")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--temperature", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Trains to the end of the budget. Returns 0."""
    if args.smoke:
        args.steps, args.batch, args.group, args.micro = min(args.steps or 3, 3), 8, 4, 4
    work, device = Path(args.work), parallel.choose_device(args.device)
    drawn, held = pairs.stored(work)
    if len(drawn) < args.batch:
        raise ValueError(f"expected at least {args.batch} pairs, found {len(drawn)}: lower --batch")
    torch.manual_seed(args.seed)
    config = LoraConfig(r=args.rank, lora_alpha=args.alpha, target_modules=["q_proj", "k_proj", "v_proj"])
    bare = backbone.placed(backbone.load(work / "backbone"), device)
    model = get_peft_model(bare, config)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01)
    # peft replaced the projections in place.
    decoder = bare.model
    stream = itertools.chain.from_iterable(
        contrast.batches(drawn, args.batch, args.group, args.seed + epoch) for epoch in itertools.count()
    )
    started = logged = time.monotonic()
    step = 0
    while (done := progress(step, time.monotonic() - started, args.steps, args.minutes * 60)) < 1.0:
        loss = _accumulate(decoder, next(stream), args, device)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = args.lr * rate(step, done, 10, 0.7)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        if time.monotonic() - logged > 15:
            logged = time.monotonic()
            print(f"vanilla: step {step}, loss {loss:.3f}, {logged - started:.0f} s, {done:.0%}", flush=True)
    found = _heldout(decoder, held, args, device)
    folder = work / "stages" / "vanilla"
    model.merge_and_unload()
    backbone.save(bare, folder, backbone.tokenizer_file(work / "backbone", work))
    (folder / "heldout.json").write_text(json.dumps({"steps": step, **found}) + "\n", encoding="utf-8")
    print(f"vanilla: {step} steps of {args.batch} pairs, held-out batch: {found}")
    return 0


def _accumulate(
    decoder: PreTrainedModel, batch: list[pairs.Pair], args: argparse.Namespace, device: torch.device
) -> float:
    """Adds up one batch's gradients; returns its loss. The batch's expressions are computed first, then again in parts
    with their gradients (GradCache, Gao et al., 2021)."""
    rows = [pair.query for pair in batch] + [pair.fragment for pair in batch]
    values = expressions.final_states(decoder, rows, args.micro, device)
    values.requires_grad_(True)
    loss, _ = contrast.in_batch(values[: len(batch)], values[len(batch) :], batch, args.temperature)
    (gradient,) = torch.autograd.grad(loss, values)
    for places in expressions.passes(rows, args.micro):
        (expressions.final_state(decoder, [rows[i] for i in places], device) * gradient[places]).sum().backward()
    return float(loss.item())


def _heldout(
    decoder: PreTrainedModel, held: list[pairs.Pair], args: argparse.Namespace, device: torch.device
) -> dict[str, float]:
    """Loss and Recall@1 within one fixed batch of held-out pairs."""
    size = min(128, len(held))
    if size < 2:
        return {}
    batch = next(contrast.batches(held, size, args.group, 0))
    queries = expressions.final_states(decoder, [pair.query for pair in batch], args.micro, device)
    fragments = expressions.final_states(decoder, [pair.fragment for pair in batch], args.micro, device)
    loss, recall = contrast.in_batch(queries, fragments, batch, args.temperature)
    return {"loss": round(loss.item(), 4), "recall_at_1": round(recall, 4)}


if __name__ == "__main__":
    from experiments import vanilla
    from selfracg.command import main

    main(vanilla)
