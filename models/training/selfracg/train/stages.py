"""Trained stages on disk: where each lies, which of them ships, and the adapter that a stage begins with."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from selfracg.data import pairs, prompt_layout
from selfracg.data.prompt_format import PromptFormat
from selfracg.files import replaced, sha256
from selfracg.model import backbone, llora
from selfracg.model.expressions import Reader
from selfracg.train import parallel


def require(work: Path) -> None:
    """Raises ``FileNotFoundError`` where the folder lacks what every stage reads."""
    corpus = work / "corpus" / "train.jsonl"
    if not corpus.is_file():
        raise FileNotFoundError(f"expected {corpus}, found none: run `corpus`")


def launch(work: parallel.Work, args: argparse.Namespace, rows: int) -> int:
    """Runs a stage in processes that have at least two of the ``rows`` of a step each. Returns the exit status."""
    require(Path(args.work))
    device = parallel.choose_device(args.device)
    return parallel.launch(work, args, parallel.process_count(args.processes, device, rows // 2))


def prompt_format(args: argparse.Namespace, tokenizer: Path) -> PromptFormat:
    """The prompts of a tokenizer's family with the limits that the options give."""
    limits = (args.query_tokens, args.import_tokens, args.fragment_tokens)
    return pairs.prompt_format(prompt_layout.load_tokenizer(tokenizer), *limits)


def reader(args: argparse.Namespace, model: PreTrainedModel, device: torch.device) -> Reader:
    """Reads queries and fragments of at most the lengths that the options give."""
    return Reader(
        model, args.micro, device, args.compile, (args.query_tokens + args.import_tokens, args.fragment_tokens)
    )


def stage_folder(work: Path, name: str) -> Path:
    """Folder of a stage's adapter, by the stage's name or by its own path."""
    inside = work / "stages" / name
    return inside if inside.is_dir() or not Path(name).is_dir() else Path(name)


def choose(work: Path, backbone_path: Path, name: str | None) -> str:
    """Copies a stage's adapter to llora/: the named one, or the best by held-out MRR@10 among those of this backbone.

    Returns its name. Raises ``FileNotFoundError`` where there is none.
    """
    belongs = backbone.checksum(backbone_path)
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((work / "stages").glob("*/adapter_config.json")):
        config = llora.load_config(path.parent)
        if config.get("backbone") == belongs and "heldOut" in config and "stage" in config:
            found[path.parent.name] = config["heldOut"]["trained"]
    if not found or (name is not None and name not in found):
        raise FileNotFoundError(
            f"expected {f'a stage {name}' if name else 'a trained stage'} of this backbone in {work / 'stages'}, "
            f"found {', '.join(found) or 'none'}: run `ing` first"
        )
    # Only what was measured on the same cases can be compared: the stages with the most of them.
    max_cases = max(ranks["cases"] for ranks in found.values())
    chosen = name or max(
        (each for each in found if found[each]["cases"] == max_cases), key=lambda each: found[each]["mrr_at_10"]
    )
    for each, ranks in found.items():
        mark = "  <- llora/" if each == chosen else ""
        print(
            f"{each}: held-out MRR@10 {ranks['mrr_at_10']:.4f} ({ranks['low']:.3f} to {ranks['high']:.3f}, {ranks['cases']} cases){mark}"
        )
    for file in ("adapter.safetensors", "adapter_config.json"):
        with replaced(work / "llora" / file) as scratch:
            shutil.copyfile(work / "stages" / chosen / file, scratch)
    return chosen


def fresh_adapter(args: argparse.Namespace, model: Any) -> llora.LLoRA:
    """An untrained adapter as the options say, always the same one for the same seed."""
    torch.manual_seed(args.seed)
    return llora.LLoRA(model, args.rank, args.alpha, args.adapters)


def begin_with(module: llora.LLoRA, null: nn.Parameter, folder: Path, belongs: str) -> str:
    """Loads a stage's adapter and null vector into fresh ones. Returns the digest of its weights.

    Raises ``ValueError`` for an adapter of another backbone than ``belongs`` or of another shape.
    """
    config = llora.load_config(folder)
    if config.get("backbone") != belongs:
        raise ValueError(
            f"expected an adapter of the backbone {belongs[:12]}, found one of {str(config.get('backbone'))[:12]} "
            f"in {folder}: train the earlier stage on this backbone"
        )
    loaded = llora.load(module.backbone, folder)
    if (loaded.rank, loaded.adapters) != (module.rank, module.adapters):
        raise ValueError(
            f"expected adapters as --rank and --adapters say, found others in {folder}: give the options of the earlier stage"
        )
    module.load_state_dict(loaded.state_dict())
    if config.get("nullVector"):
        null.data.copy_(torch.tensor(config["nullVector"]))
    return sha256(folder / "adapter.safetensors")
