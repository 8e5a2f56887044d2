"""Command `export-recipe`: exports a published GGUF file as the repository stores it, without its weights.

Writes graph (model.onnx, whose weights are references into weights.bin), adapters (adapters.bin, untrained: the expression reads
the backbone's own attention), recipe.json, factors.bin, tokenizer.json and MODEL_CARD.md into one folder. The product makes
weights.bin from the GGUF file by the recipe. Its SHA-256 is pinned for each variant; the reference in recipe.py computes it here.
Before anything is written, the graph with these weights is run on real code and compared with the file's model in PyTorch.

Needs `pip install 'selfracg-training[gguf]'`.        Reads  --gguf.        Writes  --out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from selfracg.data import prompt_layout
from selfracg.export import calibration, card, graph, package, recipe, recipe_check, smoothing
from selfracg.export.export import REPOSITORY
from selfracg.export.gguf_checkpoint import GgufCheckpoint
from selfracg.model import llora

STORED = "int8-dynamic"
CONTEXT = 4096
# Rows of real code that the smoothing is fitted on. A few are enough: outliers are in the same channels everywhere.
CALIBRATION_ROWS = 8
# Rows of other files, and tokens of each, for the comparison with PyTorch.
CHECK_ROWS, CHECK_TOKENS = 3, 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options beside the common --work, --smoke and --device."""
    parser.add_argument("--gguf", type=Path, required=True, help="the published file")
    parser.add_argument("--name", required=True, help="the model's name in the product")
    parser.add_argument("--source", required=True, help="the publisher's name of the model, for the card")
    parser.add_argument("--model-version", default="0.1.0")
    parser.add_argument("--licence", default="Apache-2.0")
    parser.add_argument("--context", type=int, default=CONTEXT, help="context length in tokens")
    parser.add_argument("--out", type=Path, default=None, help="folder (default: models/NAME)")


def run(args: argparse.Namespace) -> int:
    """Exports. Returns 0."""
    started = time.monotonic()
    out = args.out or REPOSITORY / "models" / args.name
    differences = export(
        GgufCheckpoint(args.gguf), out, args.name, args.model_version, args.licence, args.source, args.context
    )
    for variant, difference in differences.items():
        print(f"export-recipe: {variant}: {difference}")
    print(f"export-recipe: {out}: {time.monotonic() - started:.0f} s")
    return 0


def export(
    checkpoint: GgufCheckpoint, out: Path, name: str, version: str, licence: str, source: str, context: int = CONTEXT
) -> dict[str, recipe_check.Difference]:
    """Writes the folder `out` for a checkpoint of which `source` is the publisher's name.

    Returns how far the graph with the weights of each variant is from PyTorch. ``ValueError`` where that is more than rounding explains:
    nothing is written then. The processor must add products of 8-bit numbers exactly, as those with VNNI do.
    """
    tokenizer_json = checkpoint.tokenizer_json()
    layout = prompt_layout.layout_for(tokenizer_json)
    known = prompt_layout.token_count(tokenizer_json)
    settings = checkpoint.config(context, known)
    config = graph.GraphConfig.from_hf(settings.to_dict())
    model = checkpoint.pytorch_model(context, known)
    tokenizer = Tokenizer.from_str(tokenizer_json)
    factors = smoothing.fit(model, calibration.real_rows(tokenizer, context, CALIBRATION_ROWS))
    torch.manual_seed(0)
    module = llora.LLoRA(model, adapters="shared")
    adapter = graph.Adapter(
        smoothing.folded_adapters({key: value.detach().numpy() for key, value in module.state_dict().items()}, factors),
        module.rank,
        module.alpha,
    )
    # The first row is left out: it is of a file that the factors were fitted on.
    rows = calibration.real_rows(tokenizer, min(context, CHECK_TOKENS), CHECK_ROWS + 1)[1:]
    with torch.no_grad():
        expressions = [module.express(torch.tensor([row]), torch.tensor([len(row)]), llora.QUERY)[0] for row in rows]
    expected = recipe_check.expect(model, [expression.numpy() for expression in expressions], rows, known)
    adapter_parameters = sum(parameter.numel() for parameter in module.parameters())
    del model, module.backbone

    origins: dict[str, graph.Origin] = {}
    proto, parameters = graph.build_graph(
        config,
        smoothing.Smoothed(checkpoint, factors, known),
        adapter,
        STORED,
        largest_code=recipe.VARIANTS["int8"],
        origins=origins,
    )
    entries, adapters, factor_file = recipe.detach(proto, origins, factors, checkpoint.names, known)
    serialised = proto.SerializeToString()
    pinned, differences = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        (scratch / "model.onnx").write_bytes(serialised)
        (scratch / recipe.ADAPTERS_FILE).write_bytes(adapters)
        for variant, largest in recipe.VARIANTS.items():
            write_weights(entries, checkpoint, factor_file, largest, scratch / recipe.WEIGHTS_FILE)
            pinned[variant] = package.digest(scratch / recipe.WEIGHTS_FILE)
            differences[variant] = recipe_check.check(scratch / "model.onnx", expected)
    stored = {"stored": "int8", "computed": "int8"}
    description = package.description(name, version, licence, config, parameters, stored, layout, module, {})
    files = {
        "model.onnx": serialised,
        recipe.ADAPTERS_FILE: adapters,
        "tokenizer.json": tokenizer_json.encode(),
        "MODEL_CARD.md": _card(description, source, adapter_parameters).encode(),
    }
    description["files"] = {file: package.digest(content) for file, content in files.items()}
    content = {
        "formatVersion": recipe.FORMAT_VERSION,
        "source": {"architecture": "qwen2", "shape": checkpoint.shape},
        "variants": {variant: {"codes": largest} for variant, largest in recipe.VARIANTS.items()},
        "factors": package.digest(factor_file),
        "files": {recipe.WEIGHTS_FILE: {"entries": entries, "pinned": pinned}},
        "manifest": description,
    }
    package.place(out, {**files, recipe.FACTORS_FILE: factor_file, "recipe.json": _recipe_text(content).encode()})
    return differences


def write_weights(
    entries: list[dict[str, Any]], checkpoint: GgufCheckpoint, factors: bytes, largest: int, path: Path
) -> None:
    """Makes the file of weights from a checkpoint, as the product does."""
    with path.open("wb") as out:
        recipe.write(entries, checkpoint.dequantised, np.frombuffer(factors, dtype="<f4"), largest, out)


def _recipe_text(content: dict[str, Any]) -> str:
    """recipe.json with one line an entry."""
    part = content["files"][recipe.WEIGHTS_FILE]
    marked = {**content, "files": {recipe.WEIGHTS_FILE: {**part, "entries": ["ENTRIES"]}}}
    lines = ",\n          ".join(json.dumps(entry) for entry in part["entries"])
    return json.dumps(marked, indent=2, ensure_ascii=False).replace('"ENTRIES"', lines) + "\n"


def _card(description: Mapping[str, Any], source: str, adapter_parameters: int) -> str:
    """MODEL_CARD.md."""
    return f"""# {description["name"]} {description["version"]}

{source}, as its publisher released it, with retrieval adapters for SelfRACG Code. The weights are no part of this folder: the
product makes them out of the publisher's GGUF file.

| | |
|---|---|
{card.shape(description, adapter_parameters)}
| retrieval | L-LoRA of rank {description["retrieval"]["rank"]}, untrained: expressions are made of the backbone's own attention |
| weights | int8 with one scale for each output, activations quantised token by token except for the largest inputs of each gated layer, SmoothQuant factors for attentions folded in |
| licence | {description["licence"]} |

## Intended use

Completing code in an editor, on the user's own machine, with fragments of the open workspace in the prompt; and searching that
workspace for what the code at the cursor needs.
"""
