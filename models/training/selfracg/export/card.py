"""MODEL_CARD.md: the records that corpus, pretraining and adapter training wrote, as a text."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfracg import tables
from selfracg.export.package import FIGURES_BEGIN, FIGURES_END
from selfracg.files import sha256
from selfracg.tables import Table

# Tables that a model card shows, in this order.
FIGURES = ("loss", "retrieval", "copying", "isolation")
REPORT = "Every table, with the seven measurements of the method: `models/training/REPORT.md`."
STAGES = {
    "stage1": "stage 1 (contexts and the fragments that continue them or define what follows)",
    "stage2": "stage 2 (the model's own continuations beside them)",
    "utility": "the utility stage (fragments ranked by how much they lower the loss of the true continuation)",
}


def render(
    description: Mapping[str, Any],
    work: Path,
    backbone: Path,
    adapter: Mapping[str, Any] | None,
    adapter_parameters: int,
    size: int,
    agreement: str,
) -> str:
    """The card of a package.

    `description` is model.json without its files, `backbone` the checkpoint's folder, `adapter` what adapter_config.json
    records (None: the adapter is untrained), `size` the bytes of model.onnx, `agreement` the check against PyTorch in words.
    """
    retrieval, weights = description["retrieval"], description["weights"]
    training = "\n".join([_pretraining(work, backbone), *_stages(work, adapter)])
    return f"""# {description["name"]} {description["version"]}

A code model for SelfRACG Code. It completes code, and the same forward pass expresses what the code before the cursor
needs, so that fragments of the workspace can be searched with it.

| | |
|---|---|
{shape(description, adapter_parameters)}
| retrieval | L-LoRA of rank {retrieval["rank"]} and alpha {retrieval["alpha"]:g}, {retrieval["adapters"]} adapters for query and fragment, {retrieval["dimension"]} dimensions |
| weights | stored as {weights["stored"]}, computed in {weights["computed"]}; model.onnx has {size / 1e6:.1f} MB |
| licence | {description["licence"]} |

## Intended use

Completing code in an editor, on the user's own machine, with fragments of the open workspace in the prompt; and
searching that workspace for what the code at the cursor needs. It was taught no instructions and answers no questions.
Other languages than those of the corpus, and plain text, are outside what it was made for.

## Training

{training}

## Corpus

{_corpus(work)}

## Agreement with PyTorch

{agreement}

## Figures

{FIGURES_BEGIN}
Not measured yet: run `python -m scripts.evaluate --card` on this package.
{FIGURES_END}

## Limits

- It may write insecure, wrong or made-up code, and may repeat lines of what it was trained on. Review what it suggests.
- Whether a context needs nothing from other files was judged by the names that other files define; needs without such a
  name are missed.
- Identifiers and comments in English dominate the corpus.
"""


def shape(description: Mapping[str, Any], adapter_parameters: int) -> str:
    """Rows of a card's first table: architecture, parameters, vocabulary, context."""
    a = description["architecture"]
    return f"""\
| architecture | {a["type"]}: {a["layers"]} layers, hidden size {a["hiddenSize"]}, {a["queryHeads"]} query and {a["keyValueHeads"]} key-value heads of {a["headDim"]}, feed-forward size {a["intermediateSize"]} |
| parameters | {a["parameters"]:,}, {adapter_parameters:,} of them in the L-LoRA adapters |
| vocabulary | {a["vocabularySize"]:,} byte-level BPE tokens |
| context | {description["contextLength"]:,} tokens |"""


def _pretraining(work: Path, backbone: Path) -> str:
    if backbone.resolve() != (work / "backbone").resolve():
        return "- Backbone: a checkpoint that was trained elsewhere; its own model card says on what."
    if not (tokens := tables.training_tokens(backbone)):
        return "- Backbone: no record of pretraining was found."
    return f"- Backbone: next-token loss over {tokens:,} tokens of repository code, with and without fragments of other files in front."


def _stages(work: Path, adapter: Mapping[str, Any] | None) -> list[str]:
    """The adapter's stages, first to last: each records the digest of the weights that it began with."""
    if adapter is None:
        return ["- L-LoRA adapters: not trained; they read the backbone's own attention."]
    saved = {
        sha256(path.with_name("adapter.safetensors")): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((work / "stages").glob("*/adapter_config.json"))
    }
    chain = [adapter]
    while (earlier := saved.get(chain[0].get("start") or "")) is not None and earlier not in chain:
        chain.insert(0, earlier)
    lines = ["- L-LoRA adapters: information-need-guided training (InfoNCE) on the frozen backbone:"]
    for stage in chain:
        name, ranks = stage.get("stage", "stage1"), stage.get("heldOut", {}).get("trained")
        steps = f", {stage['steps']:,} steps" if "steps" in stage else ""
        found = (
            f"; MRR@10 on held-out repositories {ranks['mrr_at_10']:.3f} ({ranks['low']:.3f} to {ranks['high']:.3f})"
            if ranks
            else ""
        )
        lines.append(f"  - {STAGES.get(name, name)}{steps}{found}.")
    return lines


def _corpus(work: Path) -> str:
    """Sources by language and by licence."""
    path = work / "corpus" / "counts.json"
    if not path.is_file():
        return "No record of the corpus was found."
    counts = json.loads(path.read_text(encoding="utf-8"))
    lines = ["| language | repositories | files | MB |", "|---|---|---|---|"]
    for language, numbers in sorted(counts["parts"]["train"].items(), key=lambda item: -item[1]["bytes"]):
        lines.append(
            f"| {language} | {numbers['repositories']} | {numbers['files']:,} | {numbers['bytes'] / 1e6:.2f} |"
        )
    licences: dict[str, list[int]] = defaultdict(list)
    for row in counts["repositories"]:
        if row["part"] == "train":
            licences[row["licence"]].append(row["bytes"])
    lines += ["", "| licence | repositories | MB |", "|---|---|---|"]
    for licence, sizes in sorted(licences.items(), key=lambda item: -sum(item[1])):
        lines.append(f"| {licence} | {len(sizes)} | {sum(sizes) / 1e6:.2f} |")
    held = sum(numbers["repositories"] for numbers in counts["parts"]["heldout"].values())
    lines += [
        "",
        f"{held} further repositories are held out for measuring. `models/training/corpus` lists the sources.",
    ]
    if counts.get("benchmark"):
        lines.append(
            f"The benchmark's {counts['benchmark']} repositories and files that share 20 lines with them were kept out."
        )
    return "\n".join(lines)


def figures(measured: Sequence[Table], work: Path) -> str:
    """The tables of FIGURES as a model card shows them.

    `measured` are taken as they are; other tables come from the work folder where they speak of the same model.
    """
    of = {table.model.tokens for table in measured}
    kept = [table for name in FIGURES if (table := tables.load(work, name)) is not None and table.model.tokens in of]
    by_name = {table.name: table for table in (*kept, *measured)}
    return "\n\n".join([*(by_name[name].markdown() for name in FIGURES if name in by_name), REPORT])
