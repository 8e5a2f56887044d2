"""One training run: budget, schedule, signals, log and checkpoints. Its subclasses say what a step is."""

from __future__ import annotations

import argparse
import json
import signal
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from selfracg.files import replaced
from selfracg.train import parallel

INTERRUPTED = 143


def progress(units: float, elapsed: float, unit_budget: float | None, second_budget: float | None) -> float:
    """Share of the run that is done, 0..1, by whichever budget is nearer its end. Units are steps or tokens."""
    shares = [0.0]
    if unit_budget:
        shares.append(units / unit_budget)
    if second_budget:
        shares.append(elapsed / second_budget)
    return min(1.0, max(shares))


def rate(step: int, done: float, warmup: int, decay: float) -> float:
    """A multiple of the peak learning rate: warm-up, then stable, then linear decay over the last ``decay`` of the run."""
    rising = min(1.0, (step + 1) / max(1, warmup))
    falling = min(1.0, (1.0 - done) / decay) if decay > 0 else 1.0
    return rising * max(0.0, falling)


class Trainer:
    """A resumable run. Rank 0 decides, logs, measures and saves; all ranks compute.

    Options that it reads: minutes, warmup_steps, decay, log_seconds, checkpoint_minutes. ``began`` is when the budget's clock started, for runs that prepare their data before.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        rank: int,
        world: int,
        name: str,
        log_name: str,
        began: float | None = None,
    ) -> None:
        self.args, self.rank, self.world, self.name = args, rank, world, name
        self.began = time.monotonic() if began is None else began
        self.work = Path(args.work)
        self.device = parallel.choose_device(args.device)
        self.checkpoint_path = self.work / "checkpoints" / f"{name}.pt"
        self.log_path = self.work / log_name
        self.step = 0
        self.elapsed = 0.0
        self.finished = False
        self.stop = False

    # What a run defines.

    def units(self) -> float:
        """How many of the budget's units (steps or tokens) are done."""
        return self.step

    def unit_budget(self) -> float | None:
        """The budget in units; None for a run that ends by the clock alone."""
        return None

    def parameters(self) -> list[torch.nn.Parameter]:
        """What is trained."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Runs once before the first step."""

    def train_step(self, factor: float) -> None:
        """One step at ``factor`` of the peak learning rate; raises ``self.step`` by one."""
        raise NotImplementedError

    def log_progress(self, seconds: float, factor: float, done: float) -> None:
        """Logs what the steps of the last ``seconds`` came to."""

    def check(self) -> None:
        """Raises where a step went wrong, before anything is saved."""

    def evaluate_between(self, saved: bool) -> None:
        """Measures between two steps; ``saved`` says whether a checkpoint was written just now."""

    def finish(self) -> None:
        """Runs once after the last step, when the weights are safe."""

    def already_finished(self) -> None:
        """Runs where a call finds the run finished."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds besides step, elapsed and finished."""
        raise NotImplementedError

    def load_state(self, saved: dict[str, Any]) -> bool:
        """Takes over a checkpoint's state. Returns False for one of another run, which is then ignored."""
        raise NotImplementedError

    # What every run shares.

    def train(self) -> int:
        """Runs to the end of the budget (0), or until a signal asks it to stop (143)."""
        if self.finished:
            if self.rank == 0:
                print(f"{self.name}: already finished; remove {self.checkpoint_path} to start anew")
                self.already_finished()
            return 0
        if self.rank:
            return self._loop()
        previous = {number: signal.signal(number, self.request_stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._loop()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def request_stop(self, _number: int, _frame: Any) -> None:
        """Ends the run after the step at hand."""
        self.stop = True

    def _loop(self) -> int:
        args = self.args
        seconds = args.minutes * 60 if args.minutes else None
        self.prepare()
        last = self.began
        logged = checkpointed = self.elapsed
        while True:
            now = time.monotonic()
            self.elapsed += now - last
            last = now
            # One clock for all: the first process's.
            self.elapsed, stop = parallel.decide(self.elapsed, float(self.stop))
            done = progress(self.units(), self.elapsed, self.unit_budget(), seconds)
            if stop or done >= 1.0:
                break
            factor = rate(self.step, done, args.warmup_steps, args.decay)
            self.train_step(factor)
            if self.elapsed - logged >= args.log_seconds:
                self.log_progress(self.elapsed - logged, factor, done)
                logged = self.elapsed
            save = self.elapsed - checkpointed >= args.checkpoint_minutes * 60
            if save:
                self.save()
                checkpointed = self.elapsed
            self.evaluate_between(save)
        self.save()
        if stop:
            self.log(event="interrupted", step=self.step, elapsed=round(self.elapsed, 1))
            return INTERRUPTED
        self.finish()
        self.finished = True
        self.save()
        self.log(event="end", step=self.step, elapsed=round(self.elapsed, 1))
        return 0

    def reduce_gradients(self, *sums: Tensor) -> list[Tensor]:
        """Adds up the parameters' gradients over the processes, and ``sums`` with them, which it returns."""
        parameters = self.parameters()
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        added = parallel.add_up([*gradients, *sums])
        for parameter, gradient in zip(parameters, added, strict=False):
            parameter.grad = gradient
        return added[len(parameters) :]

    @staticmethod
    def apply(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
        """One step of an optimiser at a learning rate, and no gradients left."""
        for group in optimiser.param_groups:
            group["lr"] = learning_rate
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    def log(self, **values: Any) -> None:
        """Appends a line to the log and prints it."""
        if self.rank:
            return
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S"), "stage": self.name, **values}, default=str)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        print(line, flush=True)

    def save(self) -> None:
        """Writes the checkpoint, which replaces its older self in one step."""
        self.check()
        if self.rank:
            return
        own = {"step": self.step, "elapsed": self.elapsed, "finished": self.finished}
        with replaced(self.checkpoint_path) as scratch:
            torch.save({**self.state(), **own}, scratch)

    def resume(self) -> None:
        """Continues from the checkpoint, where there is one of this run."""
        if not self.checkpoint_path.is_file():
            return
        saved = torch.load(self.checkpoint_path, map_location=self.device, weights_only=True)
        if self.load_state(saved):
            self.step, self.elapsed, self.finished = saved["step"], saved["elapsed"], saved["finished"]
        elif self.rank == 0:
            print(f"{self.name}: the checkpoint belongs to another run; starting anew", flush=True)
