"""Pretrains the backbone on packed shards: Muon and AdamW, a schedule by tokens or by the clock, resumable.

One single-threaded process a core on the CPU; their gradients are added up once a step (parallel.py). On a GPU weights
and optimisers stay in float32 and the products are computed in bfloat16; nothing waits for the GPU between two log lines.

Reads  shards/{train,heldout}.npy (uint16 [rows, context]), shards/*-language.npy, shards/languages.json,
       tokenizer/tokenizer.json.
Writes backbone/ (Hugging Face format, from the first checkpoint on), checkpoints/pretrain.pt, pretrain.jsonl.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from selfracg.data.prompt_layout import token_count
from selfracg.data.rows import Batch, Feed, Shards
from selfracg.data.sample_boundaries import sample_numbers
from selfracg.data.special_tokens import PAD
from selfracg.model import backbone, forward
from selfracg.train import parallel
from selfracg.train.loss_sums import add_by_language, summary
from selfracg.train.trainer import Trainer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `pretrain`; sizes default to the default model."""
    parser.add_argument("--minutes", type=float, default=None, help="end by the clock, resumed time counted in")
    parser.add_argument(
        "--tokens", type=float, default=None, help="end after this many tokens; without --minutes: two passes"
    )
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--query-heads", type=int, default=4)
    parser.add_argument("--key-value-heads", type=int, default=2)
    parser.add_argument("--intermediate", type=int, default=704)
    parser.add_argument("--rows", type=int, default=8, help="rows a step")
    parser.add_argument(
        "--processes", type=int, default=0, help="data-parallel processes (0: one a core, one on a GPU)"
    )
    parser.add_argument("--micro-rows", type=int, default=4, help="rows a forward pass")
    parser.add_argument("--muon-lr", type=float, default=0.02)
    parser.add_argument("--adam-lr", type=float, default=0.002)
    parser.add_argument("--weight-decay", type=float, default=0.05, help="of the hidden matrices, decoupled")
    parser.add_argument("--warmup-steps", type=int, default=60)
    parser.add_argument(
        "--decay", type=float, default=0.35, help="last share of the run, over which rates fall to zero"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="--no-compile for a device that torch.compile fails on; slower",
    )
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0)
    parser.add_argument("--evaluate-minutes", type=float, default=10.0)
    parser.add_argument("--log-seconds", type=float, default=20.0)
    parser.add_argument("--heldout-rows", type=int, default=32, help="rows of the small fixed held-out set")
    parser.add_argument("--final-rows", type=int, default=256, help="rows of the held-out set measured at the end")


def run(args: argparse.Namespace) -> int:
    """Trains to the end (0), or saves its state at SIGTERM (143). Returns the exit status."""
    if args.smoke:
        args.hidden, args.layers, args.query_heads, args.key_value_heads, args.intermediate = 128, 2, 2, 1, 256
        args.tokens = min(args.tokens or 300_000, 300_000)
        args.minutes = min(args.minutes or 1.0, 1.0)
        args.heldout_rows, args.final_rows, args.compile = 4, 8, False
    world = parallel.process_count(args.processes, parallel.choose_device(args.device), args.rows)
    return parallel.launch(work, args, world)


def work(args: argparse.Namespace, rank: int, world: int) -> int:
    """One process's share of the training."""
    return Pretraining(args, rank, world).train()


class Pretraining(Trainer):
    """Trains the backbone: model, optimisers, position in the data."""

    def __init__(self, args: argparse.Namespace, rank: int = 0, world: int = 1) -> None:
        super().__init__(args, rank, world, "pretrain", "pretrain.jsonl")
        self.dtype = torch.bfloat16
        self.train_shards = Shards.load(self.work / "shards", "train")
        self.heldout = Shards.load(self.work / "shards", "heldout")
        self.tokenizer = self.work / "tokenizer" / "tokenizer.json"
        self.context = int(self.train_shards.rows.shape[1])
        self.feed = Feed(self.train_shards, args.seed, self.device, rank, world)
        # Keeps the samples of a row from seeing one another; flex attention does that at no cost.
        self.isolate = self.device.type == "cuda"
        if args.minutes is None and args.tokens is None:
            args.tokens = 2.0 * self.train_shards.rows.size
        config = backbone.default_config(
            vocabulary_size=token_count(self.tokenizer.read_text(encoding="utf-8")),
            hidden_size=args.hidden,
            layers=args.layers,
            query_heads=args.query_heads,
            key_value_heads=args.key_value_heads,
            intermediate_size=args.intermediate,
            context_length=self.context,
            pad=PAD,
        )
        self.model: PreTrainedModel = backbone.placed(backbone.create(config, args.seed), self.device)
        matrices, others = split_parameters(self.model)
        self.muon = torch.optim.Muon(matrices, lr=args.muon_lr, weight_decay=args.weight_decay)
        self.adam = torch.optim.AdamW(others, lr=args.adam_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
        self.tokens = 0
        self.resume()
        self.hidden = torch.compile(forward.hidden_states, dynamic=False) if args.compile else forward.hidden_states
        gradient = forward.cross_entropy_and_gradient
        self.gradient = torch.compile(gradient, dynamic=False) if args.compile else gradient
        self.sums = self.no_sums()
        self.logged_tokens, self.evaluated = self.tokens, self.elapsed

    def units(self) -> float:
        return self.tokens

    def unit_budget(self) -> float | None:
        return self.args.tokens

    def parameters(self) -> list[torch.nn.Parameter]:
        return list(self.model.parameters())

    def losses(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean loss of ids [rows, context], and losses and validity of each position."""
        within = sample_numbers(ids) if self.isolate else None
        return forward.next_token_losses(self.model, ids, PAD, self.dtype, self.hidden, self.gradient, within)

    def prepare(self) -> None:
        self.log(
            event="start",
            step=self.step,
            tokens=self.tokens,
            parameters=backbone.parameter_count(self.model),
            rows=len(self.train_shards.rows),
            device=torch.cuda.get_device_name(self.device) if self.isolate else str(self.device),
            processes=self.world,
            options=vars(self.args),
        )
        if self.step == 0:
            self.evaluate("untrained", self.args.heldout_rows)
        # Setting up does not count.
        self.began = time.monotonic()

    def train_step(self, factor: float) -> None:
        self.sums += self.optimise(self.feed.next(self.args.rows), factor)

    def optimise(self, batch: Batch, factor: float) -> Tensor:
        """One step over ``batch`` at ``factor`` of the peak rates. Returns the losses' sums by language."""
        micro, rows = self.args.micro_rows, self.args.rows
        sums = self.no_sums()
        for start in range(0, len(batch.ids), micro):
            part = slice(start, start + micro)
            loss, losses, valid = self.losses(batch.ids[part])
            (loss * (len(losses) / rows)).backward()
            add_by_language(sums, batch.languages[part], losses, valid)
        self.tokens += rows * (self.context - 1)
        (sums,) = self.reduce_gradients(sums)
        if self.device.type == "cpu":
            # On a GPU reading the sums would make it wait, so that is left to the next log line.
            self.check_finite(sums)
        self.apply(self.muon, self.args.muon_lr * factor)
        self.apply(self.adam, self.args.adam_lr * factor)
        self.step += 1
        return sums

    def no_sums(self) -> Tensor:
        """Summed loss and count of targets by language [languages, 2], empty."""
        return torch.zeros(len(self.train_shards.names), 2, device=self.device)

    def check_finite(self, sums: Tensor) -> None:
        if not torch.isfinite(sums).all():
            raise RuntimeError(
                f"expected a finite loss, found {sums[:, 0].sum().item()} up to step {self.step}: "
                "lower --muon-lr or --adam-lr and resume from the last checkpoint"
            )

    def check(self) -> None:
        self.check_finite(self.sums)

    def evaluate_between(self, saved: bool) -> None:
        if self.elapsed - self.evaluated >= self.args.evaluate_minutes * 60:
            self.evaluate("heldout", self.args.heldout_rows)
            self.evaluated = self.elapsed

    def finish(self) -> None:
        self.evaluate("heldout", self.args.heldout_rows)
        self.evaluate("final", self.args.final_rows)

    def evaluate(self, event: str, count: int) -> dict[str, Any]:
        """Held-out loss, by language and overall (each language weighs by its tokens)."""
        sums = self.no_sums()
        micro = self.args.micro_rows
        # Whole passes only: another shape would have to be compiled.
        rows = self.heldout.spread(max(micro, count))
        rows = rows[: max(micro, len(rows) // micro * micro)]
        for start in range(self.rank * micro, len(rows), self.world * micro):
            part = rows[start : start + micro]
            _, losses, valid = self.losses(self.heldout.load_ids(part, self.device))
            languages = torch.from_numpy(self.heldout.languages[part].astype("int64")).to(self.device)
            add_by_language(sums, languages, losses, valid)
        (sums,) = parallel.add_up([sums])
        report = {"step": self.step, "tokens": self.tokens, "rows": len(rows), **summary(sums, self.heldout.names)}
        self.log(event=event, **report)
        return report

    def log_progress(self, seconds: float, factor: float, done: float) -> None:
        self.check()
        self.log(
            event="train",
            step=self.step,
            tokens=self.tokens,
            elapsed=round(self.elapsed, 1),
            progress=round(done, 4),
            epoch=self.feed.done.epoch,
            rate=round(factor, 4),
            tokens_per_second=round((self.tokens - self.logged_tokens) / seconds),
            **summary(self.sums, self.train_shards.names),
        )
        self.logged_tokens, self.sums = self.tokens, self.no_sums()

    def state(self) -> dict[str, Any]:
        return {
            "config": self.model.config.to_dict(),
            "model": self.model.state_dict(),
            "muon": self.muon.state_dict(),
            "adam": self.adam.state_dict(),
            "tokens": self.tokens,
            **self.feed.state(),
        }

    def save(self) -> None:
        """Writes the checkpoint and a copy that transformers loads."""
        super().save()
        if self.rank:
            return
        backbone.save(self.model, self.work / "backbone", self.tokenizer)
        record = {"tokens": self.tokens, "seconds": round(self.elapsed, 1)}
        (self.work / "backbone" / "training.json").write_text(json.dumps(record) + "\n", encoding="utf-8")

    def load_state(self, saved: dict[str, Any]) -> bool:
        for name in ("hidden_size", "num_hidden_layers", "vocab_size", "intermediate_size", "num_attention_heads"):
            found, expected = saved["config"][name], getattr(self.model.config, name)
            if found != expected:
                raise ValueError(
                    f"expected a checkpoint with {name} {expected}, found {found} in {self.checkpoint_path}: "
                    "remove it to start anew or pass the sizes it was started with"
                )
        self.model.load_state_dict(saved["model"])
        self.muon.load_state_dict(saved["muon"])
        self.adam.load_state_dict(saved["adam"])
        self.tokens = saved["tokens"]
        self.feed.restore(saved)
        return True


def split_parameters(model: PreTrainedModel) -> tuple[list[Tensor], list[Tensor]]:
    """Hidden matrices for Muon; embeddings, norms and biases for AdamW."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in model.named_parameters():
        hidden = parameter.ndim == 2 and "embed_tokens" not in name and "lm_head" not in name
        (matrices if hidden else others).append(parameter)
    return matrices, others
