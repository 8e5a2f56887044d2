"""What storing the weights in fewer bits costs and gains: loss by language, size and speed, and the PyTorch model of each kind."""

from __future__ import annotations

import copy
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedModel

from selfracg.data import heldout
from selfracg.data.prompt_format import PromptFormat
from selfracg.export import calibration, graph, runtime
from selfracg.export.calibration import Calibration
from selfracg.model import llora
from selfracg.tables import Measured, Table

# Tokens of a held-out file that the loss is measured on.
LOSS_TOKENS = 512
# Tokens read before the decoded ones, and how many these are.
DECODE_PAST, DECODED = 512, 16
CHUNK = 128
ROUNDS = 7
# Large graphs are timed in fewer rounds.
LONGEST_SECONDS = 90.0

LogitsOf = Callable[[Sequence[int]], np.ndarray]


def twin(
    model: PreTrainedModel,
    module: llora.LLoRA,
    stored: str,
    calibrated: Calibration | None = None,
    largest_code: int = graph.WEIGHT_STEPS,
) -> tuple[PreTrainedModel, llora.LLoRA]:
    """Backbone and adapter as a graph with weights of that kind computes them, in PyTorch: rounded weights, rounded activations.

    int8 needs the calibration that the graph was built with, and both kinds of int8 the largest code of its weights.

    What is left between it and the graph is the order of sums, and for int8 the activations that fall on the other side of
    a half on that account.
    """
    if stored == "float32":
        return model, module
    if stored == "int8":
        assert calibrated is not None
        rounded = calibration.smoothed(model, calibrated)
    else:
        rounded = copy.deepcopy(model)
    # The adapter's copy reads the copied backbone.
    adapter = copy.deepcopy(module, {id(module.backbone): rounded})
    with torch.no_grad():
        for parameter in (*adapter.parameters(), *(rounded.parameters() if stored in ("float16", "half") else ())):
            if parameter.ndim >= 2:
                parameter.copy_(parameter.half().float())
        if stored in ("int8", "int8-dynamic"):
            # A tied head is the embedding's parameter: what has been rounded stays as it is when it is rounded again.
            for part in rounded.modules():
                if isinstance(part, (nn.Linear, nn.Embedding)):
                    codes, scale = graph.int8_codes(part.weight.numpy(), largest_code)
                    part.weight.copy_(torch.from_numpy(codes.astype(np.float32) * scale[:, None]))
    if stored == "int8":
        assert calibrated is not None
        steps = calibrated.steps
        _round_inputs(rounded, lambda label, x: calibration.rounded(x, steps[label]))
        adapter.replaced_projection = lambda layer, attended: _product(
            rounded.model.layers[layer].self_attn.o_proj,
            calibration.rounded(attended, steps[f"layers.{layer}.expressed"]),
        )
    if stored == "int8-dynamic":
        _round_inputs(rounded, lambda _label, x: rounded_by_row(x))
        adapter.replaced_projection = lambda layer, attended: _product(
            rounded.model.layers[layer].self_attn.o_proj, rounded_by_row(attended)
        )
    return rounded, adapter


def rounded_by_row(x: Tensor) -> Tensor:
    """x [..., features] as a graph that quantises dynamically rounds it: each row by its own step."""
    largest = x.abs().amax(-1, keepdim=True)
    return torch.where(largest > 0, torch.round(x / largest * graph.ROW_STEPS) / graph.ROW_STEPS * largest, 0)


def _round_inputs(model: PreTrainedModel, rounding: Callable[[str, Tensor], Tensor]) -> None:
    """Every linear layer's input [..., features] rounded by `rounding`, which is given the input's name in the graph and the input."""
    parts = {"head": model.get_output_embeddings()}
    for index, layer in enumerate(model.model.layers):
        for name in ("q_proj", "k_proj", "v_proj"):
            parts[f"layers.{index}.qkv {name}"] = getattr(layer.self_attn, name)
        parts |= {
            f"layers.{index}.output": layer.self_attn.o_proj,
            f"layers.{index}.gate gate": layer.mlp.gate_proj,
            f"layers.{index}.gate up": layer.mlp.up_proj,
            f"layers.{index}.down": layer.mlp.down_proj,
        }
    for label, part in parts.items():
        name = label.split()[0]
        part.register_forward_pre_hook(lambda _module, inputs, name=name: (rounding(name, inputs[0]),))


def _product(part: nn.Linear, x: Tensor) -> Tensor:
    """What a linear layer makes of an input that is rounded already."""
    return nn.functional.linear(x, part.weight, part.bias)


@dataclass(frozen=True)
class Row:
    """Ids of a held-out file's beginning as a prompt; the loss counts those from `start` on, which stand for `bytes` bytes."""

    ids: list[int]
    start: int
    bytes: int


def rows(work: Path, tokenizer: Tokenizer, description: Mapping[str, Any], per_language: int) -> dict[str, list[Row]]:
    """Rows of each language's held-out files; nothing where the work folder holds no corpus or none is wanted."""
    path = work / "corpus" / "heldout.jsonl"
    if not per_language or not path.is_file():
        return {}
    form = PromptFormat(description, tokenizer)
    longest = min(LOSS_TOKENS, int(description["contextLength"]))
    found: dict[str, list[Row]] = {}
    for language, files in heldout.texts(path, per_language).items():
        for name, text in files:
            start = len(form.left_to_right(name, "\n", longest)) - len(form.encode("\n"))
            body = form.encode(text)[: longest - start]
            if body:
                # One character of a byte-level token is one byte.
                size = sum(len(tokenizer.id_to_token(token) or "") for token in body)
                ids = form.left_to_right(name, "\n", longest)[:start] + body
                found.setdefault(language, []).append(Row(ids, start, size))
    return found


def bits_per_byte(measured: Mapping[str, Sequence[Row]], logits_of: LogitsOf) -> dict[str, float]:
    """Loss by language, in bits a byte of text; "all" is the loss of all bytes together."""
    bits: dict[str, float] = {}
    size: dict[str, int] = {}
    for language, members in measured.items():
        for row in members:
            logits = logits_of(row.ids)[row.start - 1 : len(row.ids) - 1].astype(np.float64)
            highest = logits.max(axis=1, keepdims=True)
            normaliser = np.log(np.exp(logits - highest).sum(axis=1)) + highest[:, 0]
            wanted = logits[np.arange(len(logits)), row.ids[row.start :]]
            for name in (language, "all"):
                bits[name] = bits.get(name, 0.0) + float((normaliser - wanted).sum()) / np.log(2)
                size[name] = size.get(name, 0) + row.bytes
    return {name: bits[name] / size[name] for name in (*measured, "all") if name in bits}


def torch_logits(model: PreTrainedModel, vocabulary: int) -> LogitsOf:
    """Logits [tokens, vocabulary] of a row by PyTorch."""

    @torch.no_grad()
    def logits_of(ids: Sequence[int]) -> np.ndarray:
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :, :vocabulary].numpy()

    return logits_of


def graph_logits(model: runtime.OnnxModel) -> LogitsOf:
    """Logits [tokens, vocabulary] of a row by the graph."""
    return lambda ids: model.run(np.array([ids]), [len(ids)], np.arange(len(ids))[None]).logits[0]


def speeds(models: Mapping[str, runtime.OnnxModel], context: int, vocabulary: int) -> dict[str, dict[str, float]]:
    """Milliseconds of processor time by graph and task: prefill in chunks of 128, and one decoded token.

    Medians of rounds in which the graphs take turns, over the same random ids. Sessions should have one thread: processor
    time then says what the work costs, however busy the machine is.
    """
    source = np.random.default_rng(0)
    taken: dict[str, dict[str, list[float]]] = {name: {} for name in models}
    sizes = [size for size in (128, 512, 1024) if size <= context]
    past = min(DECODE_PAST, context - DECODED)
    begun = time.monotonic()
    for round_ in range(ROUNDS + 1):
        ids = source.integers(0, vocabulary, (1, context))
        for name, model in models.items():
            for size in sizes:
                began = time.process_time()
                _prefill(model, ids[:, :size])
                taken[name].setdefault(f"prefill {size}", []).append(time.process_time() - began)
            present: runtime.Past | None = _prefill(model, ids[:, :past])
            began = time.process_time()
            for token in range(past, past + DECODED):
                present = model.run(
                    ids[:, token : token + 1], [1], np.zeros((1, 1)), past=present, keep_present=True
                ).present
            taken[name].setdefault("decode", []).append((time.process_time() - began) / DECODED)
        if round_ and time.monotonic() - begun > LONGEST_SECONDS:
            break
    # The first round warms caches and memory.
    return {
        name: {task: 1e3 * statistics.median(each[1:]) for task, each in tasks.items()} for name, tasks in taken.items()
    }


def _prefill(model: runtime.OnnxModel, ids: np.ndarray) -> runtime.Past:
    """Reads ids [1, n] in chunks, as the product does, with logits behind the last token. Returns the cache."""
    present: runtime.Past | None = None
    for start in range(0, ids.shape[1], CHUNK):
        part = ids[:, start : start + CHUNK]
        last = start + CHUNK >= ids.shape[1]
        positions = np.full((1, 1), part.shape[1] - 1) if last else np.zeros((1, 0))
        present = model.run(part, [part.shape[1]], positions, past=present, keep_present=True).present
    assert present is not None
    return present


def compare(
    model: PreTrainedModel,
    graphs: Mapping[str, bytes],
    tokenizer_json: str,
    description: Mapping[str, Any],
    work: Path,
    per_language: int,
) -> Table:
    """Loss on held-out code by language, size and speed of each kind of graph; the float32 loss is the trained model's in PyTorch."""
    vocabulary, context = int(description["architecture"]["vocabularySize"]), int(description["contextLength"])
    models = {kind: runtime.OnnxModel.from_bytes(content, threads=1) for kind, content in graphs.items()}
    tokenizer = Tokenizer.from_str(tokenizer_json)
    measured = rows(work, tokenizer, description, per_language)
    losses = {"float32": bits_per_byte(measured, torch_logits(model, vocabulary))} if measured else {}
    losses |= {
        kind: bits_per_byte(measured, graph_logits(each))
        for kind, each in models.items()
        if measured and kind != "float32"
    }
    taken = speeds(models, context, vocabulary)
    kinds = [kind for kind in graph.WEIGHTS if kind in losses or kind in models]
    first = next(kind for kind in kinds if kind in models)
    table: list[list[str]] = []
    for language, before in losses.get("float32", {}).items():
        cells = [f"{before:.4f}"] + [
            f"{losses[kind][language]:.4f} ({losses[kind][language] / before - 1:+.2%})"
            for kind in kinds
            if kind != "float32"
        ]
        table.append([f"bits a byte, {language}", *cells])
    table.append(["model.onnx, MB", *(f"{len(graphs[kind]) / 1e6:.1f}" if kind in graphs else "" for kind in kinds)])
    for task in taken[first]:
        cells = []
        for kind in kinds:
            ratio = (
                ""
                if kind not in models or kind == first
                else f" ({taken[first][task] / taken[kind][task]:.2f} times as fast)"
            )
            cells.append(f"{taken[kind][task]:.1f}{ratio}" if kind in models else "")
        table.append([f"{task}, ms", *cells])
    files = max((len(members) for members in measured.values()), default=0)
    said = (
        f"Bits a byte: up to {files} held-out files a language, up to {LOSS_TOKENS} tokens of each, float32 in PyTorch. "
        if measured
        else "No held-out code was at hand for the loss. "
    )
    note = (
        json.loads((work / "backbone" / "training.json").read_text(encoding="utf-8"))
        if (work / "backbone" / "training.json").is_file()
        else {}
    )
    return Table(
        name="quantisation",
        title="Weights in fewer bits",
        header=["", *kinds],
        rows=table,
        notes=said
        + "Milliseconds of processor time on one thread, medians of rounds that take turns: prompts read in chunks of "
        f"{CHUNK}, and one token decoded behind {min(DECODE_PAST, context - DECODED)}.",
        figures={
            "bits_per_byte": losses,
            "bytes": {kind: len(content) for kind, content in graphs.items()},
            "milliseconds": taken,
        },
        command="python -m scripts.export",
        model=Measured(int(description["architecture"]["parameters"]), int(note.get("tokens", 0))),
    )
