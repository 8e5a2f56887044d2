"""Bits a byte of a converted package on code that its model has not seen, beside PyTorch in float32 on the file it was made of.

Reads  --package, --code, --gguf.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from tokenizers import Tokenizer

from selfracg.data import prompt_layout
from selfracg.eval.package_under_test import token_losses
from selfracg.export import runtime
from selfracg.export.gguf_checkpoint import GgufCheckpoint

# Files of each language, drawn by SEED, and tokens that count of each, from its beginning on.
FILES = {"python": 5, "typescript": 5, "java": 4}
SEED = 15
TOKENS = 365
MIN_CHARACTERS, MAX_CHARACTERS = 3_000, 40_000


# Logits [tokens, vocabulary] of a row of ids.
LogitsOf = Callable[[Sequence[int]], np.ndarray]


@dataclass(frozen=True)
class Row:
    """The beginning of a file as a prompt; the loss counts its ids from `start` on, which stand for `bytes` bytes."""

    ids: list[int]
    start: int
    bytes: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options beside the common --work, --smoke and --device."""
    parser.add_argument("--package", type=Path, required=True, help="folder that `model add` made")
    parser.add_argument(
        "--code",
        type=Path,
        required=True,
        help='repositories, one a line: {"repository", "language", "files": {path: text}}; .jsonl or .jsonl.xz',
    )
    parser.add_argument("--gguf", type=Path, default=None, help="also PyTorch in float32 on this file")
    parser.add_argument("--rows", default="", help="numbers of the rows to measure, separated by commas (default: all)")


def run(args: argparse.Namespace) -> int:
    """Prints one line for the package and one for PyTorch. Returns 0."""
    tokenizer = Tokenizer.from_file(str(args.package / "tokenizer.json"))
    found = rows(args.code, tokenizer)
    chosen = [int(number) for number in args.rows.split(",")] if args.rows else list(range(len(found)))
    measured: dict[str, list[Row]] = {}
    for number in chosen:
        language, row = found[number]
        measured.setdefault(language, []).append(row)
    graph = runtime.OnnxModel(
        onnxruntime.InferenceSession(args.package / "model.onnx", providers=["CPUExecutionProvider"])
    )

    def graph_logits(ids: Sequence[int]) -> np.ndarray:
        return graph.run(np.array([ids]), [len(ids)], np.arange(len(ids))[None]).logits[0]

    print(line(args.package.name, measured, graph_logits), flush=True)
    if args.gguf is not None:
        known = prompt_layout.token_count((args.package / "tokenizer.json").read_text(encoding="utf-8"))
        model = GgufCheckpoint(args.gguf).pytorch_model(2 * TOKENS, known)

        @torch.no_grad()
        def torch_logits(ids: Sequence[int]) -> np.ndarray:
            return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :, :known].numpy()

        print(line(f"{args.gguf.name} in float32", measured, torch_logits), flush=True)
    return 0


def line(name: str, measured: dict[str, list[Row]], logits_of: LogitsOf) -> str:
    """Bits a byte by language and of all, in words."""
    sums = {
        language: np.sum([_sums(row, logits_of) for row in members], axis=0) for language, members in measured.items()
    }
    sums["all"] = np.sum(list(sums.values()), axis=0)
    words = ", ".join(f"{key} {bits / size:.5f}" for key, (bits, size, _) in sums.items())
    return f"{name}: {words} ({int(sums['all'][2]):,} tokens)"


def _sums(row: Row, logits_of: LogitsOf) -> list[float]:
    """Bits, bytes and tokens that count of a row."""
    targets = row.ids[row.start :]
    logits = logits_of(row.ids)[row.start - 1 : -1].astype(np.float64)
    return [float(token_losses(logits, np.array(targets)).sum() / np.log(2)), row.bytes, len(targets)]


def rows(code: Path, tokenizer: Tokenizer) -> list[tuple[str, Row]]:
    """(language, row) of files drawn from the repositories in `code`, each behind the line with its name.

    Raises ``ValueError`` where a language has too few files.
    """
    pools: dict[str, list[tuple[str, str, str]]] = {language: [] for language in FILES}
    with lzma.open(code, "rt", encoding="utf-8") if code.suffix == ".xz" else code.open(encoding="utf-8") as lines:
        for text in lines:
            repository = json.loads(text)
            if repository["language"] in pools:
                pools[repository["language"]] += [
                    (repository["repository"], name, content)
                    for name, content in repository["files"].items()
                    if MIN_CHARACTERS < len(content) < MAX_CHARACTERS
                ]
    source = random.Random(SEED)
    found: list[tuple[str, Row]] = []
    for language, count in FILES.items():
        if len(pools[language]) < count:
            raise ValueError(
                f"{code}: expected at least {count} files of {language} of {MIN_CHARACTERS} to {MAX_CHARACTERS} characters, "
                f"found {len(pools[language])}: use another file"
            )
        for _, name, content in source.sample(sorted(pools[language]), count):
            found.append((language, _row(tokenizer, name, content)))
    return found


def _row(tokenizer: Tokenizer, name: str, content: str) -> Row:
    """The beginning of a file as a prompt."""

    def encode(text: str) -> Sequence[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    separator = tokenizer.token_to_id("<|file_sep|>")
    if separator is None:
        raise ValueError("expected a tokenizer with <|file_sep|>, found one without: it is not that of a code model")
    head = [separator, *encode(f"{name}\n")]
    body = list(encode(content))[:TOKENS]
    return Row([*head, *body], len(head), len(tokenizer.decode(body, skip_special_tokens=False).encode()))
