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
import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from selfracg.data.pack import PAD, PATH
from selfracg.data.rows import Batch, Feed, Shards
from selfracg.data.sample_boundaries import documents
from selfracg.model import backbone, forward
from selfracg.train import parallel

INTERRUPTED = 143
# EX_TEMPFAIL of sysexits.h: the time of this call is over; start the same command again.
TO_BE_CONTINUED = 75
# Dense bfloat16 rates of data sheets, in FLOPs a second, by a part of the device's name.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}


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
        "--init", type=Path, default=None, help="begin with the weights in this folder (another run's backbone)"
    )
    parser.add_argument(
        "--isolate",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="keep the samples of a row from seeing each other (default: on a GPU)",
    )
    parser.add_argument(
        "--stop-after-minutes",
        type=float,
        default=None,
        help=f"save and end this call after so long, with status {TO_BE_CONTINUED} where there is more to do",
    )
    parser.add_argument(
        "--peak-tflops",
        type=float,
        default=None,
        help="rate that utilisation is a share of (default: by the GPU's name)",
    )
    parser.add_argument("--compile", choices=("auto", "on", "off"), default="auto")
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0)
    parser.add_argument("--evaluate-minutes", type=float, default=10.0)
    parser.add_argument("--log-seconds", type=float, default=20.0)
    parser.add_argument("--heldout-rows", type=int, default=32, help="rows of the small fixed held-out set")
    parser.add_argument("--final-rows", type=int, default=256, help="rows of the held-out set measured at the end")


def run(args: argparse.Namespace) -> int:
    """Trains to the end (0), or saves its state at SIGTERM (143) or the end of the call's time (75). Returns the exit status."""
    if args.smoke:
        args.hidden, args.layers, args.query_heads, args.key_value_heads, args.intermediate = 128, 2, 2, 1, 256
        args.tokens = min(args.tokens or 300_000, 300_000)
        args.minutes = min(args.minutes or 1.0, 1.0)
        args.heldout_rows, args.final_rows, args.compile = 4, 8, "off"
    world = parallel.process_count(args.processes, parallel.choose_device(args.device), args.rows)
    return parallel.launch(work, args, world)


def work(args: argparse.Namespace, rank: int, world: int) -> int:
    """One process's share of the training."""
    return Trainer(args, rank, world).train()


def progress(tokens: int, elapsed: float, token_budget: float | None, second_budget: float | None) -> float:
    """Share of the run that is done, 0..1: whichever budget is nearer its end rules."""
    shares = [0.0]
    if token_budget:
        shares.append(tokens / token_budget)
    if second_budget:
        shares.append(elapsed / second_budget)
    return min(1.0, max(shares))


def rate(step: int, done: float, warmup: int, decay: float) -> float:
    """Warm-up, then stable, then linear decay to zero over the last ``decay`` of the run: a multiple of the peak rate."""
    rising = min(1.0, (step + 1) / max(1, warmup))
    falling = min(1.0, (1.0 - done) / decay) if decay > 0 else 1.0
    return rising * max(0.0, falling)


class Trainer:
    """One run: model, optimisers, position in the data, clock. ``rank`` 0 decides, logs and saves; all ranks compute."""

    def __init__(self, args: argparse.Namespace, rank: int = 0, world: int = 1) -> None:
        self.began = time.monotonic()
        self.args = args
        self.rank = rank
        self.world = world
        self.work = Path(args.work)
        self.device = parallel.choose_device(args.device)
        self.dtype = torch.bfloat16
        self.train_shards = Shards.load(self.work / "shards", "train")
        self.heldout = Shards.load(self.work / "shards", "heldout")
        self.tokenizer = self.work / "tokenizer" / "tokenizer.json"
        self.checkpoint_path = self.work / "checkpoints" / "pretrain.pt"
        self.log_path = self.work / "pretrain.jsonl"
        self.context = int(self.train_shards.rows.shape[1])
        self.feed = Feed(self.train_shards, args.seed, self.device, rank, world)
        self.isolate = self.device.type == "cuda" if args.isolate is None else bool(args.isolate)
        if args.minutes is None and args.tokens is None:
            args.tokens = 2.0 * self.train_shards.rows.size
        vocabulary = json.loads(self.tokenizer.read_text(encoding="utf-8"))
        size = max(len(vocabulary["model"]["vocab"]), 1 + max(t["id"] for t in vocabulary["added_tokens"]))
        config = backbone.default_config(
            vocabulary_size=size,
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
        self.step = 0
        self.tokens = 0
        self.elapsed = 0.0
        self.finished = False
        self.stop = False
        # Tokens that the weights of --init were trained on before this run.
        self.tokens_before = 0
        if args.init is not None:
            self.begin_with(args.init)
        self.resume()
        # The forward pass once, the backward pass twice that.
        self.flops = 3 * backbone.flops_per_token(config, self.context)
        self.peak = peak_flops(self.device, args.peak_tflops)
        compiled = args.compile == "on" or args.compile == "auto"
        self.hidden = torch.compile(forward.hidden_states, dynamic=False) if compiled else forward.hidden_states
        gradient = forward.cross_entropy_and_gradient
        self.gradient = torch.compile(gradient, dynamic=False) if compiled else gradient

    def begin_with(self, folder: Path) -> None:
        """Takes over the weights of a backbone of the same sizes; rates, clock and data start anew."""
        weights = backbone.load(folder).state_dict()
        shapes = {name: tuple(tensor.shape) for name, tensor in self.model.state_dict().items()}
        different = [name for name, tensor in weights.items() if shapes.get(name) != tuple(tensor.shape)]
        if different or len(weights) != len(shapes):
            name = different[0] if different else "a tensor"
            raise ValueError(
                f"expected weights of this run's sizes in {folder}, found another shape of {name}: pass its sizes"
            )
        self.model.load_state_dict(weights)
        record = folder / "training.json"
        if record.is_file():
            self.tokens_before = int(json.loads(record.read_text(encoding="utf-8"))["tokens"])

    def losses(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean loss of ids [rows, context], and losses and validity of each position."""
        within = documents(ids) if self.isolate else None
        return forward.next_token_losses(self.model, ids, PAD, self.dtype, self.hidden, self.gradient, within)

    def train(self) -> int:
        """Runs to the end of the budget (0), until a signal asks it to stop (143) or until the call's time is over (75)."""
        if self.finished:
            if self.rank == 0:
                print(
                    f"pretrain: already finished at {self.tokens:,} tokens; remove {self.checkpoint_path} to start anew"
                )
            return 0
        if self.rank:
            return self.loop()
        previous = {number: signal.signal(number, self.request_stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self.loop()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def request_stop(self, _number: int, _frame: Any) -> None:
        self.stop = True

    def loop(self) -> int:
        args = self.args
        self.log(
            event="start",
            step=self.step,
            tokens=self.tokens,
            parameters=backbone.parameter_count(self.model),
            rows=len(self.train_shards.rows),
            device=device_name(self.device),
            processes=self.world,
            isolate=self.isolate,
            flops_per_token=self.flops,
            options=vars(args),
        )
        if self.device.type == "cuda":
            self.settle_attention()
        if self.step == 0:
            self.evaluate("untrained", args.heldout_rows)
        last = time.monotonic()
        logged, checkpointed, evaluated = self.elapsed, self.elapsed, self.elapsed
        logged_tokens = self.tokens
        sums = self.no_sums()
        while True:
            now = time.monotonic()
            self.elapsed += now - last
            last = now
            over = args.stop_after_minutes is not None and now - self.began >= args.stop_after_minutes * 60
            # One clock for all: the first process's.
            self.elapsed, stop, over = parallel.decide(self.elapsed, float(self.stop), float(over))
            done = progress(self.tokens, self.elapsed, args.tokens, args.minutes * 60 if args.minutes else None)
            if stop or over or done >= 1.0:
                break
            factor = rate(self.step, done, args.warmup_steps, args.decay)
            sums += self.optimise(self.feed.next(args.rows), factor)
            if self.elapsed - logged >= args.log_seconds:
                speed = (self.tokens - logged_tokens) / (self.elapsed - logged)
                self.log_progress(sums, factor, speed, done)
                logged, logged_tokens, sums = self.elapsed, self.tokens, self.no_sums()
            if self.elapsed - checkpointed >= args.checkpoint_minutes * 60:
                self.check_finite(sums)
                self.save()
                checkpointed = self.elapsed
            if self.elapsed - evaluated >= args.evaluate_minutes * 60:
                self.evaluate("heldout", args.heldout_rows)
                evaluated = self.elapsed
        # The weights are safe before the last measurement, which takes a while.
        self.check_finite(sums)
        self.save()
        if stop or (over and done < 1.0):
            self.log(event="interrupted", step=self.step, tokens=self.tokens, elapsed=round(self.elapsed, 1))
            return INTERRUPTED if stop else TO_BE_CONTINUED
        self.evaluate("heldout", args.heldout_rows)
        self.evaluate("final", args.final_rows)
        self.finished = True
        self.save()
        self.log(event="end", step=self.step, tokens=self.tokens, elapsed=round(self.elapsed, 1))
        return 0

    def no_sums(self) -> Tensor:
        """Summed loss and count of targets by language [languages, 2], empty."""
        return torch.zeros(len(self.train_shards.names), 2, device=self.device)

    def check_finite(self, sums: Tensor) -> None:
        """Raises where a step since the last log line went astray; what is saved is from before."""
        if not torch.isfinite(sums).all():
            raise RuntimeError(
                f"expected a finite loss, found {sums[:, 0].sum().item()} up to step {self.step}: "
                "lower --muon-lr or --adam-lr and resume from the last checkpoint"
            )

    def optimise(self, batch: Batch, factor: float) -> Tensor:
        """One step over ``batch`` at ``factor`` of the peak rates. Returns the losses' sums by language."""
        micro = self.args.micro_rows
        rows = self.args.rows
        sums = self.no_sums()
        for start in range(0, len(batch.ids), micro):
            part = slice(start, start + micro)
            loss, losses, valid = self.losses(batch.ids[part])
            (loss * (len(losses) / rows)).backward()
            add_by_language(sums, batch.languages[part], losses, valid)
        self.tokens += rows * (self.context - 1)
        parameters = list(self.model.parameters())
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        *gradients, sums = parallel.add_up([*gradients, sums])
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        if self.device.type == "cpu":
            # Elsewhere looking would make the GPU wait, so it is left to the next log line.
            self.check_finite(sums)
        for optimiser, peak in ((self.muon, self.args.muon_lr), (self.adam, self.args.adam_lr)):
            for group in optimiser.param_groups:
                group["lr"] = peak * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return sums

    def settle_attention(self) -> None:
        """Makes sure that this device can do the step as it is meant to be done, else does without isolation, or without
        the compiler, and says so in the log: slower or less exact training is better than none on a machine that is lent.
        """
        plain = (forward.hidden_states, forward.cross_entropy_and_gradient)
        ways = [(True, self.hidden, self.gradient)] if self.isolate else []
        for isolate, hidden, gradient in (*ways, (False, self.hidden, self.gradient), (False, *plain)):
            failure = self.attention_failure(isolate, hidden, gradient)
            self.isolate, self.hidden, self.gradient = isolate, hidden, gradient
            self.log(event="isolation", kept=isolate, compiled=hidden is not plain[0], failure=failure)
            if failure is None:
                return

    def attention_failure(self, isolate: bool, hidden: Any, gradient: Any) -> str | None:
        """What is wrong with a way to compute the step; None where its loss and gradients are the plain way's.

        Compared over one row of several samples, as often as a pass has rows. For this the output projections, which
        start at zero, are filled for a moment: without them no attention would be seen.
        """
        generator = torch.Generator().manual_seed(0)
        row = torch.randint(7, self.model.config.vocab_size, (1, self.context), generator=generator)
        row[:, self.context // 5 :: self.context // 3] = PATH
        row = row.to(self.device)
        rows = row.expand(self.args.micro_rows, -1).contiguous()
        named = dict(self.model.named_parameters())
        kept = {
            name: p.detach().clone()
            for name, p in named.items()
            if name.endswith(("o_proj.weight", "down_proj.weight"))
        }
        read = [p for name, p in named.items() if name.endswith(("k_proj.weight", "v_proj.weight"))]
        results = []
        try:
            with torch.no_grad():
                for name, weights in kept.items():
                    noise = torch.randn(weights.shape, generator=generator).to(self.device)
                    named[name].add_(noise * weights.shape[1] ** -0.5)
            for ids, way, loss_way, dense in (
                (rows, hidden, gradient, False),
                (row, forward.hidden_states, None, True),
            ):
                within = documents(ids) if isolate else None
                loss, _, _ = forward.next_token_losses(self.model, ids, PAD, self.dtype, way, loss_way, within, dense)
                loss.backward()
                results.append((loss.item(), torch.cat([p.grad.flatten() for p in read if p.grad is not None])))
                self.model.zero_grad(set_to_none=True)
        except Exception as error:
            # Whatever a compiler raises on a device that it has not been tried on.
            return f"{type(error).__name__}: {str(error)[:300]}"
        finally:
            self.model.zero_grad(set_to_none=True)
            with torch.no_grad():
                for name, weights in kept.items():
                    named[name].copy_(weights)
        (one, by_one), (other, by_other) = results
        likeness = torch.nn.functional.cosine_similarity(by_one, by_other, dim=0).item()
        if abs(one - other) < 0.02 * other and likeness > 0.98:
            return None
        return f"loss {one:.4f} instead of {other:.4f}, cosine of the gradients {likeness:.4f}"

    def evaluate(self, event: str, count: int) -> dict[str, Any]:
        """Held-out loss, by language and overall (each language weighs by its tokens), and how well repeats are copied."""
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
        report["copy_loss"] = round(self.copy_loss(), 4)
        self.log(event=event, **report)
        return report

    def copy_loss(self) -> float:
        """Loss on the second half of rows whose random first half repeats: low only where copying has been learned."""
        generator = torch.Generator().manual_seed(0)
        half = torch.randint(
            7, self.model.config.vocab_size, (self.args.micro_rows, self.context // 2), generator=generator
        )
        ids = torch.cat((half, half), dim=1).to(self.device)
        _, losses, _ = self.losses(ids)
        return losses[:, self.context // 2 :].mean().item()

    def log_progress(self, sums: Tensor, factor: float, speed: float, done: float) -> None:
        self.check_finite(sums)
        speeds: dict[str, Any] = {"tokens_per_second": round(speed), "tflops": round(speed * self.flops / 1e12, 3)}
        if self.peak:
            speeds["mfu"] = round(speed * self.flops / self.peak, 4)
        self.log(
            event="train",
            step=self.step,
            tokens=self.tokens,
            elapsed=round(self.elapsed, 1),
            progress=round(done, 4),
            epoch=self.feed.done.epoch,
            rate=round(factor, 4),
            **speeds,
            **summary(sums, self.train_shards.names),
        )

    def log(self, **values: Any) -> None:
        if self.rank:
            return
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S"), **values}, default=str)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        print(line, flush=True)

    def save(self) -> None:
        """Writes the checkpoint, replacing the last in one step, and a copy that transformers loads."""
        if self.rank:
            return
        self.checkpoint_path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.checkpoint_path.with_suffix(".tmp")
        torch.save(
            {
                "config": self.model.config.to_dict(),
                "model": self.model.state_dict(),
                "muon": self.muon.state_dict(),
                "adam": self.adam.state_dict(),
                "step": self.step,
                "tokens": self.tokens,
                "elapsed": self.elapsed,
                "seed": self.args.seed,
                "finished": self.finished,
                "tokens_before": self.tokens_before,
                **self.feed.state(),
            },
            scratch,
        )
        os.replace(scratch, self.checkpoint_path)
        backbone.save(self.model, self.work / "backbone", self.tokenizer)
        # A second run that begins with these weights goes on counting.
        record = {"tokens": self.tokens_before + self.tokens, "seconds": round(self.elapsed, 1)}
        (self.work / "backbone" / "training.json").write_text(json.dumps(record) + "\n", encoding="utf-8")

    def resume(self) -> None:
        if not self.checkpoint_path.is_file():
            return
        saved = torch.load(self.checkpoint_path, map_location=self.device, weights_only=True)
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
        self.step, self.tokens, self.elapsed = saved["step"], saved["tokens"], saved["elapsed"]
        self.finished = saved["finished"]
        self.feed.restore(saved)
        self.tokens_before = saved.get("tokens_before", 0)


def split_parameters(model: PreTrainedModel) -> tuple[list[Tensor], list[Tensor]]:
    """Hidden matrices for Muon; embeddings, norms and biases for AdamW."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in model.named_parameters():
        hidden = parameter.ndim == 2 and "embed_tokens" not in name and "lm_head" not in name
        (matrices if hidden else others).append(parameter)
    return matrices, others


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def peak_flops(device: torch.device, wanted: float | None) -> float | None:
    """The device's highest rate in FLOPs a second: ``wanted`` TFLOPs, else the data sheet's; None where it is not known."""
    if wanted:
        return wanted * 1e12
    name = device_name(device)
    return next((peak for part, peak in PEAKS.items() if part in name), None)


def add_by_language(sums: Tensor, languages: Tensor, losses: Tensor, valid: Tensor) -> None:
    """Adds each row's summed loss and count of valid targets to its language's row of ``sums`` [languages, 2]."""
    sums.index_add_(0, languages, torch.stack(((losses * valid).sum(1), valid.sum(1).float()), dim=1))


def summary(sums: Tensor, names: list[str]) -> dict[str, Any]:
    """Mean loss overall and by language name, in nats a token."""
    total, count = sums.sum(0).tolist()
    return {
        "loss": round(total / max(count, 1.0), 4),
        "languages": {
            name: round(row[0] / row[1], 4) for name, row in zip(names, sums.tolist(), strict=True) if row[1]
        },
    }
