"""Command `random-package`: a model package of a given size with random weights, for the sidecar's benchmark.

What a size costs does not depend on what it has learnt. The package goes through the exporter as any other does, so the
sidecar reads it like one that was trained; what it writes is noise. Its tokenizer is that of another package, with
entries that no merge reaches until the vocabulary is as large as the size wants. With --gguf the same weights are written
for llama.cpp too, where the benchmark looks for them.

Reads  --tokenizer (default: the package that ships).        Writes --out/NAME/ and, with --gguf, --out/NAME.gguf for every size.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch

from selfracg.export import export, gguf
from selfracg.model import backbone, llora


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


SIZES = (
    Shape("44M", 512, 12, 8, 4, 1408, 16384, 2048),
    Shape("100M", 768, 14, 12, 4, 2048, 16384, 2048),
    # Qwen2.5-Coder-0.5B's, with a shorter context.
    Shape("0.5B", 896, 24, 14, 2, 4864, 151936, 2048),
)
SMOKE = (Shape("tiny", 64, 2, 2, 1, 96, 8400, 256),)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `random-package`."""
    parser.add_argument(
        "--size",
        nargs="*",
        default=None,
        metavar="NAME",
        help=f"among {', '.join(size.name for size in SIZES)} (default: all)",
    )
    parser.add_argument("--out", type=Path, default=None, help="folder of the packages (default: WORK/random)")
    parser.add_argument("--weights", choices=export.graph.WEIGHTS, default="int8", help="how matrices are stored")
    parser.add_argument(
        "--gguf", action="store_true", help="write the weights as GGUF too, q8_0 (needs selfracg-training[gguf])"
    )
    parser.add_argument("--tokenizer", type=Path, default=export.REPOSITORY / "models" / "default" / "tokenizer.json")


def run(args: argparse.Namespace) -> int:
    """Writes the packages and prints where they are. Returns 0."""
    sizes = SMOKE if args.smoke else SIZES
    unknown = set(args.size or ()) - {size.name for size in sizes}
    if unknown:
        raise ValueError(f"expected sizes among {', '.join(size.name for size in sizes)}, found {sorted(unknown)[0]!r}")
    tokenizer = args.tokenizer.read_text(encoding="utf-8")
    for size in sizes:
        if args.size is None or size.name in args.size:
            write(
                size,
                tokenizer,
                (args.out or Path(args.work) / "random") / size.name,
                args.weights,
                Path(args.work),
                args.gguf,
            )
    return 0


def write(size: Shape, tokenizer: str, out: Path, stored: str, work: Path, with_gguf: bool = False) -> None:
    """Exports a random backbone of `size` with an untrained adapter to the folder `out`, and `with_gguf` as a file beside it."""
    model = backbone.create(
        backbone.default_config(
            size.vocabulary,
            size.hidden,
            size.layers,
            size.query_heads,
            size.key_value_heads,
            size.intermediate,
            size.context,
        )
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # A fresh backbone's layers add nothing; rows of zeros would be a special task for the exporter's rounding.
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                parameter.normal_(0.0, 0.02, generator=generator)
    model.eval()
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "backbone"
        backbone.save(model, source)
        export.export(
            model,
            llora.LLoRA(model).eval(),
            {},
            source,
            widened(tokenizer, size.vocabulary),
            out,
            stored=stored,
            fill_in_middle=False,
            name=f"random-{size.name.lower()}",
            version="0.0.0",
            licence="Apache-2.0",
            work=work,
            trained=False,
        )
        if with_gguf:
            gguf.write(source, out / "tokenizer.json", out.with_name(f"{out.name}.gguf"), "q8_0")


def widened(tokenizer: str, vocabulary: int) -> str:
    """tokenizer.json with as many entries as `vocabulary`: those added are made of letters that no merge puts together."""
    content: dict[str, Any] = json.loads(tokenizer)
    entries: dict[str, int] = content["model"]["vocab"]
    taken = {*entries.values(), *(entry["id"] for entry in content.get("added_tokens", []))}
    if len(taken) > vocabulary:
        raise ValueError(
            f"expected a tokenizer of at most {vocabulary} entries, found {len(taken)}: choose a larger size"
        )
    for index in range(vocabulary):
        if index not in taken:
            entries[f"~unreachable{index}~"] = index
    return json.dumps(content, ensure_ascii=False)


if __name__ == "__main__":
    from experiments import random_package
    from selfracg.command import main

    main(random_package)
