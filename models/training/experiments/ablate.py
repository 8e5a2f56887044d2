"""Command `ablate`: compares ways to express a need with the default, on held-out repositories.

Every variant trains an adapter for the same number of steps on the same pairs from the same seed. Variants that read the
same token rows share the frozen backbone's pass, which is most of the cost. Compared by MRR@10 on held-out cross-file
tasks, difference to the default with a bootstrap interval over repositories. Resumable: a finished group of variants is
stored in ablation/ and not trained again.

Reads  corpus/, tokenizer/, backbone/. Writes ablation/*.json, figures/ablation-expression.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from selfracg import intervals, tables
from selfracg.data import crossfile, pair_sampler, pairs, prompt_layout
from selfracg.data.pairs import Pair
from selfracg.files import sha256
from selfracg.model import backbone, llora
from selfracg.model.expressions import Reader
from selfracg.train import contrast, need, parallel, stages
from selfracg.train.trainer import rate

TABLE = "ablation-expression"
DEFAULT = "default"


@dataclass(frozen=True)
class Variant:
    """One way to express: how it differs from the default, and the question (``point``) that it answers.

    ``options`` are those of LLoRA. ``limits``: query, import and fragment tokens; variants with equal limits share their passes.
    """

    point: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)
    limits: tuple[int, int, int] = (pairs.QUERY_TOKENS, pairs.IMPORT_TOKENS, pairs.FRAGMENT_TOKENS)
    temperature: float = 0.03
    null: bool = True


def variants() -> list[Variant]:
    """Every variant, the default first. Sizes of the default are those of the trained model."""
    query, imports, fragment = pairs.QUERY_TOKENS, pairs.IMPORT_TOKENS, pairs.FRAGMENT_TOKENS
    return [
        Variant("", DEFAULT),
        Variant("adapters", "shared by query and fragment", {"adapters": "shared"}),
        Variant("fragment is read at", "mean over its tokens", {"pool": "mean"}),
        Variant("L2 normalisation", "none", {"normalise": False}, temperature=0.5),
        Variant("per-layer normalisation", "each layer to length 1", {"layer_normalise": True}),
        Variant("layer weights", "learned", {"learn_layers": True}),
        Variant("layer weights", "learned, each layer to length 1", {"learn_layers": True, "layer_normalise": True}),
        Variant("output projection", "none", {"project": False}),
        Variant("output projection", "none, each layer to length 1", {"project": False, "layer_normalise": True}),
        Variant("output projection", "none, fragment as the mean over its tokens", {"project": False, "pool": "mean"}),
        Variant("rank", "4", {"rank": 4, "alpha": 8.0}),
        Variant("rank", "32", {"rank": 32, "alpha": 64.0}),
        Variant("rank", "64", {"rank": 64, "alpha": 128.0}),
        Variant("temperature", "0.02", temperature=0.02),
        Variant("temperature", "0.05", temperature=0.05),
        Variant("null vector", "none", null=False),
        Variant("fragment tokens", "64", limits=(query, imports, 64)),
        Variant("fragment tokens", "256", limits=(query, imports, 256)),
        Variant("query", "192 tokens, no imports", limits=(192, 0, fragment)),
        Variant("query", "384 tokens and imports", limits=(384, imports, fragment)),
        Variant("query", "512 tokens, no imports", limits=(512, 0, fragment)),
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `ablate`."""
    parser.add_argument(
        "--minutes", type=float, default=None, help="end by the clock at the next whole group; a later call goes on"
    )
    parser.add_argument("--points", nargs="*", default=None, metavar="POINT", help="decide these points alone")
    parser.add_argument("--steps", type=int, default=120, help="steps of every variant")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--group", type=int, default=32)
    parser.add_argument("--windows", type=float, default=0.5)
    parser.add_argument("--micro", type=int, default=32)
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--together", type=int, default=8, help="variants that share a pass at most, for memory's sake")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--evaluation-cases", type=int, default=48, help="held-out tasks a language")
    parser.add_argument("--evaluation-pool", type=int, default=200, help="fragments a held-out repository offers")


def run(args: argparse.Namespace) -> int:
    """Trains what has not been trained yet and prints the table. Returns 0."""
    started = time.monotonic()
    if args.smoke:
        args.steps, args.batch, args.group, args.micro, args.compile = min(args.steps, 2), 16, 8, 16, False
        args.evaluation_cases, args.evaluation_pool = 2, 16
        args.points = ["rank", "null vector"] if args.points is None else args.points
    work = Path(args.work)
    stages.require(work)
    chosen = [each for each in variants() if each.point == "" or args.points is None or each.point in args.points]
    results = Results(work, args)
    for limits in dict.fromkeys(each.limits for each in chosen):
        waiting = [each for each in chosen if each.limits == limits and results.get(each) is None]
        for start in range(0, len(waiting), args.together):
            if args.minutes is not None and time.monotonic() - started > 60 * args.minutes:
                break
            part = waiting[start : start + args.together]
            print(
                f"ablate: {args.steps} steps of {', '.join(f'{each.point} {each.name}'.strip() for each in part)}",
                flush=True,
            )
            for each, found in zip(part, train(args, limits, part), strict=True):
                results.put(each, found)
    table = tabulate(chosen, results, args, tables.of_backbone(work / "backbone"))
    if table is None:
        print("ablate: the default has not been trained yet; call again with more --minutes")
        return 0
    table.save(work)
    print(table.markdown())
    return 0


class Results:
    """The figures of each variant in its own file, with a key of everything that they depend on."""

    def __init__(self, work: Path, args: argparse.Namespace) -> None:
        self.folder = work / "ablation"
        names = ("steps", "batch", "group", "windows", "lr", "seed", "evaluation_cases", "evaluation_pool")
        self.key = {
            "backbone": sha256(work / "backbone" / "model.safetensors"),
            "corpus": (work / "corpus" / "train.jsonl").stat().st_size,
            **{name: getattr(args, name) for name in names},
        }

    def _key(self, variant: Variant) -> dict[str, Any]:
        own = {
            "options": variant.options,
            "limits": list(variant.limits),
            "temperature": variant.temperature,
            "null": variant.null,
        }
        return {**self.key, **own}

    def _path(self, variant: Variant) -> Path:
        text = f"{variant.point}-{variant.name}" if variant.point else variant.name
        return self.folder / ("".join(letter if letter.isalnum() else "-" for letter in text) + ".json")

    def get(self, variant: Variant) -> dict[str, Any] | None:
        """The variant's figures, or None where there are none for these options."""
        path = self._path(variant)
        if not path.is_file():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found if found.pop("key") == self._key(variant) else None

    def put(self, variant: Variant, found: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path(variant).write_text(json.dumps({"key": self._key(variant), **found}) + "\n", encoding="utf-8")


@dataclass
class Student:
    """A variant in training."""

    variant: Variant
    module: llora.LLoRA
    null: nn.Parameter
    optimiser: torch.optim.Optimizer


def train(args: argparse.Namespace, limits: tuple[int, int, int], chosen: Sequence[Variant]) -> list[dict[str, Any]]:
    """Trains variants side by side on the same batches. Returns the figures of each."""
    work, device = Path(args.work), parallel.choose_device(args.device)
    source = work / "backbone"
    model = backbone.placed(backbone.load(source), device)
    form = pairs.prompt_format(prompt_layout.load_tokenizer(backbone.tokenizer_file(source, work)), *limits)
    reader = Reader(model, args.micro, device, args.compile, (limits[0] + limits[1], limits[2]))
    students = []
    for variant in chosen:
        torch.manual_seed(args.seed)
        module = llora.LLoRA(model, **{"rank": 16, "alpha": 32.0, **variant.options}).to(device)
        null = nn.Parameter(torch.zeros(module.dimension, device=device))
        optimiser = torch.optim.AdamW([*module.parameters(), null], lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01)
        students.append(Student(variant, module, null, optimiser))
    wanted = pair_sampler.Draw(
        round(args.steps * args.batch * 1.1) + 2 * args.batch, "both", args.seed, 0.12, 64 if args.windows else 0
    )
    rows = list(pair_sampler.draw(work / "corpus" / "train.jsonl", form, wanted))
    drawn = [row for row in rows if isinstance(row, Pair)]
    windows = contrast.WindowBank([row for row in rows if isinstance(row, pairs.Window)], args.seed)
    began = time.monotonic()
    step = 0
    while step < args.steps:
        for batch in contrast.batches(drawn, min(args.batch, len(drawn)), args.group, args.seed + step):
            for student in students:
                for group in student.optimiser.param_groups:
                    group["lr"] = args.lr * rate(step, step / args.steps, 8, 0.7)
            learn(args, reader, students, batch, windows)
            step += 1
            if step % 20 == 0 or step == args.steps:
                print(f"ablate: step {step} of {args.steps}, {time.monotonic() - began:.0f} s", flush=True)
            if step == args.steps:
                break
    found = need.groups(work / "corpus" / "heldout.jsonl", form, args.evaluation_cases, args.evaluation_pool, args.seed)
    nulls = [student.null.detach() if student.variant.null else None for student in students]
    out = []
    for student, measured in zip(
        students, need.measure(reader, [each.module for each in students], found, nulls), strict=True
    ):
        weights = student.module.layer_weights()
        out.append(
            {
                "ranks": measured.ranks(),
                "reciprocal": crossfile.reciprocal(measured.hits),
                "repositories": measured.repositories,
                "separation": need.separation(measured.with_need, measured.without_need),
                "layerWeights": None if weights is None else [round(weight, 4) for weight in weights.tolist()],
            }
        )
    return out


def learn(
    args: argparse.Namespace,
    reader: Reader,
    students: Sequence[Student],
    batch: list[Pair],
    windows: contrast.WindowBank,
) -> None:
    """One step of every student over the same frozen passes and the same random windows."""
    modules = [student.module for student in students]
    chosen = windows.choose(batch, torch.empty(0), args.windows, hard=0.0) if args.windows else []
    candidates: list[Pair | pairs.Window] = [*batch, *(windows.windows[place] for place in chosen)]
    queries = reader.express(modules, [pair.query for pair in batch], llora.QUERY)
    fragments = reader.express(modules, [each.fragment for each in candidates], llora.FRAGMENT)
    mask = contrast.wrong(batch, candidates).to(reader.device)
    for student, asked, offered in zip(students, queries, fragments, strict=True):
        scores: Tensor = asked @ offered.T
        own, null = mask, None
        if student.variant.null:
            null = scores.shape[1]
            scores = torch.cat((scores, (asked @ student.null)[:, None]), 1)
            own = torch.cat((mask, contrast.null_counts(batch)[:, None].to(reader.device)), 1)
        right = contrast.targets(batch, null).to(reader.device)
        loss = contrast.info_nce(scores, own, right, student.variant.temperature)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*student.module.parameters(), student.null], 1.0)
        student.optimiser.step()
        student.optimiser.zero_grad(set_to_none=True)


def tabulate(
    chosen: Sequence[Variant], results: Results, args: argparse.Namespace, model: tables.Measured
) -> tables.Table | None:
    """The table of what has been trained so far; None before the default has been."""
    reference = results.get(chosen[0])
    if reference is None:
        return None
    rows: list[Sequence[str]] = []
    figures: list[dict[str, Any]] = []
    for each in chosen:
        found = results.get(each)
        if found is None:
            continue
        ranks = found["ranks"]
        entry = {
            "point": each.point,
            "variant": each.name,
            "mrr": ranks["mrr_at_10"],
            "interval": [ranks["low"], ranks["high"]],
            "recall": {k: ranks[f"recall_at_{k}"] for k in (1, 5, 10)},
            "cases": ranks["cases"],
            "separation": found["separation"],
            "layerWeights": found["layerWeights"],
        }
        difference = "reference"
        if each.point and found["repositories"] == reference["repositories"]:
            moved = intervals.mean(
                np.array(found["reciprocal"]) - np.array(reference["reciprocal"]), found["repositories"]
            )
            entry["difference"] = [moved.value, moved.low, moved.high]
            difference = f"{moved.value:+.3f} ({moved.low:+.3f} to {moved.high:+.3f})"
        figures.append(entry)
        rows.append(
            [
                each.point or "all",
                each.name,
                f"{ranks['mrr_at_10']:.3f} ({ranks['low']:.3f} to {ranks['high']:.3f})",
                difference,
                f"{ranks['recall_at_10']:.3f}",
                f"{found['separation']:.3f}" if each.null else "no null vector",
            ]
        )
    limits = chosen[0].limits
    return tables.Table(
        TABLE,
        "Ablation of the expression",
        [
            "point",
            "variant",
            "MRR@10 (95 % interval)",
            "difference to the default",
            "Recall@10",
            "need told from none (AUC)",
        ],
        rows,
        f"Held-out repositories of the corpus, {reference['ranks']['cases']} tasks of {reference['ranks']['repositories']} repositories, "
        f"{args.evaluation_pool} fragments each. Small scale: {args.steps} steps of {args.batch} pairs for every variant, seed {args.seed}, "
        f"stage 1 alone. The default: separate adapters, last token, output projection, L2-normalised, mean over layers, rank 16, temperature 0.03, null "
        f"vector, {limits[0]} query tokens and {limits[1]} of imports, {limits[2]} fragment tokens. Intervals resample repositories.",
        figures,
        command=f"python -m experiments.ablate --steps {args.steps} --batch {args.batch}",
        model=model,
    )


if __name__ == "__main__":
    from experiments import ablate
    from selfracg.command import main

    main(ablate)
