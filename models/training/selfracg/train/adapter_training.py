"""Training of the retrieval adapters: pairs, hard windows, generations and rated contexts, a step of each stage.

`ing` trains on pairs alone; `stage2` adds the model's own generations and `utility` rated contexts.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from selfracg.data import pairs
from selfracg.data.pairs import Pair, Window
from selfracg.model import backbone, llora
from selfracg.train import contrast, need, parallel
from selfracg.train.row_files import draw_pairs, part_path, read_parts
from selfracg.train.stage_data import Extra, RatedContext, skip_batches
from selfracg.train.stages import begin_with, choose, fresh_adapter, prompt_format, reader, stage_folder
from selfracg.train.trainer import Trainer

# Options that a checkpoint must agree with to be continued.
FIXED_OPTIONS = ("rank", "alpha", "adapters", "query_tokens", "import_tokens", "fragment_tokens", "seed")


class AdapterTraining(Trainer):
    """Trains adapters and null vector beside the frozen backbone; ``stage`` names what it makes."""

    def __init__(
        self,
        args: argparse.Namespace,
        rank: int,
        world: int,
        stage: str,
        extra: Extra | None = None,
        began: float | None = None,
    ) -> None:
        super().__init__(args, rank, world, stage, "ing.jsonl", began)
        self.extra = extra or Extra()
        self.backbone_path = Path(args.backbone or self.work / "backbone")
        self.belongs = backbone.checksum(self.backbone_path)
        model = backbone.placed(backbone.load(self.backbone_path), self.device)
        self.form = prompt_format(args, backbone.tokenizer_file(self.backbone_path, self.work))
        self.reader = reader(args, model, self.device)
        self.module, self.null = self.fresh(model)
        self.untrained, _ = self.fresh(model)
        self.null.requires_grad_(args.no_need_share > 0)
        # Digest of the adapter that this run starts from, empty for a fresh one.
        self.start = ""
        if args.start not in (None, "none"):
            folder = stage_folder(self.work, args.start)
            self.start = begin_with(self.module, self.null, folder, self.belongs)
        self.optimiser = torch.optim.AdamW(self.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01)
        # Passes over the pairs, and steps of the present one.
        self.epoch, self.taken = 0, 0
        self.drawn: list[Pair] = []
        self.held: list[Pair] = []
        self.bank = contrast.WindowBank([], args.seed)
        self.total = self.hits = 0.0
        self.resume()
        self.logged_step = self.step

    def fresh(self, model: Any) -> tuple[llora.LLoRA, nn.Parameter]:
        """A fresh adapter, always the same one, and a null vector that nothing needs yet."""
        module = fresh_adapter(self.args, model).to(self.device)
        return module, nn.Parameter(torch.zeros(module.dimension, device=self.device))

    def parameters(self) -> list[nn.Parameter]:
        """What is trained."""
        return [*self.module.parameters(), *([self.null] if self.null.requires_grad else [])]

    def unit_budget(self) -> float | None:
        return self.args.steps

    def already_finished(self) -> None:
        choose(self.work, self.backbone_path, None)

    def prepare(self) -> None:
        self.stream = self.upcoming()
        self.batch: tuple[list[Pair], list[RatedContext]] | None = next(self.stream)
        self.log(
            event="start",
            step=self.step,
            pairs=len(self.drawn),
            windows=len(self.bank.windows),
            own=len(self.extra.own),
            rated=len(self.extra.rated),
            backbone=self.belongs[:16],
            start=self.start[:16],
            parameters=sum(parameter.numel() for parameter in self.parameters()),
            processes=self.world,
            options={key: value for key, value in vars(self.args).items() if key != "default_steps"},
        )

    def draw(self) -> None:
        """Draws this pass's pairs, with windows of their repositories, and once the held-out pairs."""
        tokenizer = backbone.tokenizer_file(self.backbone_path, self.work)
        for split, epoch in (("heldout", 0), ("train", self.epoch)):
            if split == "train" or self.rank == 0:
                draw_pairs(self.args, self.form, tokenizer, split, epoch, self.rank, self.world)
        rows = read_parts(self.work, f"train-{self.epoch}", self.world)
        self.drawn = [row for row in rows if isinstance(row, Pair)]
        self.bank = contrast.WindowBank([row for row in rows if isinstance(row, Window)], self.args.seed + self.rank)
        if self.rank == 0 and not self.held:
            held = pairs.read(part_path(self.work, "heldout-0", 0, 1))
            self.held = [row for row in held if isinstance(row, Pair)]

    def upcoming(self) -> Iterator[tuple[list[Pair], list[RatedContext]]]:
        """Endless steps from the present position: pairs, new ones in every pass, and rated contexts."""
        args, extra = self.args, self.extra
        # As many for every process, and no more than there are.
        own = min(round(args.batch * extra.own_share), len(extra.own)) // self.world * self.world
        generated = skip_batches(extra.own, own, args.seed, self.step)
        rated = skip_batches(extra.rated, extra.rated_count, args.seed, self.step)
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
                yield batch + (next(generated) if own else []), next(rated) if extra.rated else []
            self.epoch, self.taken = self.epoch + 1, 0

    def train_step(self, factor: float) -> None:
        batch, rated = self.batch or next(self.stream)
        self.batch = None
        loss, right = self.optimise(batch, rated, factor)
        self.taken += 1
        self.total += loss
        self.hits += right

    def log_progress(self, seconds: float, factor: float, done: float) -> None:
        count = self.step - self.logged_step
        self.log(
            event="train",
            step=self.step,
            progress=round(done, 4),
            loss=round(self.total / count, 4),
            recall_at_1=round(self.hits / count, 4),
            elapsed=round(self.elapsed, 1),
            pairs_per_second=round(count * self.args.batch / seconds, 1),
        )
        self.logged_step, self.total, self.hits = self.step, 0.0, 0.0

    def evaluate_between(self, saved: bool) -> None:
        if saved:
            self.log(event="heldout", step=self.step, **self.heldout_batch())

    def optimise(self, batch: list[Pair], rated: list[RatedContext], factor: float) -> tuple[float, float]:
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
        if rated:
            loss = loss + self.rating_loss(rated[self.rank :: self.world]) / self.world
        if not torch.isfinite(loss):
            raise RuntimeError(f"expected a finite loss, found {loss.item()} at step {self.step}: lower --lr")
        loss.backward()
        self.reduce_gradients()
        torch.nn.utils.clip_grad_norm_(self.parameters(), 1.0)
        self.apply(self.optimiser, self.args.lr * factor)
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

    def rating_loss(self, rated: Sequence[RatedContext]) -> Tensor:
        """Loss of this process's rated contexts; the null vector stands for no fragment, whose gain is zero."""
        if not rated:
            return torch.zeros((), device=self.device)
        (queries,) = self.reader.express([self.module], [each.query for each in rated], llora.QUERY)
        flat = [row for each in rated for row in each.candidates]
        (fragments,) = self.reader.express([self.module], flat, llora.FRAGMENT)
        max_candidates = max(len(each.gains) for each in rated)
        gains = torch.full((len(rated), max_candidates), -torch.inf)
        columns = torch.zeros(len(rated), max_candidates, dtype=torch.int64)
        start = 0
        for row, each in enumerate(rated):
            count = len(each.gains)
            gains[row, :count] = torch.tensor(each.gains)
            columns[row, :count] = torch.arange(start, start + count)
            start += count
        scores = (queries @ fragments.T).gather(1, columns.to(self.device))
        if self.null.requires_grad:
            scores = torch.cat((scores, (queries @ self.null)[:, None]), 1)
            gains = torch.cat((gains, torch.zeros(len(rated), 1)), 1)
        return contrast.listwise(scores, gains.to(self.device), self.args.temperature, self.extra.gain_temperature)

    @torch.no_grad()
    def heldout_batch(self) -> dict[str, float]:
        """Loss and Recall@1 within one fixed batch of held-out pairs, the same at every call."""
        if self.rank or len(self.held) < 2:
            return {}
        batch = [pair for pair in self.held if pair.kind != "no-need"]
        batch = next(contrast.batches(batch, min(self.args.batch, len(batch)), self.args.group, 0))
        loss, recall = contrast.in_batch(*self.express(batch), batch, self.args.temperature)
        return {"loss": round(loss.item(), 4), "recall_at_1": round(recall, 4)}

    def finish(self) -> None:
        """Measures the adapters on held-out repositories, calibrates the null score, saves the stage and chooses among stages."""
        if self.rank:
            return
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
            self.work / "stages" / self.name,
            queryTokens=args.query_tokens,
            importTokens=args.import_tokens,
            fragmentTokens=args.fragment_tokens,
            backbone=self.belongs,
            stage=self.name,
            start=self.start,
            steps=self.step,
            pairs=args.pairs,
            temperature=args.temperature,
            **vector,
            nullScore=round(after.null_score, 4),
            nullScoreCalibration=after.calibration(),
            heldOut=ranks,
        )
        choose(self.work, self.backbone_path, None)

    def kind(self) -> dict[str, Any]:
        """What a checkpoint must agree with to be continued."""
        options = {name: getattr(self.args, name) for name in FIXED_OPTIONS}
        return {"backbone": self.belongs, "start": self.start, **options}

    def state(self) -> dict[str, Any]:
        return {
            "module": self.module.state_dict(),
            "null": self.null.detach(),
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch,
            "taken": self.taken,
            "kind": self.kind(),
        }

    def load_state(self, saved: dict[str, Any]) -> bool:
        if saved["kind"] != self.kind():
            return False
        self.module.load_state_dict(saved["module"])
        self.null.data.copy_(saved["null"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.epoch, self.taken = saved["epoch"], saved["taken"]
        return True
