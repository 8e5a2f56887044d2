"""Command `export`: writes backbone and L-LoRA adapter as a model package, which is compared with PyTorch first."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from selfracg.data import prompt_layout
from selfracg.export import calibration, card, graph, package
from selfracg.export.agreement import ARITHMETIC_BOUNDS, ROUNDING_BOUNDS, Agreement, check, in_words
from selfracg.model import backbone, llora

REPOSITORY = Path(__file__).resolve().parents[4]
# The type that layers compute in, where it is not float32.
COMPUTED = {"int8": "int8", "int8-dynamic": "int8", "half": "float16"}
# The type that model.json states, where it is not the name of the kind of weights.
STORED = {"int8-dynamic": "int8", "half": "float16"}
# A message of protobuf has at most 2 GiB; some of it is left for the nodes.
PROTOBUF_LIMIT = 2**31 - 2**24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options besides the common --work, --smoke and --device."""
    parser.add_argument(
        "--out", type=Path, default=None, help="package folder (default: models/default; with --smoke: WORK/package)"
    )
    parser.add_argument(
        "--backbone", type=Path, default=None, help="Hugging Face checkpoint folder (default: WORK/backbone)"
    )
    parser.add_argument("--adapter", type=Path, default=None, help="L-LoRA folder (default: WORK/llora)")
    parser.add_argument(
        "--untrained-adapter", action="store_true", help="export an untrained adapter where none has been trained"
    )
    parser.add_argument(
        "--weights",
        choices=graph.WEIGHTS,
        default="float16",
        help="how matrices are stored: float16 computes in float32 (default), int8 computes linear layers in integers, half computes in float16 (for GPUs)",
    )
    parser.add_argument(
        "--context", type=int, default=None, help="context length in tokens, at most the backbone's own (default)"
    )
    parser.add_argument(
        "--fill-in-middle",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="prompts show the code behind the cursor too (default: not for the default model, else yes)",
    )
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
    module, recorded = load_adapter(model, source, args.adapter or work / "llora", args.untrained_adapter)
    tokenizer_json = backbone.tokenizer_file(source, work).read_text(encoding="utf-8")
    middle = args.fill_in_middle
    if middle is None:
        middle = prompt_layout.FILL_IN_MIDDLE if args.backbone is None else True
    export(
        model,
        module,
        recorded,
        source,
        tokenizer_json,
        out,
        stored=args.weights,
        context=args.context,
        fill_in_middle=middle,
        name=args.name,
        version=args.model_version,
        licence=args.licence,
        work=work,
    )
    print(f"export: {time.monotonic() - started:.1f} s")
    return 0


def load_adapter(
    model: PreTrainedModel, source: Path, directory: Path, allow_untrained: bool
) -> tuple[llora.LLoRA, dict[str, Any]]:
    """(adapter, content of its adapter_config.json): the trained adapter, or where allowed an untrained one and an empty record.

    An untrained adapter reads the backbone's own attention (B = 0). An adapter trained on other weights than those in `source`
    counts as missing: its updates would be added to projections that they were not trained on.
    """
    found = "none"
    if (directory / "adapter_config.json").is_file():
        recorded = llora.load_config(directory)
        belongs = recorded.get("backbone")
        if belongs is None or backbone.checksum(source) == belongs:
            return llora.load(model, directory), recorded
        found = f"one trained on other weights ({belongs[:12]})"
    if not allow_untrained:
        raise FileNotFoundError(
            f"expected an adapter trained on {source} in {directory}, found {found}: run `ing`, or pass --untrained-adapter"
        )
    torch.manual_seed(0)
    return llora.LLoRA(model).eval(), {}


def export(
    model: PreTrainedModel,
    module: llora.LLoRA,
    recorded: Mapping[str, Any],
    source: Path,
    tokenizer_json: str,
    out: Path,
    *,
    stored: str,
    name: str,
    version: str,
    licence: str,
    work: Path,
    context: int | None = None,
    fill_in_middle: bool = True,
) -> Agreement:
    """Builds, checks and writes the package in `out`. The old package stays untouched when a check fails.

    `recorded` is the adapter's adapter_config.json, `source` the backbone's folder, `stored` one of graph.WEIGHTS.
    """
    layout = prompt_layout.layout_for(tokenizer_json)
    tokenizer_json = prompt_layout.product_tokenizer(tokenizer_json)
    config_json = model.config.to_dict()
    if context is not None:
        if context > config_json["max_position_embeddings"]:
            raise ValueError(
                f"expected --context up to {config_json['max_position_embeddings']}, found {context}: lower it"
            )
        config_json["max_position_embeddings"] = context
    # Rows of the embedding that belong to no token are left out.
    known = prompt_layout.token_count(tokenizer_json)
    if known > config_json["vocab_size"]:
        raise ValueError(
            f"expected a tokenizer of at most {config_json['vocab_size']} tokens, the backbone's embedding, found {known}: "
            "use the tokenizer that came with the checkpoint"
        )
    config_json["vocab_size"] = known
    config = graph.GraphConfig.from_hf(config_json)

    def numbers(part: torch.nn.Module, prefix: str = "") -> dict[str, np.ndarray]:
        return {prefix + key: value.float().numpy() for key, value in part.state_dict().items()}

    weights = numbers(model)
    if model.config.tie_word_embeddings:
        weights.pop("lm_head.weight", None)
    for key in ("model.embed_tokens.weight", "lm_head.weight"):
        if key in weights:
            weights[key] = weights[key][:known]
    tensors = {key: value.detach().float().numpy() for key, value in module.state_dict().items()}
    adapter = graph.Adapter(tensors, module.rank, module.alpha)

    calibrated, steps = None, None
    if stored == "int8":
        calibrated = calibration.calibrate(
            model, module, calibration.real_rows(Tokenizer.from_str(tokenizer_json), config.context)
        )
        weights |= numbers(calibration.smoothed(model, calibrated).model.layers, "model.layers.")
        steps = calibrated.steps
    proto, parameters = graph.build_graph(config, weights, adapter, stored, steps)
    # A message above the limit cannot report its own size.
    size = sum(len(tensor.raw_data) for tensor in proto.graph.initializer)
    if size > PROTOBUF_LIMIT:
        raise ValueError(
            f"expected a graph below 2 GiB, found {size:,} bytes of {stored} weights: use --weights int8 or a smaller backbone"
        )
    serialised = proto.SerializeToString()
    description = package.description(
        name,
        version,
        licence,
        config,
        parameters,
        {"stored": STORED.get(stored, stored), "computed": COMPUTED.get(stored, "float32")},
        layout,
        module,
        recorded,
        fill_in_middle,
    )
    agreement = check(model, module, serialised, tokenizer_json, config, stored, calibrated)
    print(
        f"export: {agreement.rows} rows of real code, {agreement.tokens} tokens; largest difference to PyTorch "
        f"with the stored weights: logits {agreement.logits:.1e} (relative), expression {agreement.expression:.1e}; "
        f"with the trained weights: logits {agreement.logits_trained:.1e}, expression {agreement.expression_trained:.1e}"
    )
    graph_error = max(agreement.logits, agreement.expression)
    rounding = max(agreement.logits_trained, agreement.expression_trained)
    if not graph_error <= ARITHMETIC_BOUNDS[stored]:
        raise ValueError(
            f"expected the graph within {ARITHMETIC_BOUNDS[stored]} of PyTorch, found {graph_error}: {out} is left as it was"
        )
    if not rounding <= ROUNDING_BOUNDS[stored]:
        raise ValueError(
            f"expected {stored} weights within {ROUNDING_BOUNDS[stored]} of the trained ones, found {rounding}: "
            f"export with --weights {'float16' if stored == 'int8' else 'float32'}; {out} is left as it was"
        )

    adapter_parameters = sum(parameter.numel() for parameter in module.parameters())
    text = card.render(
        description,
        work,
        source,
        recorded or None,
        adapter_parameters,
        len(serialised),
        in_words(agreement, stored),
    )
    files = {"model.onnx": serialised, "tokenizer.json": tokenizer_json.encode(), "MODEL_CARD.md": text.encode()}
    # Fitted by the product's benchmark on what this model writes.
    fitted = package.fitted_members(out, description, files)
    description.update(fitted)
    if "confidence" not in fitted:
        print(
            "export: no confidence for these weights yet, so that nothing is held back for being unsure: "
            "`npm run bench -- confidence` prints the member for model.json"
        )
    package.write(out, description, files)
    print(f"export: {out}: model.onnx {len(serialised):,} bytes, {parameters:,} parameters, {stored} weights")
    return agreement
