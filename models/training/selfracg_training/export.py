"""Command `export`: backbone and L-LoRA adapter to a model package, checked against PyTorch before it replaces anything."""

from __future__ import annotations

import argparse
import copy
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from . import backbone, card, graph, llora, package, runtime

REPOSITORY = Path(__file__).resolve().parents[3]
# Differences of arithmetic alone: the graph against PyTorch with the very weights that the file stores.
ARITHMETIC_BOUND = 2e-4
# What storing matrices as float16 may move: against PyTorch with the trained weights.
ROUNDING_BOUND = 1e-2
PROTOBUF_LIMIT = 2**31 - 1


@dataclass(frozen=True)
class Agreement:
    """Largest differences over real rows: logits relative to their largest magnitude, expressions (unit vectors) absolute."""

    rows: int
    tokens: int
    logits: float
    expression: float
    logits_trained: float
    expression_trained: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options beside the common --work, --smoke and --device."""
    parser.add_argument("--out", type=Path, default=None, help="package folder (default: models/default; with --smoke: WORK/package)")
    parser.add_argument("--backbone", type=Path, default=None, help="Hugging Face checkpoint folder (default: WORK/backbone)")
    parser.add_argument("--adapter", type=Path, default=None, help="L-LoRA folder (default: WORK/llora)")
    parser.add_argument("--untrained-adapter", action="store_true", help="export an untrained adapter where none has been trained")
    parser.add_argument("--precision", choices=graph.PRECISIONS, default="fp16-stored", help="how matrices are stored; they compute in float32")
    parser.add_argument("--context", type=int, default=None, help="context length in tokens, at most the backbone's own (default)")
    parser.add_argument("--name", default="selfracg-default")
    parser.add_argument("--model-version", default="0.1.0")
    parser.add_argument("--licence", default="Apache-2.0")


def run(args: argparse.Namespace) -> int:
    """Exports and checks. Returns 0; raises with what was expected, found and to do when a check fails."""
    started = time.monotonic()
    work = Path(args.work)
    source = args.backbone or work / "backbone"
    out = args.out or (work / "package" if args.smoke else REPOSITORY / "models" / "default")
    model = backbone.load(source)
    module, settings = load_adapter(model, source, args.adapter or work / "llora", args.untrained_adapter)
    tokenizer_json = _tokenizer(source, work)
    export(
        model, module, settings, tokenizer_json, out, precision=args.precision, context=args.context, name=args.name,
        version=args.model_version, licence=args.licence, work=work, report=print,
    )
    print(f"export: {time.monotonic() - started:.1f} s")
    return 0


def load_adapter(model: PreTrainedModel, source: Path, directory: Path, allow_untrained: bool) -> tuple[llora.LLoRA, dict[str, Any]]:
    """(adapter, its nullScore, queryTokens and fragmentTokens): the trained one, or where allowed a fresh one.

    A fresh adapter reads the backbone's own attention (B = 0). An adapter trained on other weights than `source` holds
    counts as missing: its deltas would stand beside projections that it never saw.
    """
    settings = {"nullScore": 0.0, "queryTokens": 192, "fragmentTokens": 128}
    found = "none"
    if (directory / "adapter_config.json").is_file():
        recorded = llora.load_config(directory)
        weights = source / "model.safetensors"
        belongs = recorded.get("backbone")
        if belongs is None or (weights.is_file() and hashlib.sha256(weights.read_bytes()).hexdigest() == belongs):
            settings.update({key: recorded[key] for key in settings if key in recorded})
            return llora.load(model, directory), settings
        found = f"one trained on other weights ({belongs[:12]})"
    if not allow_untrained:
        raise FileNotFoundError(f"expected an adapter trained on {source} in {directory}, found {found}: run `ing`, or pass --untrained-adapter")
    torch.manual_seed(0)
    return llora.LLoRA(model).eval(), settings


def export(
    model: PreTrainedModel,
    module: llora.LLoRA,
    settings: Mapping[str, Any],
    tokenizer_json: str,
    out: Path,
    *,
    precision: str,
    name: str,
    version: str,
    licence: str,
    work: Path,
    context: int | None = None,
    report: Any = print,
) -> Agreement:
    """Builds, checks and writes the package in `out`. The old package stays untouched when a check fails."""
    layout = package.layout_for(tokenizer_json)
    config_json = model.config.to_dict()
    if context is not None:
        if context > config_json["max_position_embeddings"]:
            raise ValueError(f"expected --context up to {config_json['max_position_embeddings']}, found {context}: lower it")
        config_json["max_position_embeddings"] = context
    config = graph.GraphConfig.from_hf(config_json)
    weights = {key: value.float().numpy() for key, value in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        weights.pop("lm_head.weight", None)
    tensors = {key: value.detach().float().numpy() for key, value in module.state_dict().items()}
    adapter = graph.Adapter(tensors, rank=module.rank, alpha=module.alpha, normalise=module.normalise)
    proto, parameters = graph.build_graph(config, weights, adapter, precision)
    if proto.ByteSize() > PROTOBUF_LIMIT:
        raise ValueError(f"expected a graph below 2 GiB, found {proto.ByteSize()} bytes: use --precision fp16-stored or a smaller backbone")
    serialised = proto.SerializeToString()

    agreement = check(model, module, serialised, tokenizer_json, config, precision)
    report(f"export: {agreement.rows} rows of real code, {agreement.tokens} tokens; largest difference to PyTorch "
           f"with the stored weights: logits {agreement.logits:.1e} (relative), expression {agreement.expression:.1e}; "
           f"with the trained weights: logits {agreement.logits_trained:.1e}, expression {agreement.expression_trained:.1e}")
    stored = max(agreement.logits, agreement.expression)
    trained = max(agreement.logits_trained, agreement.expression_trained)
    if not stored <= ARITHMETIC_BOUND:
        raise ValueError(f"expected the graph within {ARITHMETIC_BOUND} of PyTorch, found {stored}: {out} is left as it was")
    if not trained <= ROUNDING_BOUND:
        raise ValueError(f"expected stored weights within {ROUNDING_BOUND} of the trained ones, found {trained}: "
                         f"export with --precision fp32; {out} is left as it was")

    description = {
        "formatVersion": package.FORMAT_VERSION,
        "name": name,
        "version": version,
        "licence": licence,
        "architecture": {
            "type": config.model_type, "hiddenSize": config.hidden, "layers": config.layers, "queryHeads": config.query_heads,
            "keyValueHeads": config.kv_heads, "headDim": config.head_dim, "intermediateSize": config.intermediate,
            "vocabularySize": config.vocabulary, "parameters": parameters,
        },
        "weights": {"stored": "float16" if precision == "fp16-stored" else "float32", "computed": "float32"},
        "contextLength": config.context,
        "specialTokens": {"endOfText": layout.end_of_text, "pad": layout.pad},
        "prompt": layout.to_json(),
        "retrieval": {
            "dimension": config.dimension, "normalised": module.normalise, "rank": module.rank, "alpha": module.alpha,
            "adapters": module.adapters, **settings,
        },
    }
    adapter_parameters = sum(parameter.numel() for parameter in module.parameters())
    text = card.render(description, work, trained_adapter(module), adapter_parameters, len(serialised), _in_words(agreement))
    package.write(out, description, {"model.onnx": serialised, "tokenizer.json": tokenizer_json.encode(), "MODEL_CARD.md": text.encode()})
    report(f"export: {out}: model.onnx {len(serialised):,} bytes, {parameters:,} parameters")
    return agreement


def check(model: PreTrainedModel, module: llora.LLoRA, serialised: bytes, tokenizer_json: str, config: graph.GraphConfig,
          precision: str, rows: int = 8) -> Agreement:
    """Runs rows of real code (this project's own sources) of different lengths through PyTorch and the graph."""
    onnx = runtime.OnnxModel.from_bytes(serialised)
    tokens = _real_rows(tokenizer_json, rows, min(256, config.context))
    lengths = [len(row) for row in tokens]
    ids = np.zeros((rows, max(lengths)), dtype=np.int64)
    for row, values in enumerate(tokens):
        ids[row, : len(values)] = values
    bare = onnx.run(ids, lengths, np.tile(np.arange(ids.shape[1]), (rows, 1)))
    found = [onnx.run(ids, lengths, np.zeros((rows, 0)), adapter=adapter).expression for adapter in (llora.QUERY, llora.FRAGMENT)]
    valid = np.arange(ids.shape[1])[None] < np.array(lengths)[:, None]

    def difference(reference: PreTrainedModel, adapter: llora.LLoRA) -> tuple[float, float]:
        with torch.no_grad():
            logits = reference(input_ids=torch.from_numpy(ids), use_cache=False).logits.numpy()
            expected = [adapter.express(torch.from_numpy(ids), torch.tensor(lengths), a).numpy() for a in (llora.QUERY, llora.FRAGMENT)]
        scale = float(np.abs(logits[valid]).max())
        return (float(np.abs(bare.logits - logits)[valid].max()) / scale,
                max(float(np.abs(f - e).max() / max(1.0, np.abs(e).max())) for f, e in zip(found, expected)))

    trained = difference(model, module)
    stored = trained
    if precision == "fp16-stored":
        rounded = copy.deepcopy(model)
        adapter = llora.LLoRA(rounded, module.rank, module.alpha, module.adapters, module.normalise)
        adapter.load_state_dict(module.state_dict())
        with torch.no_grad():
            for parameter in (*rounded.parameters(), *adapter.parameters()):
                if parameter.ndim >= 2:
                    parameter.copy_(parameter.half().float())
        stored = difference(rounded, adapter)
    return Agreement(rows, sum(lengths), stored[0], stored[1], trained[0], trained[1])


def trained_adapter(module: llora.LLoRA) -> bool:
    """Whether any B has left zero, where training starts."""
    return any(bool(update.B.detach().any()) for layer in module.layers for update in layer.values())


def _in_words(agreement: Agreement) -> str:
    """The card's statement of the check."""
    return (
        f"On {agreement.rows} rows of real code ({agreement.tokens} tokens) the largest difference of logits, relative to the largest "
        f"magnitude, is {agreement.logits:.1e} against PyTorch with the stored weights and {agreement.logits_trained:.1e} against "
        f"PyTorch with the trained ones; of expressions (unit vectors) {agreement.expression:.1e} and "
        f"{agreement.expression_trained:.1e}. `export` prints these and refuses the package beyond {ARITHMETIC_BOUND:g} and {ROUNDING_BOUND:g}."
    )


def _real_rows(tokenizer_json: str, rows: int, longest: int) -> list[list[int]]:
    """Rows of token ids from this package's own sources, each shorter than the one before."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    text = "\n".join(p.read_text(encoding="utf-8") for p in sorted(Path(__file__).parent.glob("*.py")))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    out = []
    for row in range(rows):
        length = max(1, longest * (rows - row) // rows - row)
        start = (row * longest) % max(1, len(ids) - length)
        out.append(ids[start : start + length])
    return out


def _tokenizer(source: Path, work: Path) -> str:
    """tokenizer.json from the checkpoint's folder, else the one the `tokenizer` command wrote."""
    for path in (source / "tokenizer.json", work / "tokenizer" / "tokenizer.json"):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"expected tokenizer.json in {source} or {work / 'tokenizer'}, found none: run `tokenizer` first")
