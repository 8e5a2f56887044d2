"""Command `full-scale`: from bundles of training data to bundles of a trained model, on a GPU machine without network.

One command, started again until it says that it is finished: each call joins the parts that have arrived, goes on with
the training where the last call ended, and ends before its own time is over. Every stage runs as a process of its own and
saves its state when it is asked to stop, so nothing is lost between calls but the seconds of starting up.

Reads  PARTS/*.json and their parts (see `bundle`): shards/, tokenizer/, corpus/ (without shards, they are packed here).
Writes WORK/ (see the commands it runs), WORK/full-scale.json (what is finished), WORK/full-scale.jsonl (a line for each
       stage and call), OUT/logs.* after every call, and at the end OUT/model.*: backbone, adapters, logs, figures.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import bundle, parallel
from .pretrain import INTERRUPTED, TO_BE_CONTINUED

# Seconds that a stage is given to save its state, and the fewest with which one is started.
GRACE, LEAST = 25.0, 30.0
LOGS = ("pretrain.jsonl", "ing.jsonl", "full-scale.jsonl", "figures")
MODEL = ("backbone", "llora", "stages", *LOGS)
# The default model at full scale: 44 million parameters.
SIZES = {"hidden": 512, "layers": 12, "query-heads": 8, "key-value-heads": 4, "intermediate": 1408}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `full-scale`."""
    parser.add_argument(
        "--parts", type=Path, default=None, help="folder of the bundles that have arrived (default: WORK/parts)"
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="folder for the bundles of results (default: WORK/results)"
    )
    parser.add_argument(
        "--call-minutes", type=float, default=9.0, help="end this call after so long; 0: run to the end"
    )
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rows", type=int, default=128, help="rows a step of pretraining")
    parser.add_argument("--micro-rows", type=int, default=32, help="rows a forward pass of pretraining")
    parser.add_argument(
        "--tokens",
        type=float,
        default=None,
        help="end pretraining after this many tokens, if its minutes are not over before",
    )
    parser.add_argument("--pretrain-minutes", type=float, default=15.0)
    parser.add_argument("--stage1-minutes", type=float, default=4.0)
    parser.add_argument("--stage2-minutes", type=float, default=2.0)
    parser.add_argument("--utility-minutes", type=float, default=1.5)
    parser.add_argument("--batch", type=int, default=256, help="pairs a step of the adapters' stages")
    parser.add_argument(
        "--measures",
        nargs="*",
        default=["measure stages --limit 60"],
        metavar="COMMAND",
        help="commands run at the end; one that fails is noted and holds up nothing",
    )
    parser.add_argument("--measure-minutes", type=float, default=2.0, help="most minutes of all measures together")
    parser.add_argument("--pack-length", type=int, default=2048, help="tokens a row, where rows are packed here")
    parser.add_argument("--pack-epochs", type=int, default=3, help="passes with other cuts, where rows are packed here")
    parser.add_argument("--part-mib", type=float, default=15.5, help="most MiB of a part of the results")
    parser.add_argument("--result-parts", default=None, metavar="K..M", help="write these parts of the results alone")


def run(args: argparse.Namespace) -> int:
    """Goes on with the training. Returns 0 when finished, 75 when to be called again, else the status of what failed."""
    args.work = Path(args.work).resolve()
    if args.smoke:
        begin_smoke(args)
    return Run(args).go()


def begin_smoke(args: argparse.Namespace) -> None:
    """Tiny sizes, and data made here and carried over in parts as it would be."""
    source, args.parts = args.work / "source", args.work / "parts"
    if not (args.parts / "data.json").is_file():
        for command in ("corpus", "tokenizer", "pack"):
            status = subprocess.run(python(command, "--work", str(source), "--smoke"), cwd=home()).returncode
            if status:
                raise RuntimeError(f"expected `{command} --smoke` to succeed, found status {status}: see above")
        bundle.pack(source, ["corpus", "tokenizer", "shards"], args.parts, "data", 1 << 20, processes=1)
    args.out = args.out or args.work / "results"
    args.work = args.work / "machine"
    args.pretrain_minutes = min(args.pretrain_minutes, 0.15)
    args.rows, args.micro_rows = min(args.rows, 16), min(args.micro_rows, 8)
    args.measures = []
    args.part_mib = 1.0


def home() -> Path:
    """The folder that holds this package."""
    return Path(__file__).resolve().parent.parent


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", __package__, *arguments]


class Run:
    """One call: what is finished, what is left, and until when."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.work = args, args.work
        self.began = time.monotonic()
        self.deadline = self.began + args.call_minutes * 60 if args.call_minutes else float("inf")
        self.parts = Path(args.parts or self.work / "parts")
        self.out = Path(args.out or self.work / "results")
        self.work.mkdir(parents=True, exist_ok=True)
        self.note = self.work / "full-scale.json"
        self.state: dict[str, Any] = {"finished": [], "failed": [], "seconds": {}}
        if self.note.is_file():
            self.state = json.loads(self.note.read_text(encoding="utf-8"))

    def go(self) -> int:
        args = self.args
        adapters = ["--batch", str(args.batch), "--device", args.device]
        stages: list[tuple[str, Callable[[], int], bool]] = [
            ("join", self.join, True),
            ("pack", self.pack, True),
            ("pretrain", self.pretrain, True),
            ("halve", self.halve, True),
            ("stage1", lambda: self.command("ing", "--minutes", str(args.stage1_minutes), *adapters), True),
            ("stage2", lambda: self.command("stage2", "--minutes", str(args.stage2_minutes), *adapters), False),
            ("utility", lambda: self.command("utility", "--minutes", str(args.utility_minutes), *adapters), False),
            ("measures", self.measures, False),
        ]
        status = 0
        for name, work, needed in stages:
            if name in self.state["finished"]:
                continue
            if name != "join" and self.left() < LEAST:
                status = TO_BE_CONTINUED
                break
            status = self.stage(name, work, needed)
            if status:
                break
        if status == 0:
            self.pack_results("model", MODEL)
        else:
            self.pack_results("logs", LOGS)
        left = [name for name, _, _ in stages if name not in self.state["finished"]]
        word = {0: "finished", TO_BE_CONTINUED: f"to be continued by the same command ({', '.join(left)})"}.get(
            status, "failed"
        )
        print(f"full-scale: {word}; this call took {time.monotonic() - self.began:.0f} s", flush=True)
        return status

    def left(self) -> float:
        """Seconds of this call that a stage may still use."""
        return self.deadline - time.monotonic() - GRACE

    def stage(self, name: str, work: Callable[[], int], needed: bool) -> int:
        """Runs a stage and notes how it went. A failure ends the call only where what follows needs the stage."""
        began = time.monotonic()
        print(f"== {name}", flush=True)
        status = work()
        seconds = time.monotonic() - began
        self.state["seconds"][name] = round(self.state["seconds"].get(name, 0.0) + seconds, 1)
        if status in (0, TO_BE_CONTINUED):
            again = status == TO_BE_CONTINUED
        elif status in (INTERRUPTED, -signal.SIGTERM, -signal.SIGKILL):
            status, again = TO_BE_CONTINUED, True
        else:
            again = needed
            self.state["failed"].append({"stage": name, "status": status})
            if not needed:
                print(f"full-scale: {name} failed with status {status}; going on without it", flush=True)
                status = 0
        if not again:
            self.state["finished"].append(name)
        scratch = self.note.with_suffix(".tmp")
        scratch.write_text(json.dumps(self.state, indent=1) + "\n", encoding="utf-8")
        scratch.replace(self.note)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S"),
            "stage": name,
            "seconds": round(seconds, 1),
            "finished": not again,
            "status": status,
        }
        with (self.work / "full-scale.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        # Parts may still arrive with a later call.
        return 0 if name == "join" else status

    def join(self) -> int:
        """Takes over what has arrived; there may be more another time."""
        indexes = sorted(self.parts.glob("*.json"))
        if not indexes and not (self.work / "tokenizer").is_dir():
            raise FileNotFoundError(
                f"expected bundles in {self.parts}, found no index: bring NAME.json and its parts there"
            )
        joined = [bundle.join(self.parts, self.work, index.stem) for index in indexes]
        for index, found in zip(indexes, joined):
            print(f"full-scale: {found.done} of {found.parts} parts of {index.stem} are here", flush=True)
        return 0 if all(found.done == found.parts for found in joined) else TO_BE_CONTINUED

    def pack(self) -> int:
        """Packs rows here where only text has come."""
        shards = self.work / "shards"
        if any((shards / name).is_file() for name in ("train.npy", "train.npy.partial")):
            return 0
        return self.command(
            "pack",
            "--length",
            str(self.args.pack_length),
            "--epochs",
            str(self.args.pack_epochs),
            "--processes",
            str(parallel.available_cores()),
        )

    def pretrain(self) -> int:
        args = self.args
        sizes = [text for name in SIZES for text in (f"--{name}", str(getattr(args, name.replace("-", "_"))))]
        budget = [
            "--minutes",
            str(args.pretrain_minutes),
            *([] if args.tokens is None else ["--tokens", str(args.tokens)]),
        ]
        return self.command(
            "pretrain",
            *sizes,
            *budget,
            "--rows",
            str(args.rows),
            "--micro-rows",
            str(args.micro_rows),
            "--device",
            args.device,
            "--checkpoint-minutes",
            "3",
            "--evaluate-minutes",
            "5",
            "--final-rows",
            "512",
            "--warmup-steps",
            "100",
        )

    def halve(self) -> int:
        """Rounds the backbone's weights to float16, as they are carried and shipped; the adapters are trained on what ships."""
        import torch

        from . import backbone

        model = backbone.load(self.work / "backbone")
        peak = max(parameter.abs().max().item() for parameter in model.parameters())
        if not peak < torch.finfo(torch.float16).max:
            raise ValueError(f"expected weights that fit float16, found one of {peak}: pretraining went astray")
        backbone.save(model.half(), self.work / "backbone")
        return 0

    def measures(self) -> int:
        """Runs the measuring commands, each with what is left of their time."""
        until = time.monotonic() + self.args.measure_minutes * 60
        for line in self.args.measures:
            status = self.command(*line.split(), "--device", self.args.device, most=until - time.monotonic())
            if status:
                print(f"full-scale: `{line}` ended with status {status}", flush=True)
                self.state["failed"].append({"stage": line, "status": status})
        return 0

    def command(self, name: str, *arguments: str, most: float = float("inf")) -> int:
        """One command of this package in a process of its own, asked to stop when the call's time is over. Its status."""
        line = python(name, "--work", str(self.work), *arguments, *(["--smoke"] if self.args.smoke else []))
        environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(self.work / "compiled"), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(line, cwd=home(), env=environment, start_new_session=True)
        seconds = min(self.left(), most)
        try:
            return process.wait(None if seconds == float("inf") else max(0.0, seconds))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    def pack_results(self, name: str, paths: tuple[str, ...]) -> None:
        there = [path for path in paths if (self.work / path).exists()]
        wanted = None
        if self.args.result_parts:
            first, _, last = self.args.result_parts.partition("..")
            wanted = range(int(first), int(last or first) + 1)
        if there:
            bundle.pack(self.work, there, self.out, name, int(self.args.part_mib * bundle.MIB), wanted)
