"""Table `loss`: bits a byte of held-out code by language, beside the untrained backbone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from selfracg.data import heldout
from selfracg.data.prompt_format import PromptFormat
from selfracg.eval.package_under_test import PackageUnderTest, token_losses
from selfracg.model import backbone
from selfracg.tables import Table

# Tokens of a held-out file that the loss is measured on.
LOSS_TOKENS = 512


def loss_table(package_under_test: PackageUnderTest, work: Path, per_language: int) -> Table:
    """Bits per byte and loss on held-out files, beside the untrained backbone."""
    path = work / "corpus" / "heldout.jsonl"
    if not path.is_file():
        raise FileNotFoundError(f"expected held-out files in {path}, found none: run `corpus` first")
    start_model = _untrained_backbone(
        package_under_test.manifest["architecture"], package_under_test.manifest["contextLength"]
    )
    limit = min(LOSS_TOKENS, int(package_under_test.manifest["contextLength"]))
    methods = [*(["untrained"] if start_model is not None else []), "model"]
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    sums: dict[str, dict[str, float]] = {}
    for language, files in heldout.texts(path, per_language).items():
        total = dict.fromkeys(["bytes", "tokens", *methods], 0.0)
        for file, text in files:
            row, start, size = _loss_row(package_under_test.format, file, text, limit)
            total["bytes"] += size
            total["tokens"] += len(row) - start
            total["model"] += float(package_under_test.losses([row], [start])[0].sum())
            if start_model is not None:
                with torch.no_grad():
                    logits = (
                        start_model(input_ids=torch.tensor([row]), use_cache=False).logits[0, start - 1 : -1].numpy()
                    )
                total["untrained"] += float(token_losses(logits, np.array(row[start:])).sum())
        sums[language] = total
    sums["all"] = {key: sum(total[key] for total in sums.values()) for key in next(iter(sums.values()))}
    for language, total in sums.items():
        bits = {method: total[method] / np.log(2) / total["bytes"] for method in methods}
        figures[language] = {
            "bytes": total["bytes"],
            "tokens": total["tokens"],
            "bitsPerByte": bits,
            "loss": {method: total[method] / total["tokens"] for method in methods},
        }
        rows.append(
            [
                language,
                f"{total['bytes']:,.0f}",
                *(f"{bits[m]:.3f}" for m in methods),
                f"{total['model'] / total['tokens']:.3f}",
            ]
        )
    return Table(
        "loss",
        "Held-out code",
        ["language", "bytes", *(f"{method}, bits a byte" for method in methods), "model, nats a token"],
        rows,
        f"Up to {per_language} files a language from repositories kept out of training, up to {limit} tokens of each. "
        "Untrained: the same architecture before its first step.",
        figures,
    )


def _loss_row(form: PromptFormat, file: str, text: str, limit: int) -> tuple[list[int], int, int]:
    """(row, index of its first scored token, bytes those tokens stand for), from a line of the file that leaves enough to read."""
    lines = text.split("\n")
    first = random.Random(file).randrange(max(1, len(lines) - limit // 10))
    body = "\n".join(lines[first:])
    header = form.left_to_right(file, "", limit)
    encoding = form.tokenizer.encode(body, add_special_tokens=False)
    count = min(len(encoding.ids), limit - len(header))
    ids = list(encoding.ids[:count])
    return [*header, *ids], len(header), len(body[: encoding.offsets[count - 1][1]].encode())


def _untrained_backbone(architecture: dict[str, Any], context: int) -> torch.nn.Module | None:
    """The architecture at its initialisation; None for one that this project does not train."""
    if (
        architecture["type"] != "qwen2"
        or architecture["headDim"] * architecture["queryHeads"] != architecture["hiddenSize"]
    ):
        return None
    config = backbone.default_config(
        vocabulary_size=architecture["vocabularySize"],
        hidden_size=architecture["hiddenSize"],
        layers=architecture["layers"],
        query_heads=architecture["queryHeads"],
        key_value_heads=architecture["keyValueHeads"],
        intermediate_size=architecture["intermediateSize"],
        context_length=context,
    )
    return backbone.create(config).eval()
