"""Information-need-guided training (ING): the adapters learn to express what a context needs.

Source: SelfRACG, arXiv 2507.19033: pairs from real code, negatives from the batch, the backbone frozen (InfoNCE). Each
batch holds several pairs of the same few repositories, and windows of those repositories as they are searched in use, so
that most negatives are hard: right place, wrong fragment. A null vector competes with the fragments: contexts that need
nothing from other files have it as their positive. `stage2` and `utility` train on with the same trainer.

Reads  corpus/{train,heldout}.jsonl, backbone/ with its tokenizer.json (else tokenizer/tokenizer.json).
Writes pairs/, stages/NAME/ (adapter.safetensors, adapter_config.json), checkpoints/NAME.pt, ing.jsonl, and llora/: the
stage that is best on held-out repositories so far.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor, nn

from selfracg.data import pairs, prompt_layout
from selfracg.data.pairs import Pair, Window
from selfracg.model import backbone, llora
from selfracg.model.expressions import Reader
from selfracg.train import contrast, need, parallel
from selfracg.train.pretrain import progress, rate

INTERRUPTED = 143
STAGE = "stage1"
# Windows of one repository that a pass draws for hard negatives.
WINDOWS_OF_ONE = 256
HELDOUT_PAIRS = 512


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `ing`."""
    parser.add_argument(
        "--choose", default=None, metavar="STAGE", help="train nothing: put a stage into llora/; 'best' compares them"
    )
    add_training_arguments(parser, lr=4e-3, steps=600)


def add_training_arguments(parser: argparse.ArgumentParser, lr: float, steps: int) -> None:
    """Options that every stage shares; ``lr`` and ``steps`` (without --minutes) are the stage's defaults."""
    parser.add_argument(
        "--from",
        dest="start",
        default=None,
        metavar="DIR",
        help="adapter to begin with: a folder, or a stage's name, or none for a fresh one",
    )
    parser.add_argument(
        "--minutes", type=float, default=None, help="end by the clock, resumed time and the drawing of pairs counted in"
    )
    parser.add_argument(
        "--steps", type=int, default=None, help=f"end after this many steps; without --minutes: {steps}"
    )
    parser.set_defaults(default_steps=steps)
    parser.add_argument("--backbone", type=Path, default=None, help="checkpoint folder (default: WORK/backbone)")
    parser.add_argument("--adapters", choices=llora.ADAPTER_MODES, default="separate")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--alpha", type=float, default=32.0)
    parser.add_argument("--layer-normalise", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument(
        "--project",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="send each layer's expression through the backbone's output projection",
    )
    parser.add_argument(
        "--pool",
        choices=llora.POOLS,
        default="last",
        help="read fragments at their last token, or as the mean over them",
    )
    parser.add_argument(
        "--learn-layers", action=argparse.BooleanOptionalAction, default=False, help="train the layers' weights"
    )
    parser.add_argument("--query-tokens", type=int, default=pairs.QUERY_TOKENS)
    parser.add_argument("--import-tokens", type=int, default=pairs.IMPORT_TOKENS)
    parser.add_argument("--fragment-tokens", type=int, default=pairs.FRAGMENT_TOKENS)
    parser.add_argument("--pairs", choices=pairs.KINDS, default="both")
    parser.add_argument("--pair-count", type=int, default=60_000, help="pairs a pass; every pass draws its own")
    parser.add_argument(
        "--quiet-share",
        type=float,
        default=0.12,
        help="contexts that need nothing, which train the null vector; 0: no null vector",
    )
    parser.add_argument("--batch", type=int, default=128, help="pairs a step, over all processes")
    parser.add_argument("--group", type=int, default=32, help="pairs of one repository that share a batch")
    parser.add_argument(
        "--windows",
        type=float,
        default=0.5,
        help="windows of the same repositories a pair, half of them the hardest known",
    )
    parser.add_argument("--micro", type=int, default=32, help="rows a forward pass")
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--temperature", type=float, default=0.03)
    parser.add_argument("--warmup-steps", type=int, default=15)
    parser.add_argument("--decay", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--processes", type=int, default=0, help="data-parallel processes (0: one a core, one on a GPU)"
    )
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--checkpoint-minutes", type=float, default=3.0)
    parser.add_argument("--log-seconds", type=float, default=20.0)
    parser.add_argument(
        "--evaluation-cases", type=int, default=48, help="held-out cases a language for the measures at the end"
    )
    parser.add_argument("--evaluation-pool", type=int, default=300, help="fragments a held-out repository offers")


def shrink(args: argparse.Namespace) -> None:
    """Brings the options to smoke size, and fills in the step count where nothing ends the run."""
    if args.smoke:
        args.steps, args.minutes = min(args.steps or 12, 12), min(args.minutes or 1.0, 1.0)
        args.pair_count, args.batch, args.group, args.micro = min(args.pair_count, 300), 32, 16, 16
        args.evaluation_cases, args.evaluation_pool, args.compile = 2, 24, False
    if args.minutes is None and args.steps is None:
        args.steps = args.default_steps


def run(args: argparse.Namespace) -> int:
    """Trains to the end, or to SIGTERM (exit status 143, state saved). Returns the exit status."""
    if args.choose is not None:
        choose(
            Path(args.work),
            Path(args.backbone or Path(args.work) / "backbone"),
            None if args.choose == "best" else args.choose,
        )
        return 0
    shrink(args)
    require(Path(args.work))
    world = parallel.process_count(args.processes, parallel.choose_device(args.device), args.batch // 2)
    return parallel.launch(work, args, world)


def work(args: argparse.Namespace, rank: int, world: int) -> int:
    """One process's share of the training."""
    return Trainer(args, rank, world).train()


def require(work: Path) -> None:
    """Raises ``FileNotFoundError`` where the folder lacks what every stage reads."""
    corpus = work / "corpus" / "train.jsonl"
    if not corpus.is_file():
        raise FileNotFoundError(f"expected {corpus}, found none: run `corpus`")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stage_folder(work: Path, name: str) -> Path:
    """Folder of a stage's adapter, by the stage's name or by its own path."""
    inside = work / "stages" / name
    return inside if inside.is_dir() or not Path(name).is_dir() else Path(name)


def choose(work: Path, backbone_path: Path, name: str | None) -> str:
    """Copies a stage's adapter to llora/: the named one, or the best by held-out MRR@10 among those of this backbone.

    Returns its name. Raises ``FileNotFoundError`` where there is none.
    """
    belongs = backbone.checksum(backbone_path)
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((work / "stages").glob("*/adapter_config.json")):
        config = llora.load_config(path.parent)
        if config.get("backbone") == belongs and "heldOut" in config and "stage" in config:
            found[path.parent.name] = config["heldOut"]["trained"]
    if not found or (name is not None and name not in found):
        raise FileNotFoundError(
            f"expected {f'a stage {name}' if name else 'a trained stage'} of this backbone in {work / 'stages'}, "
            f"found {', '.join(found) or 'none'}: run `ing` first"
        )
    # Only what was measured on the same cases can be compared: the stages with the most of them.
    most = max(ranks["cases"] for ranks in found.values())
    chosen = name or max(
        (each for each in found if found[each]["cases"] == most), key=lambda each: found[each]["mrr_at_10"]
    )
    for each, ranks in found.items():
        mark = "  <- llora/" if each == chosen else ""
        print(
            f"{each}: held-out MRR@10 {ranks['mrr_at_10']:.4f} ({ranks['low']:.3f} to {ranks['high']:.3f}, {ranks['cases']} cases){mark}"
        )
    target = work / "llora"
    target.mkdir(parents=True, exist_ok=True)
    for file in ("adapter.safetensors", "adapter_config.json"):
        scratch = target / f"{file}.tmp"
        shutil.copyfile(work / "stages" / chosen / file, scratch)
        os.replace(scratch, target / file)
    return chosen


def fresh_adapter(args: argparse.Namespace, model: Any) -> llora.LLoRA:
    """An untrained adapter as the options say, always the same one for the same seed."""
    torch.manual_seed(args.seed)
    return llora.LLoRA(
        model,
        args.rank,
        args.alpha,
        args.adapters,
        layer_normalise=args.layer_normalise,
        learn_layers=args.learn_layers,
        project=args.project,
        pool=args.pool,
    )


@dataclass
class Judged:
    """A context, candidates for it, and how much each lowered the loss of the true continuation (nats a token)."""

    repository: str
    query: Sequence[int]
    candidates: list[Sequence[int]]
    gains: list[float]


@dataclass
class Extra:
    """What a stage trains on beside stage-1 pairs, and how much of it a step takes, over all processes."""

    own: Sequence[Pair] = ()
    own_share: float = 0.0
    judged: Sequence[Judged] = ()
    judged_count: int = 0
    gain_temperature: float = 0.03


def steady(rows: Sequence[Any], size: int, seed: int, skip: int) -> Iterator[list[Any]]:
    """``size`` rows at a time without end, every pass in its own order, ``skip`` batches left out at the start."""
    each = max(1, len(rows) // size)
    for number in itertools.count(skip):
        order = list(range(len(rows)))
        random.Random(f"{seed}/{number // each}").shuffle(order)
        start = (number % each) * size
        yield [rows[place] for place in order[start : start + size]]


class Trainer:
    """One run: adapters, optimiser, position in the pairs, clock. Rank 0 decides, logs, measures and saves."""

    def __init__(
        self, args: argparse.Namespace, rank: int = 0, world: int = 1, stage: str = STAGE, extra: Extra | None = None
    ) -> None:
        self.last = time.monotonic()
        self.args, self.rank, self.world, self.stage, self.extra = args, rank, world, stage, extra or Extra()
        self.work = Path(args.work)
        self.device = parallel.choose_device(args.device)
        self.backbone_path = Path(args.backbone or self.work / "backbone")
        self.belongs = backbone.checksum(self.backbone_path)
        model = backbone.placed(backbone.load(self.backbone_path), self.device)
        self.form = pairs.prompt_format(
            prompt_layout.load_tokenizer(backbone.tokenizer_file(self.backbone_path, self.work)),
            args.query_tokens,
            args.import_tokens,
            args.fragment_tokens,
        )
        longest = (args.query_tokens + args.import_tokens, args.fragment_tokens)
        self.reader = Reader(model, args.micro, self.device, args.compile, longest)
        self.module, self.null = self.fresh(model)
        self.untrained, _ = self.fresh(model)
        self.null.requires_grad_(args.quiet_share > 0)
        self.start = self.begin()
        self.optimiser = torch.optim.AdamW(self.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01)
        self.checkpoint_path = self.work / "checkpoints" / f"{stage}.pt"
        self.step, self.epoch, self.taken, self.elapsed = 0, 0, 0, 0.0
        self.drawn: list[Pair] = []
        self.held: list[Pair] = []
        self.bank = contrast.WindowBank([], args.seed)
        self.finished = False
        self.stop = False
        self.resume()

    def fresh(self, model: Any) -> tuple[llora.LLoRA, nn.Parameter]:
        """A fresh adapter, always the same one, and a null vector that nothing needs yet."""
        module = fresh_adapter(self.args, model).to(self.device)
        return module, nn.Parameter(torch.zeros(module.dimension, device=self.device))

    def begin(self) -> str:
        """Loads the adapter that this run starts from. Returns its digest, empty for a fresh one."""
        if self.args.start in (None, "none"):
            return ""
        folder = stage_folder(self.work, self.args.start)
        config = llora.load_config(folder)
        if config.get("backbone") != self.belongs:
            raise ValueError(
                f"expected an adapter of the backbone {self.belongs[:12]}, found one of {str(config.get('backbone'))[:12]} "
                f"in {folder}: train the earlier stage on this backbone"
            )
        loaded = llora.load(self.reader.model, folder)
        if {name: each.shape for name, each in loaded.state_dict().items()} != {
            name: each.shape for name, each in self.module.state_dict().items() if name != "layer_logits"
        } or any(
            getattr(loaded, name) != getattr(self.module, name) for name in ("layer_normalise", "project", "pool")
        ):
            raise ValueError(
                f"expected adapters as --rank, --adapters, --layer-normalise, --project and --pool say, found others in {folder}: "
                "give the options of the earlier stage"
            )
        self.module.load_state_dict(loaded.state_dict(), strict=False)
        weights = loaded.layer_weights()
        if weights is not None and not self.args.learn_layers:
            self.module.fixed_layers = loaded.fixed_layers
        elif weights is not None:
            self.module.layer_logits.data.copy_(weights.clamp(min=1e-4).log())
        if config.get("nullVector"):
            self.null.data.copy_(torch.tensor(config["nullVector"]))
        return digest(folder / "adapter.safetensors")

    def parameters(self) -> list[nn.Parameter]:
        """What is trained."""
        return [*self.module.parameters(), *([self.null] if self.null.requires_grad else [])]

    def train(self) -> int:
        """Runs to the end of the budget (0) or until a signal asks it to stop (143)."""
        if self.finished:
            if self.rank == 0:
                print(f"{self.stage}: already finished for this backbone; remove {self.checkpoint_path} to start anew")
                choose(self.work, self.backbone_path, None)
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

    def draw(self) -> None:
        """Draws this pass's pairs, with windows of their repositories, each process a part; and once the held-out pairs."""
        args, folder, corpus = self.args, self.work / "pairs", self.work / "corpus"
        made_with = {
            "tokenizer": digest(backbone.tokenizer_file(self.backbone_path, self.work)),
            "pairs": args.pairs,
            "count": args.pair_count,
            "quiet": args.quiet_share,
            "seed": args.seed,
            "corpus": (corpus / "train.jsonl").stat().st_size,
            "parts": self.world,
            "limits": [args.query_tokens, args.import_tokens, args.fragment_tokens],
            "windows": bool(args.windows),
        }
        start = time.monotonic()
        for split, epoch in (("heldout", 0), ("train", self.epoch)):
            if split == "heldout" and self.rank:
                continue
            parts = 1 if split == "heldout" else self.world
            path = folder / f"{split}-{epoch}-{self.rank}of{parts}.jsonl"
            note = path.with_suffix(".json")
            if path.is_file() and note.is_file() and json.loads(note.read_text(encoding="utf-8")) == made_with:
                continue
            wanted = pairs.Draw(
                args.pair_count if split == "train" else min(HELDOUT_PAIRS, args.pair_count),
                args.pairs,
                args.seed + 1000 * epoch,
                args.quiet_share,
                WINDOWS_OF_ONE if split == "train" and args.windows else 0,
            )
            note.unlink(missing_ok=True)
            number = pairs.write(path, pairs.draw(corpus / f"{split}.jsonl", self.form, wanted, self.rank, parts))
            note.write_text(json.dumps(made_with), encoding="utf-8")
            print(
                f"{self.stage}: {number} {split} pairs and windows, pass {epoch}, in {time.monotonic() - start:.0f} s",
                flush=True,
            )
        if distributed.is_initialized():
            distributed.barrier()
        rows = [
            row
            for part in range(self.world)
            for row in pairs.read(folder / f"train-{self.epoch}-{part}of{self.world}.jsonl")
        ]
        self.drawn = [row for row in rows if isinstance(row, Pair)]
        self.bank = contrast.WindowBank([row for row in rows if isinstance(row, Window)], args.seed + self.rank)
        if self.rank == 0 and not self.held:
            self.held = [row for row in pairs.read(folder / "heldout-0-0of1.jsonl") if isinstance(row, Pair)]

    def upcoming(self) -> Iterator[tuple[list[Pair], list[Judged]]]:
        """Steps without end, from the position on: pairs, each pass with new ones, and judged contexts."""
        args, extra = self.args, self.extra
        # As many for every process, and no more than there are.
        own = min(round(args.batch * extra.own_share), len(extra.own)) // self.world * self.world
        generated = steady(extra.own, own, args.seed, self.step)
        judged = steady(extra.judged, extra.judged_count, args.seed, self.step)
        while True:
            self.draw()
            if len(self.drawn) < args.batch:
                raise ValueError(
                    f"expected at least {args.batch} pairs, found {len(self.drawn)}: lower --batch or enlarge the corpus"
                )
            rest = args.batch - own
            made = (
                contrast.batches(self.drawn, rest, args.group, args.seed + self.epoch) if rest else itertools.repeat([])
            )
            for batch in itertools.islice(made, self.taken, None):
                self.taken += 1
                yield batch + (next(generated) if own else []), next(judged) if extra.judged else []
            self.epoch, self.taken = self.epoch + 1, 0

    def loop(self) -> int:
        args = self.args
        stream = self.upcoming()
        upcoming = next(stream)
        self.log(
            event="start",
            step=self.step,
            pairs=len(self.drawn),
            windows=len(self.bank.windows),
            own=len(self.extra.own),
            judged=len(self.extra.judged),
            backbone=self.belongs[:16],
            start=self.start[:16],
            parameters=sum(parameter.numel() for parameter in self.parameters()),
            processes=self.world,
            options={key: value for key, value in vars(args).items() if key != "default_steps"},
        )
        logged = checkpointed = self.elapsed
        logged_step = self.step
        total = hits = 0.0
        while True:
            now = time.monotonic()
            self.elapsed += now - self.last
            self.last = now
            self.elapsed, stop = parallel.decide(self.elapsed, float(self.stop))
            done = progress(self.step, self.elapsed, args.steps, args.minutes * 60 if args.minutes else None)
            if stop or done >= 1.0:
                break
            loss, right = self.optimise(*upcoming, rate(self.step, done, args.warmup_steps, args.decay))
            total += loss
            hits += right
            if self.elapsed - logged >= args.log_seconds:
                count = self.step - logged_step
                self.log(
                    event="train",
                    step=self.step,
                    progress=round(done, 4),
                    loss=round(total / count, 4),
                    recall_at_1=round(hits / count, 4),
                    elapsed=round(self.elapsed, 1),
                    pairs_per_second=round(count * args.batch / (self.elapsed - logged), 1),
                )
                logged, logged_step, total, hits = self.elapsed, self.step, 0.0, 0.0
            if self.elapsed - checkpointed >= args.checkpoint_minutes * 60:
                self.save()
                self.log(event="heldout", step=self.step, **self.heldout_batch())
                checkpointed = self.elapsed
            upcoming = next(stream)
        # The batch at hand was not used.
        self.taken -= 1
        self.save()
        if stop:
            self.log(event="interrupted", step=self.step)
            return INTERRUPTED
        if self.rank == 0:
            self.finish()
        return 0

    def optimise(self, batch: list[Pair], judged: list[Judged], factor: float) -> tuple[float, float]:
        """One step; returns the batch's loss and the share of queries that score their own fragment highest."""
        own = batch[self.rank :: self.world]
        ordered = [pair for start in range(self.world) for pair in batch[start :: self.world]]
        queries, fragments = self.express(own)
        candidates: list[Pair | Window] = list(ordered)
        chosen, windows = self.hard_windows(own, queries)
        queries = parallel.gather(queries, self.rank, self.world)
        columns = [parallel.gather(fragments, self.rank, self.world)]
        present = torch.ones(len(ordered), dtype=torch.bool)
        if windows is not None:
            columns.append(parallel.gather(windows, self.rank, self.world))
            places = parallel.gather(chosen, self.rank, self.world).tolist()
            present = torch.cat((present, torch.tensor(places) >= 0))
            candidates += [self.bank.windows[place] for place in places]
        mask = (contrast.wrong(ordered, candidates) & present).to(self.device)
        scores = queries @ torch.cat(columns).T
        null = None
        if self.null.requires_grad:
            null = scores.shape[1]
            mine = torch.arange(len(ordered), device=self.device) // len(own) == self.rank
            nothing = torch.where(mine, queries @ self.null, queries @ self.null.detach())
            scores = torch.cat((scores, nothing[:, None]), 1)
            mask = torch.cat((mask, contrast.null_counts(ordered)[:, None].to(self.device)), 1)
        right = contrast.targets(ordered, null).to(self.device)
        loss = contrast.info_nce(scores, mask, right, self.args.temperature)
        if judged:
            loss = loss + self.judgement(judged[self.rank :: self.world]) / self.world
        if not torch.isfinite(loss):
            raise RuntimeError(f"expected a finite loss, found {loss.item()} at step {self.step}: lower --lr")
        loss.backward()
        parameters = self.parameters()
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        for parameter, gradient in zip(parameters, parallel.add_up(gradients), strict=True):
            parameter.grad = gradient
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in self.optimiser.param_groups:
            group["lr"] = self.args.lr * factor
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        with torch.no_grad():
            best = scores.masked_fill(
                ~mask & ~torch.nn.functional.one_hot(right.clamp(min=0), scores.shape[1]).bool(), -torch.inf
            )
            counted = right >= 0
            hit = (best.argmax(1) == right)[counted].float().mean()
        return loss.item(), hit.item()

    def express(self, batch: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """Expressions of the pairs' queries and fragments, each [count, dimension]."""
        (queries,) = self.reader.express([self.module], [pair.query for pair in batch], llora.QUERY)
        (fragments,) = self.reader.express([self.module], [pair.fragment for pair in batch], llora.FRAGMENT)
        return queries, fragments

    def hard_windows(self, own: Sequence[Pair], queries: Tensor) -> tuple[Tensor, Tensor | None]:
        """Places in the bank [count] and expressions [count, dimension] of windows for this process's pairs.

        Every process has as many; places of -1, whose rows are zeros, stand for windows that a repository lacks.
        """
        count = round(self.args.windows * len(own))
        if not count or not self.bank.windows:
            return torch.empty(0), None
        chosen = self.bank.choose(own, queries, self.args.windows)[:count]
        rows = torch.zeros(count, queries.shape[1], device=self.device)
        if chosen:
            (found,) = self.reader.express(
                [self.module], [self.bank.windows[place].fragment for place in chosen], llora.FRAGMENT
            )
            self.bank.keep(chosen, found)
            rows = torch.cat((found, rows[len(chosen) :]))
        return torch.tensor(chosen + [-1] * (count - len(chosen))), rows

    def judgement(self, judged: Sequence[Judged]) -> Tensor:
        """Loss of this process's judged contexts; the null vector stands for no fragment, whose gain is zero."""
        if not judged:
            return torch.zeros((), device=self.device)
        (queries,) = self.reader.express([self.module], [each.query for each in judged], llora.QUERY)
        flat = [row for each in judged for row in each.candidates]
        (fragments,) = self.reader.express([self.module], flat, llora.FRAGMENT)
        most = max(len(each.gains) for each in judged)
        gains = torch.full((len(judged), most), -torch.inf)
        columns = torch.zeros(len(judged), most, dtype=torch.int64)
        start = 0
        for row, each in enumerate(judged):
            count = len(each.gains)
            gains[row, :count] = torch.tensor(each.gains)
            columns[row, :count] = torch.arange(start, start + count)
            start += count
        scores = (queries @ fragments.T).gather(1, columns.to(self.device))
        if self.null.requires_grad:
            scores = torch.cat((scores, (queries @ self.null)[:, None]), 1)
            gains = torch.cat((gains, torch.zeros(len(judged), 1)), 1)
        return contrast.listwise(scores, gains.to(self.device), self.args.temperature, self.extra.gain_temperature)

    @torch.no_grad()
    def heldout_batch(self) -> dict[str, float]:
        """Loss and Recall@1 within one fixed batch of held-out pairs, the same at every call."""
        if self.rank or len(self.held) < 2:
            return {}
        batch = [pair for pair in self.held if pair.kind != "quiet"]
        batch = next(contrast.batches(batch, min(self.args.batch, len(batch)), self.args.group, 0))
        loss, recall = contrast.in_batch(*self.express(batch), batch, self.args.temperature)
        return {"loss": round(loss.item(), 4), "recall_at_1": round(recall, 4)}

    def finish(self) -> None:
        """Measures the adapters on held-out repositories, calibrates the null score, saves the stage and chooses among stages."""
        args = self.args
        found = need.groups(
            self.work / "corpus" / "heldout.jsonl", self.form, args.evaluation_cases, args.evaluation_pool, args.seed
        )
        null = self.null.detach() if self.null.requires_grad else None
        before, after = need.measure(self.reader, [self.untrained, self.module], found, [None, null])
        ranks = {"untrained": before.ranks(), "trained": after.ranks()}
        self.log(
            event="final",
            step=self.step,
            elapsed=round(self.elapsed, 1),
            **ranks,
            null_score=round(after.null_score, 4),
            calibration=after.calibration(),
        )
        vector = {} if null is None else {"nullVector": [round(value, 6) for value in null.tolist()]}
        self.module.save(
            self.work / "stages" / self.stage,
            queryTokens=args.query_tokens,
            importTokens=args.import_tokens,
            fragmentTokens=args.fragment_tokens,
            backbone=self.belongs,
            stage=self.stage,
            start=self.start,
            steps=self.step,
            pairs=args.pairs,
            temperature=args.temperature,
            **vector,
            nullScore=round(after.null_score, 4),
            nullScoreCalibration=after.calibration(),
            heldOut=ranks,
        )
        self.finished = True
        self.save()
        choose(self.work, self.backbone_path, None)

    def log(self, **values: Any) -> None:
        if self.rank:
            return
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S"), "stage": self.stage, **values}, default=str)
        with (self.work / "ing.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        print(line, flush=True)

    def kind(self) -> dict[str, Any]:
        """What a checkpoint must agree with to be gone on with."""
        names = (
            "rank",
            "alpha",
            "adapters",
            "layer_normalise",
            "project",
            "pool",
            "learn_layers",
            "query_tokens",
            "import_tokens",
            "fragment_tokens",
            "seed",
        )
        return {"backbone": self.belongs, "start": self.start, **{name: getattr(self.args, name) for name in names}}

    def save(self) -> None:
        """Writes the checkpoint, which replaces its older self in one step."""
        if self.rank:
            return
        self.checkpoint_path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.checkpoint_path.with_suffix(".tmp")
        torch.save(
            {
                "module": self.module.state_dict(),
                "null": self.null.detach(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "epoch": self.epoch,
                "taken": self.taken,
                "elapsed": self.elapsed,
                "kind": self.kind(),
                "finished": self.finished,
            },
            scratch,
        )
        os.replace(scratch, self.checkpoint_path)

    def resume(self) -> None:
        if not self.checkpoint_path.is_file():
            return
        saved = torch.load(self.checkpoint_path, map_location=self.device, weights_only=True)
        if saved["kind"] != self.kind():
            if self.rank == 0:
                print(
                    f"{self.stage}: the checkpoint belongs to another backbone, start or adapter; starting anew",
                    flush=True,
                )
            return
        self.module.load_state_dict(saved["module"])
        self.null.data.copy_(saved["null"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.epoch, self.taken = saved["step"], saved["epoch"], saved["taken"]
        self.elapsed, self.finished = saved["elapsed"], saved["finished"]
