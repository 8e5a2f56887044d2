"""Information-need-guided training, stage 1: the adapters learn to express what a context needs (InfoNCE).

Source: SelfRACG, arXiv 2507.19033: pairs from real code, negatives from the batch, the backbone frozen. Each batch holds
several pairs of the same few repositories, so that most negatives are hard: right place, wrong fragment.

Reads  corpus/{train,heldout}.jsonl, tokenizer/tokenizer.json, backbone/.
Writes pairs/{train,heldout}.jsonl, llora/ (adapter.safetensors, adapter_config.json), checkpoints/ing.pt, ing.jsonl.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel

from . import backbone, bench, forward, heldout, llora, pairs, parallel
from .pairs import Pair
from .pretrain import PAD, progress, rate

INTERRUPTED = 143
# Contexts that need something and still pass the null score's threshold.
KEPT = 0.9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `ing`."""
    parser.add_argument("--minutes", type=float, default=None, help="end by the clock, resumed time counted in")
    parser.add_argument("--steps", type=int, default=None, help="end after this many steps; without --minutes: 600")
    parser.add_argument("--backbone", type=Path, default=None, help="checkpoint folder (default: WORK/backbone)")
    parser.add_argument("--adapters", choices=llora.ADAPTER_MODES, default="separate")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--alpha", type=float, default=32.0)
    parser.add_argument("--pairs", choices=pairs.KINDS, default="both")
    parser.add_argument("--pair-count", type=int, default=40_000)
    parser.add_argument("--batch", type=int, default=128, help="pairs a step, over all processes")
    parser.add_argument("--group", type=int, default=32, help="pairs of one repository that share a batch")
    parser.add_argument("--micro", type=int, default=32, help="rows a forward pass")
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--temperature", type=float, default=0.03)
    parser.add_argument("--warmup-steps", type=int, default=15)
    parser.add_argument("--decay", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=0, help="data-parallel processes (0: one a core, one on a GPU)")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--checkpoint-minutes", type=float, default=3.0)
    parser.add_argument("--log-seconds", type=float, default=20.0)
    parser.add_argument("--evaluation-cases", type=int, default=16, help="held-out cases a language for the measures at the end")
    parser.add_argument("--evaluation-pool", type=int, default=150, help="fragments a held-out repository offers")


def run(args: argparse.Namespace) -> int:
    """Trains to the end, or to SIGTERM (exit status 143, state saved). Returns the exit status."""
    if args.smoke:
        args.steps, args.minutes = min(args.steps or 12, 12), min(args.minutes or 1.0, 1.0)
        args.pair_count, args.batch, args.group, args.micro = min(args.pair_count, 300), 32, 16, 16
        args.evaluation_cases, args.evaluation_pool, args.compile = 2, 24, False
    if args.minutes is None and args.steps is None:
        args.steps = 600
    prepare(args)
    world = parallel.process_count(args.processes, parallel.choose_device(args.device), args.batch // 2)
    return parallel.launch(work, args, world)


def work(args: argparse.Namespace, rank: int, world: int) -> int:
    """One process's share of the training."""
    return Trainer(args, rank, world).train()


def prepare(args: argparse.Namespace) -> None:
    """Draws the pairs once; they belong to the tokenizer and the options that they were drawn with."""
    folder = Path(args.work) / "pairs"
    source = Path(args.work) / "tokenizer" / "tokenizer.json"
    corpus = Path(args.work) / "corpus"
    if not source.is_file() or not (corpus / "train.jsonl").is_file():
        raise FileNotFoundError(f"expected {source} and {corpus / 'train.jsonl'}, found one missing: run `corpus` and `tokenizer`")
    made_with = {
        "tokenizer": hashlib.sha256(source.read_bytes()).hexdigest(), "pairs": args.pairs, "count": args.pair_count,
        "seed": args.seed, "corpus": (corpus / "train.jsonl").stat().st_size,
    }
    note = folder / "made-with.json"
    if note.is_file() and json.loads(note.read_text(encoding="utf-8")) == made_with:
        return
    tokenizer = Tokenizer.from_file(str(source))
    for split, count in (("train", args.pair_count), ("heldout", max(args.batch, args.pair_count // 40))):
        start = time.monotonic()
        drawn = pairs.draw_pairs(corpus / f"{split}.jsonl", tokenizer, count, args.pairs, args.seed)
        number = pairs.write(folder / f"{split}.jsonl", drawn)
        print(f"ing: {number} {split} pairs in {time.monotonic() - start:.0f} s", flush=True)
    note.write_text(json.dumps(made_with), encoding="utf-8")


def batches(drawn: Sequence[Pair], size: int, group: int, seed: int) -> Iterator[list[Pair]]:
    """One pass over the pairs: ``group`` of a repository stay together, ``size`` pairs a batch, whole batches only."""
    source = random.Random(seed)
    by_repository: dict[str, list[Pair]] = defaultdict(list)
    for pair in drawn:
        by_repository[pair.repository].append(pair)
    groups = []
    for name in sorted(by_repository):
        members = by_repository[name]
        source.shuffle(members)
        groups.extend(members[start : start + group] for start in range(0, len(members), group))
    source.shuffle(groups)
    flat = list(itertools.chain.from_iterable(groups))
    for start in range(0, len(flat) - size + 1, size):
        yield flat[start : start + size]


def contrast_mask(batch: Sequence[Pair]) -> Tensor:
    """True [pairs, pairs] where the column's fragment counts as wrong for the row's query, and on the diagonal."""
    mask = torch.ones(len(batch), len(batch), dtype=torch.bool)
    for row, one in enumerate(batch):
        for column, other in enumerate(batch):
            if row != column and pairs.interchangeable(one, other):
                mask[row, column] = False
    return mask


def info_nce(queries: Tensor, fragments: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """Loss [] of expressions [pairs, dimension]: each query's own fragment against the batch's others that ``mask`` lets in."""
    scores = (queries @ fragments.T / temperature).masked_fill(~mask, float("-inf"))
    return F.cross_entropy(scores, torch.arange(len(queries), device=queries.device))


def pad(rows: Sequence[Sequence[int]], device: torch.device, longest: int = 0) -> tuple[Tensor, Tensor]:
    """Right-padded ids [count, longest row or ``longest``] and lengths [count]."""
    longest = max(longest, *(len(row) for row in rows))
    ids = torch.full((len(rows), longest), PAD, dtype=torch.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    return ids.to(device), torch.tensor([len(row) for row in rows], device=device)


class Reader:
    """Expresses rows of ids with adapters over one backbone, in passes of ``micro`` rows of like length.

    Compiled, every pass has one shape for queries and one for fragments, since another would have to be compiled.
    """

    def __init__(self, model: PreTrainedModel, micro: int, device: torch.device, compiled: bool) -> None:
        self.model, self.micro, self.device, self.compiled = model, micro, device, compiled
        self.collect = torch.compile(forward.layer_inputs, dynamic=False) if compiled else forward.layer_inputs

    def express(self, modules: Sequence[llora.LLoRA], rows: Sequence[Sequence[int]], adapter: int) -> list[Tensor]:
        """For each module the expressions [count, dimension], in the rows' order; differentiable in the adapters."""
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        parts: list[list[Tensor]] = [[] for _ in modules]
        for start in range(0, len(order), self.micro):
            chosen = [rows[place] for place in order[start : start + self.micro]]
            count = len(chosen)
            longest = 0
            if self.compiled:
                longest = pairs.QUERY_TOKENS if adapter == llora.QUERY else pairs.FRAGMENT_TOKENS
                chosen += [[PAD]] * (self.micro - count)
            ids, lengths = pad(chosen, self.device, longest)
            with torch.no_grad():
                found = self.collect(self.model, ids, torch.bfloat16)
            inputs = [llora.LayerInputs(*(part[:count] for part in layer)) for layer in found]
            for part, module in zip(parts, modules):
                part.append(module.read(inputs, lengths[:count], adapter))
        back = torch.empty(len(order), dtype=torch.int64)
        back[torch.tensor(order)] = torch.arange(len(order))
        return [torch.cat(part)[back.to(self.device)] for part in parts]


class Trainer:
    """One run: adapters, optimiser, position in the pairs, clock. Rank 0 decides, logs, measures and saves."""

    def __init__(self, args: argparse.Namespace, rank: int = 0, world: int = 1) -> None:
        self.args, self.rank, self.world = args, rank, world
        self.work = Path(args.work)
        self.device = parallel.choose_device(args.device)
        self.backbone_path = Path(args.backbone or self.work / "backbone")
        model = backbone.load(self.backbone_path).to(self.device)
        self.reader = Reader(model, args.micro, self.device, args.compile)
        torch.manual_seed(args.seed)
        self.module = llora.LLoRA(model, args.rank, args.alpha, args.adapters).to(self.device)
        torch.manual_seed(args.seed)
        self.untrained = llora.LLoRA(model, args.rank, args.alpha, args.adapters).to(self.device)
        self.optimiser = torch.optim.AdamW(self.module.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01)
        self.drawn = pairs.read(self.work / "pairs" / "train.jsonl")
        self.held = pairs.read(self.work / "pairs" / "heldout.jsonl")
        self.checkpoint_path = self.work / "checkpoints" / "ing.pt"
        self.belongs = hashlib.sha256((self.backbone_path / "model.safetensors").read_bytes()).hexdigest()
        self.step, self.epoch, self.taken, self.elapsed = 0, 0, 0, 0.0
        self.finished = False
        self.stop = False
        self.resume()

    def train(self) -> int:
        """Runs to the end of the budget (0) or until a signal asks it to stop (143)."""
        if self.finished:
            if self.rank == 0:
                print(f"ing: already finished for this backbone; remove {self.checkpoint_path} to start anew")
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

    def upcoming(self) -> Iterator[list[Pair]]:
        """Batches without end, from the position on; each pass in its own order."""
        if len(self.drawn) < self.args.batch:
            raise ValueError(
                f"expected at least {self.args.batch} pairs, found {len(self.drawn)}: lower --batch or enlarge the corpus"
            )
        while True:
            for batch in itertools.islice(
                batches(self.drawn, self.args.batch, self.args.group, self.args.seed + self.epoch), self.taken, None
            ):
                self.taken += 1
                yield batch
            self.epoch, self.taken = self.epoch + 1, 0

    def loop(self) -> int:
        args = self.args
        self.log(
            event="start", step=self.step, pairs=len(self.drawn), backbone=self.belongs[:16],
            parameters=sum(parameter.numel() for parameter in self.module.parameters()), processes=self.world,
            options=vars(args),
        )
        stream = self.upcoming()
        last = time.monotonic()
        logged = checkpointed = self.elapsed
        logged_step = self.step
        total = hits = 0.0
        while True:
            now = time.monotonic()
            self.elapsed += now - last
            last = now
            self.elapsed, stop = parallel.decide(self.elapsed, float(self.stop))
            done = progress(self.step, self.elapsed, args.steps, args.minutes * 60 if args.minutes else None)
            if stop or done >= 1.0:
                break
            loss, right = self.optimise(next(stream), rate(self.step, done, args.warmup_steps, args.decay))
            total += loss
            hits += right
            if self.elapsed - logged >= args.log_seconds:
                count = self.step - logged_step
                self.log(
                    event="train", step=self.step, progress=round(done, 4), loss=round(total / count, 4),
                    recall_at_1=round(hits / count, 4), elapsed=round(self.elapsed, 1),
                    pairs_per_second=round(count * args.batch / (self.elapsed - logged), 1),
                )
                logged, logged_step, total, hits = self.elapsed, self.step, 0.0, 0.0
            if self.elapsed - checkpointed >= args.checkpoint_minutes * 60:
                self.save()
                self.log(event="heldout", step=self.step, **self.heldout_batch())
                checkpointed = self.elapsed
        self.save()
        if stop:
            self.log(event="interrupted", step=self.step)
            return INTERRUPTED
        if self.rank == 0:
            self.finish()
        return 0

    def optimise(self, batch: list[Pair], factor: float) -> tuple[float, float]:
        """One step; returns the batch's loss and the share of queries that score their own fragment highest."""
        own = batch[self.rank :: self.world]
        ordered = [pair for start in range(self.world) for pair in batch[start :: self.world]]
        queries, fragments = self.express(own)
        queries = parallel.gather(queries, self.rank, self.world)
        fragments = parallel.gather(fragments, self.rank, self.world)
        mask = contrast_mask(ordered).to(self.device)
        loss = info_nce(queries, fragments, mask, self.args.temperature)
        if not torch.isfinite(loss):
            raise RuntimeError(f"expected a finite loss, found {loss.item()} at step {self.step}: lower --lr")
        loss.backward()
        gradients = [
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            for parameter in self.module.parameters()
        ]
        for parameter, gradient in zip(self.module.parameters(), parallel.add_up(gradients)):
            parameter.grad = gradient
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        for group in self.optimiser.param_groups:
            group["lr"] = self.args.lr * factor
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        with torch.no_grad():
            best = (queries @ fragments.T).masked_fill(~mask, float("-inf")).argmax(1)
        return loss.item(), (best == torch.arange(len(best), device=best.device)).float().mean().item()

    def express(self, batch: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """Expressions of the pairs' queries and fragments, each [count, dimension]."""
        (queries,) = self.reader.express([self.module], [pair.query for pair in batch], llora.QUERY)
        (fragments,) = self.reader.express([self.module], [pair.fragment for pair in batch], llora.FRAGMENT)
        return queries, fragments

    @torch.no_grad()
    def heldout_batch(self) -> dict[str, float]:
        """Loss and Recall@1 within one fixed batch of held-out pairs, the same at every call."""
        if self.rank or len(self.held) < 2:
            return {}
        batch = next(batches(self.held, min(self.args.batch, len(self.held)), self.args.group, 0))
        queries, fragments = self.express(batch)
        mask = contrast_mask(batch).to(self.device)
        loss = info_nce(queries, fragments, mask, self.args.temperature)
        best = (queries @ fragments.T).masked_fill(~mask, float("-inf")).argmax(1)
        right = (best == torch.arange(len(best), device=best.device)).float().mean()
        return {"loss": round(loss.item(), 4), "recall_at_1": round(right.item(), 4)}

    def finish(self) -> None:
        """Measures the adapters on held-out repositories, calibrates the null score and saves both beside them."""
        measured = measure(
            self.reader, [self.untrained, self.module], self.work, self.args.evaluation_cases,
            self.args.evaluation_pool, self.args.seed,
        )
        self.log(event="final", step=self.step, elapsed=round(self.elapsed, 1), **measured.report())
        self.finished = True
        self.save(
            nullScore=round(measured.null_score, 4), nullScoreCalibration=measured.calibration(),
            heldOut={"untrained": measured.ranks[0], "trained": measured.ranks[1]},
        )

    def log(self, **values: Any) -> None:
        if self.rank:
            return
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S"), **values}, default=str)
        with (self.work / "ing.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        print(line, flush=True)

    def save(self, **found: Any) -> None:
        """Writes the checkpoint and the adapters so far, each replacing its older self in one step."""
        if self.rank:
            return
        self.checkpoint_path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.checkpoint_path.with_suffix(".tmp")
        torch.save(
            {
                "module": self.module.state_dict(), "optimiser": self.optimiser.state_dict(), "step": self.step,
                "epoch": self.epoch, "taken": self.taken, "elapsed": self.elapsed, "belongs": self.belongs,
                "finished": self.finished,
            },
            scratch,
        )
        os.replace(scratch, self.checkpoint_path)
        self.module.save(
            self.work / "llora", queryTokens=pairs.QUERY_TOKENS, fragmentTokens=pairs.FRAGMENT_TOKENS,
            backbone=self.belongs, steps=self.step, pairs=self.args.pairs, temperature=self.args.temperature, **found,
        )

    def resume(self) -> None:
        if not self.checkpoint_path.is_file():
            return
        saved = torch.load(self.checkpoint_path, map_location=self.device, weights_only=True)
        expected = {name: tensor.shape for name, tensor in self.module.state_dict().items()}
        found = {name: tensor.shape for name, tensor in saved["module"].items()}
        if saved["belongs"] != self.belongs or expected != found:
            if self.rank == 0:
                print("ing: the checkpoint belongs to another backbone or adapter; starting anew", flush=True)
            return
        self.module.load_state_dict(saved["module"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.epoch, self.taken = saved["step"], saved["epoch"], saved["taken"]
        self.elapsed, self.finished = saved["elapsed"], saved["finished"]


@dataclass
class Measured:
    """Held-out measures: for each module its ranks; best scores with and without need; the null score chosen from them."""

    ranks: list[dict[str, float]]
    with_need: list[float]
    without_need: list[float]
    null_score: float

    def calibration(self) -> dict[str, Any]:
        """How the null score was chosen and what it does on the contexts it was chosen from."""
        return {
            "method": f"the score that {KEPT:.0%} of held-out contexts whose next word another file defines exceed",
            "contextsWithNeed": len(self.with_need),
            "contextsWithout": len(self.without_need),
            "keptWithNeed": round(share_above(self.with_need, self.null_score), 3),
            "keptWithout": round(share_above(self.without_need, self.null_score), 3),
            "separation": round(separation(self.with_need, self.without_need), 3),
        }

    def report(self) -> dict[str, Any]:
        return {
            "untrained": self.ranks[0], "trained": self.ranks[1], "null_score": round(self.null_score, 4),
            "calibration": self.calibration(),
        }


def share_above(scores: Sequence[float], threshold: float) -> float:
    """Share of scores at or above a threshold; 0 without scores."""
    return sum(score >= threshold for score in scores) / len(scores) if scores else 0.0


def separation(higher: Sequence[float], lower: Sequence[float]) -> float:
    """Probability that one of ``higher`` exceeds one of ``lower`` (area under the ROC curve); 0.5 is chance."""
    if not higher or not lower:
        return 0.5
    wins = sum((one > other) + 0.5 * (one == other) for one in higher for other in lower)
    return wins / (len(higher) * len(lower))


def threshold(with_need: Sequence[float], kept: float = KEPT) -> float:
    """The highest score that at least ``kept`` of the contexts with a need reach; 0 without contexts."""
    if not with_need:
        return 0.0
    ordered = sorted(with_need, reverse=True)
    return ordered[max(1, math.ceil(len(ordered) * kept)) - 1]


@torch.no_grad()
def measure(
    reader: Reader, modules: Sequence[llora.LLoRA], work: Path, per_language: int, pool_size: int, seed: int
) -> Measured:
    """MRR@10 and Recall@k of each module on held-out cross-file cases, and the last module's null score.

    A case's candidates are ``pool_size`` fragments of its repository, the defining ones among them, without its own file.
    """
    corpus = work / "corpus" / "heldout.jsonl"
    tokenizer = Tokenizer.from_file(str(work / "tokenizer" / "tokenizer.json"))
    form = pairs.prompt_format(tokenizer)
    found = [case for cases in heldout.cases(corpus, per_language, seed).values() for case in cases]
    quiet: dict[str, list[tuple[str, int, list[int]]]] = {}
    wanted = {case.task.repository for case in found}
    counts = {name: sum(case.task.repository == name for case in found) for name in wanted}
    with corpus.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["repository"] in wanted:
                sampler = pairs.Sampler(row, form, seed)
                draws = (sampler.without_need() for _ in range(20 * counts[row["repository"]]))
                quiet[row["repository"]] = list(itertools.islice(filter(None, draws), counts[row["repository"]]))
    hits: list[list[int | None]] = [[] for _ in modules]
    repositories: list[str] = []
    with_need: list[float] = []
    without_need: list[float] = []
    for name, group in bench.by_repository(found):
        pool = group[0].pool
        source = random.Random(f"{seed}{name}")
        kept = set().union(*(case.relevant for case in group))
        rest = [place for place in range(len(pool)) if place not in kept]
        source.shuffle(rest)
        chosen = sorted(kept | set(rest[: max(0, pool_size - len(kept))]))
        rows = [form.fragment_embedding(pool[place].path, pool[place].text) for place in chosen]
        queries = [form.query(case.task.file, case.prefix) for case in group]
        silent = quiet[name]
        embedded = reader.express(modules, rows, llora.FRAGMENT)
        asked = reader.express(modules, queries + [ids for _, _, ids in silent], llora.QUERY)
        repositories += [name] * len(group)
        for number, (fragments, needs) in enumerate(zip(embedded, asked)):
            scores = (needs @ fragments.T).cpu()
            for place, case in enumerate(group):
                others = [column for column, fragment in enumerate(chosen) if pool[fragment].path != case.task.file]
                ranked = sorted(others, key=lambda column: -scores[place, column].item())
                hits[number].append(bench.first_hit(case, [chosen[column] for column in ranked[:10]]))
                if number == len(modules) - 1 and ranked:
                    with_need.append(scores[place, ranked[0]].item())
            if number == len(modules) - 1:
                for place, (path, _, _) in enumerate(silent, start=len(group)):
                    others = [column for column, fragment in enumerate(chosen) if pool[fragment].path != path]
                    if others:
                        without_need.append(scores[place, others].max().item())
    ranks = []
    for own in hits:
        summary = bench.measure(own, repositories)
        ranks.append({
            "cases": len(own), "mrr_at_10": round(summary.mrr, 4), "low": round(summary.low, 4),
            "high": round(summary.high, 4), **{f"recall_at_{k}": round(value, 4) for k, value in summary.recall.items()},
        })
    return Measured(ranks, with_need, without_need, threshold(with_need))
