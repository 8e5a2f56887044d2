"""Command `shapes`: candidate sizes of the backbone by what they cost on the CPU and, where asked, by what they learn.

Each candidate's graph is built with random weights, as it would be exported, and timed in ONNX Runtime on one thread, in
turns with the others. With --minutes each is also trained for so long on the work folder's rows (nothing else may run
beside it, or the losses are not comparable).

Reads  with --minutes: shards/, tokenizer/.        Writes figures/shapes.json and, with --minutes, shapes/NAME/.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from . import backbone, cli, pretrain, tables


class Shape(NamedTuple):
    """Sizes of a backbone; heads have 64 features each, the vocabulary has ``vocabulary`` tokens."""

    name: str
    hidden: int
    layers: int
    query_heads: int
    key_value_heads: int
    intermediate: int
    vocabulary: int
    context: int


# The first is the reference that times are ratios to.
SHAPES = (
    Shape("256x6", 256, 6, 4, 2, 704, 8192, 1024),
    Shape("384x6", 384, 6, 6, 2, 1024, 16384, 2048),
    Shape("512x8", 512, 8, 8, 4, 1408, 16384, 2048),
    Shape("512x12", 512, 12, 8, 4, 1408, 16384, 2048),
    Shape("640x8", 640, 8, 10, 5, 1728, 16384, 2048),
    Shape("640x11", 640, 11, 10, 5, 1728, 16384, 2048),
)
SMOKE = tuple(Shape(f"tiny{layers}", 64, layers, 1, 1, 128, 512, 256) for layers in (1, 4))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `shapes`."""
    parser.add_argument(
        "--weights", choices=("float32", "float16", "int8"), default="int8", help="how the graphs store their matrices"
    )
    parser.add_argument("--minutes", type=float, default=0.0, help="train each candidate for so long (0: none)")
    parser.add_argument(
        "--only", nargs="*", default=None, metavar="NAME", help="candidates beside the reference (default: all)"
    )


def run(args: argparse.Namespace) -> int:
    """Prints the table and writes figures/shapes.json. Returns 0."""
    candidates = SMOKE if args.smoke else SHAPES
    unknown = set(args.only or ()) - {shape.name for shape in candidates}
    if unknown:
        raise ValueError(
            f"expected names among {', '.join(shape.name for shape in candidates)}, found {sorted(unknown)[0]!r}"
        )
    chosen = [shape for shape in candidates if args.only is None or shape.name in args.only or shape is candidates[0]]
    built = {shape.name: build(shape, args.weights) for shape in chosen}
    times = timed(built, chosen)
    found = []
    for shape in chosen:
        config = config_of(shape)
        entry: dict[str, Any] = {
            **shape._asdict(),
            "parameters": built[shape.name][1],
            "bytes": len(built[shape.name][0]),
            "flopsPerToken": backbone.flops_per_token(config, shape.context),
            "milliseconds": times[shape.name],
            "ratio": {task: value / times[chosen[0].name][task] for task, value in times[shape.name].items()},
        }
        if args.minutes > 0:
            entry["trained"] = train(shape, args)
        found.append(entry)
    table = as_table(found, args)
    table.save(args.work)
    print(f"\n{table.markdown()}")
    return 0


def config_of(shape: Shape) -> Any:
    return backbone.default_config(
        shape.vocabulary,
        shape.hidden,
        shape.layers,
        shape.query_heads,
        shape.key_value_heads,
        shape.intermediate,
        shape.context,
    )


def build(shape: Shape, stored: str) -> tuple[bytes, int]:
    """The graph of a random backbone with an untrained adapter, and its parameters, adapters left out."""
    from . import calibration, graph, llora

    model = backbone.create(config_of(shape))
    module = llora.LLoRA(model)
    # Time does not depend on what the steps are.
    calibrated = calibration.calibrate(model, module, [range(min(shape.vocabulary, 64))])
    weights = {
        name: tensor.numpy()
        for name, tensor in calibration.smoothed(model, calibrated).state_dict().items()
        if name != "lm_head.weight"
    }
    adapter = graph.Adapter(
        {name: tensor.numpy() for name, tensor in module.state_dict().items()}, module.rank, module.alpha
    )
    proto, _ = graph.build_graph(
        graph.GraphConfig.from_hf(model.config.to_dict()), weights, adapter, stored, calibrated.steps
    )
    return proto.SerializeToString(), backbone.parameter_count(model)


def timed(built: dict[str, tuple[bytes, int]], chosen: list[Shape]) -> dict[str, dict[str, float]]:
    """Milliseconds of processor time by candidate and task, all in turns over rows of the shortest context among them."""
    from . import quantisation, runtime

    models = {name: runtime.OnnxModel.from_bytes(data, threads=1) for name, (data, _) in built.items()}
    return quantisation.speeds(
        models, min(shape.context for shape in chosen), min(shape.vocabulary for shape in chosen)
    )


def train(shape: Shape, args: argparse.Namespace) -> dict[str, Any]:
    """Trains a candidate with the work folder's tokenizer and rows; the last held-out loss and the tokens it took."""
    folder = Path(args.work) / "shapes" / shape.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("shards", "tokenizer"):
        link = folder / name
        if not link.exists():
            os.symlink((Path(args.work) / name).resolve(), link)
    _, options = cli.parse(
        "pretrain",
        [
            "--work",
            str(folder),
            "--device",
            args.device,
            "--hidden",
            str(shape.hidden),
            "--layers",
            str(shape.layers),
            "--query-heads",
            str(shape.query_heads),
            "--key-value-heads",
            str(shape.key_value_heads),
            "--intermediate",
            str(shape.intermediate),
            "--minutes",
            str(args.minutes),
            *(["--compile", "off"] if args.smoke else []),
        ],
    )
    status = pretrain.run(options)
    if status:
        raise SystemExit(status)
    final = [json.loads(line) for line in (folder / "pretrain.jsonl").read_text(encoding="utf-8").splitlines()]
    last = [event for event in final if event["event"] == "final"][-1]
    return {"minutes": args.minutes, "tokens": last["tokens"], "loss": last["loss"], "languages": last["languages"]}


def as_table(found: list[dict[str, Any]], args: argparse.Namespace) -> tables.Table:
    """One row a candidate."""
    tasks = list(found[0]["milliseconds"])
    trained = "trained" in found[0]
    header = [
        "hidden x layers",
        "parameters",
        "MB",
        "forward MFLOPs a token",
        *(f"{task}, ms (ratio)" for task in tasks),
    ]
    header += [f"loss after {args.minutes:g} min", "tokens"] if trained else []
    rows = []
    for entry in found:
        row = [
            entry["name"],
            f"{entry['parameters'] / 1e6:.1f}M",
            f"{entry['bytes'] / 1e6:.1f}",
            f"{entry['flopsPerToken'] / 1e6:.0f}",
        ]
        row += [f"{entry['milliseconds'][task]:.1f} ({entry['ratio'][task]:.2f})" for task in tasks]
        row += [f"{entry['trained']['loss']:.3f}", f"{entry['trained']['tokens'] / 1e6:.1f}M"] if trained else []
        rows.append(row)
    notes = (
        f"Random weights stored as {args.weights}. Milliseconds of processor time on one thread of ONNX Runtime: prefill in chunks "
        f"of 128, decode a token; ratios are to {found[0]['name']} in the same run. FLOPs at the candidate's own context."
    )
    command = "python -m selfracg_training shapes" + (f" --minutes {args.minutes:g}" if trained else "")
    return tables.Table(
        "shapes", "Sizes of the backbone", header, rows, notes, {"weights": args.weights, "shapes": found}, command
    )
