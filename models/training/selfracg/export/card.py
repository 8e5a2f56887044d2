"""MODEL_CARD.md: describes a model from the records that corpus, packing and training wrote."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from selfracg import tables
from selfracg.export.package import FIGURES_BEGIN, FIGURES_END
from selfracg.files import sha256
from selfracg.tables import Table

# Tables that a model card shows, in this order.
FIGURES = ("loss", "retrieval", "copying", "isolation", "quantisation")
REPORT = "Every table, with the seven measurements of the method: `models/training/REPORT.md`."

TEMPLATE = Template(
    """\
# $name $version

A code model for SelfRACG Code. It completes code, and the same forward pass expresses what the code before the cursor
needs, so that fragments of the workspace can be searched with it.

$scale

| | |
|---|---|
| architecture | $type: $layers layers, hidden size $hiddenSize, $queryHeads query and $keyValueHeads key-value heads of $headDim, feed-forward size $intermediateSize |
| parameters | $parameters, $adapterParameters of them in the L-LoRA adapters |
| vocabulary | $vocabularySize byte-level BPE tokens |
| context | $contextLength tokens |
| retrieval | L-LoRA of rank $rank and alpha $alpha, $adapters adapters for query and fragment, $dimension dimensions |
| weights | stored as $stored, $computed; model.onnx has $megabytes MB |
| licence | $licence |

## Intended use

Completing code in an editor, on the user's own machine, with fragments of the open workspace in the prompt; and
searching that workspace for what the code at the cursor needs. It is no assistant: it was taught no instructions, and it
answers no questions. Code in other languages than those of the corpus, and text, are outside what it was made for.

## Training

$training

Made in `models/training` by `runs/default.sh`, which runs `corpus`, `tokenizer`, `pack`, `pretrain`, `ing`, `stage2`,
`utility`, `export` and `evaluate` of its scripts in that order.

## Corpus

$corpus

## Agreement with PyTorch

$agreement

$quantisation## Figures

$begin
Not measured yet: run `python -m scripts.evaluate --card` on this package.
$end

## Limits

$limits
""".replace("$begin\n## Figures\n\n", "## Figures\n\n$begin\n")
)
# Below these a model is called small, and its training short.
FULL_SCALE_PARAMETERS, FULL_SCALE_TOKENS = 40_000_000, 1_000_000_000
STAGES = {
    "stage1": "stage 1 (contexts and the fragments that continue or define what follows, against the batch's others and other fragments of the repository)",
    "stage2": "stage 2 (the model's own continuations as queries beside them)",
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
    quantisation: str,
) -> str:
    """The card of a package.

    `description` is model.json without its files, `backbone` the checkpoint's folder, `adapter` what adapter_config.json
    records (None: the adapter is untrained), `size` the bytes of model.onnx. What was measured comes as text.
    """
    architecture, retrieval = description["architecture"], description["retrieval"]
    # The work folder's logs describe its own backbone only.
    own = backbone.resolve() == (work / "backbone").resolve()
    log = list(_records(work / "pretrain.jsonl")) if own else []
    tokens = _tokens(backbone, log)
    values: dict[str, Any] = {
        **{key: description[key] for key in ("name", "version", "licence", "contextLength")},
        **architecture,
        **retrieval,
        "adapterParameters": adapter_parameters,
        "stored": description["weights"]["stored"],
        "megabytes": f"{size / 1e6:.1f}",
        "computed": {"int8": "linear layers computed in integers"}.get(
            description["weights"]["computed"], f"computed in {description['weights']['computed']}"
        ),
        "scale": _scale(log, tokens, architecture["parameters"], own),
        "training": "\n".join([*_pretraining(log, tokens, own), *_adapter(work, adapter)]),
        "corpus": _corpus(work),
        "limits": _limits(tokens, own, adapter),
        "alpha": f"{retrieval['alpha']:g}",
        "agreement": agreement,
        "quantisation": f"{quantisation}\n\n" if quantisation else "",
        "begin": FIGURES_BEGIN,
        "end": FIGURES_END,
    }
    return TEMPLATE.substitute(
        {key: f"{v:,}" if isinstance(v, int) and v >= 10_000 else v for key, v in values.items()}
    )


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of a training log; a last line that is still being written is left out."""
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def _last(records: list[dict[str, Any]], key: str) -> Any:
    return next((record[key] for record in reversed(records) if key in record), None)


def _tokens(backbone: Path, log: list[dict[str, Any]]) -> int:
    """Tokens that the backbone was trained on, earlier runs that it continues included; 0 where that is not recorded."""
    note = backbone / "training.json"
    recorded = json.loads(note.read_text(encoding="utf-8")).get("tokens") if note.is_file() else None
    return int(recorded or _last(log, "tokens") or 0)


def _scale(log: list[dict[str, Any]], tokens: int, parameters: int, own: bool) -> str:
    """What its size lets one expect."""
    size = f"{parameters / 1e6:.1f} million parameters"
    if not own:
        return f"It has {size}. Its backbone is a checkpoint that was trained elsewhere and is frozen here; the adapters were trained on it."
    start = next((record for record in log if record.get("event") == "start"), {})
    where = "CPU cores" if str(start.get("device", "")).startswith("cpu") else "one machine"
    trained = f" and was trained on {tokens / 1e6:.1f} million tokens on {where}" if tokens else ""
    if parameters >= FULL_SCALE_PARAMETERS and tokens >= FULL_SCALE_TOKENS:
        return f"It has {size}{trained}."
    return (
        f"It is **not a model at full scale**. It has {size}{trained}.\n"
        "Expect short and plain completions, names taken from the fragments it is shown, and many wrong guesses. A larger model\n"
        "goes through the same commands."
    )


def _pretraining(log: list[dict[str, Any]], tokens: int, own: bool) -> list[str]:
    """What the log of pretraining records."""
    if not own:
        return ["- Backbone: trained elsewhere; its own model card says on what."]
    if not tokens:
        return ["- Backbone: no record of pretraining was found."]
    own_tokens = _last(log, "tokens") or 0
    before = (
        f", {tokens - own_tokens:,} of them in an earlier run that this one went on from"
        if 0 < own_tokens < tokens
        else ""
    )
    # A log that nothing was appended to since its last end says that the run is over.
    ended = not log or any(record.get("event") == "end" for record in log)
    state = "" if ended else " The run had not ended when this package was written: this is a checkpoint on the way."
    lines = [
        f"- Backbone: next-token loss over {tokens:,} tokens{before}, on rows of repository code with and without fragments of "
        f"other files in front, left to right and fill-in-the-middle.{state}"
    ]
    # Measured by `pretrain` on packed rows, padding and prompts included, so not the figures of `evaluate`.
    first = next((record for record in log if record.get("event") == "untrained"), None)
    last = next((record for record in reversed(log) if record.get("event") == "heldout"), None)
    if first and last and not before:
        lines.append(
            f"- Loss on the same packed held-out rows, nats a token: {first['loss']:.3f} before, {last['loss']:.3f} after "
            f"{last['tokens']:,} tokens."
        )
    return lines


def _chain(work: Path, adapter: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The adapter's stages, first to last: each records the digest of the weights that it began with."""
    saved = {}
    for path in sorted((work / "stages").glob("*/adapter_config.json")):
        weights = path.parent / "adapter.safetensors"
        if weights.is_file():
            saved[sha256(weights)] = json.loads(path.read_text(encoding="utf-8"))
    chain = [adapter]
    while (earlier := saved.get(chain[0].get("start") or "")) is not None and earlier not in chain:
        chain.insert(0, earlier)
    return chain


def _adapter(work: Path, adapter: Mapping[str, Any] | None) -> list[str]:
    """How the adapters were trained, as their configurations record it."""
    if adapter is None:
        return ["- L-LoRA adapters: not trained; they read the backbone's own attention."]
    lines = ["- L-LoRA adapters: information-need-guided training (InfoNCE) on the frozen backbone:"]
    for stage in _chain(work, adapter):
        name = stage.get("stage", "stage1")
        steps = f", {stage['steps']:,} steps" if "steps" in stage else ""
        ranks = stage.get("heldOut", {}).get("trained")
        found = (
            f"; MRR@10 on held-out repositories {ranks['mrr_at_10']:.3f} ({ranks['low']:.3f} to {ranks['high']:.3f})"
            if ranks
            else ""
        )
        lines.append(f"  - {STAGES.get(name, name)}{steps}{found}.")
    if adapter.get("nullVector"):
        lines.append(
            '- A vector for "nothing needed" was trained as one more candidate, right for contexts that need nothing from other files.'
        )
    calibration = adapter.get("nullScoreCalibration")
    if calibration:
        what = "margin over the null vector" if adapter.get("nullVector") else "best fragment"
        lines.append(
            f"- Null score {adapter['nullScore']:g}: the {what} of {calibration['keptWithNeed']:.0%} of held-out contexts that need "
            f"another file exceeds it, and of {calibration['keptWithout']:.0%} of those that need none (area under the ROC curve "
            f"{calibration['separation']:.2f}, chance 0.50)."
        )
    return lines


def _limits(tokens: int, own: bool, adapter: Mapping[str, Any] | None) -> str:
    """What not to expect, given what it was trained on and how."""
    lines = []
    if own and tokens < FULL_SCALE_TOKENS:
        lines.append(
            "- It has seen little code, and its knowledge of libraries and languages is thin beyond what the corpus table shows."
        )
    lines.append(
        "- It may write insecure, wrong or made-up code, and may repeat lines of what it was trained on. Review what it suggests."
    )
    stage = (adapter or {}).get("stage", "stage1")
    if adapter is None:
        lines.append("- Its retrieval was not trained.")
    elif stage == "stage1":
        lines.append(
            "- Its retrieval was trained on pairs from real code alone (stage 1 of information-need-guided training); its own\n"
            "  generations and the usefulness of fragments were not used as a signal."
        )
    elif stage == "stage2":
        lines.append(
            "- The usefulness of fragments for its own completions was not used as a signal for its retrieval."
        )
    lines.append(
        "- Which contexts need nothing from other files was labelled by names that other files define, so needs without such a\n"
        "  name are missed."
    )
    lines.append("- Identifiers and comments in English dominate the corpus.")
    return "\n".join(lines)


def _corpus(work: Path) -> str:
    """Sources by language and licence, and what was excluded."""
    path = work / "corpus" / "counts.json"
    if not path.is_file():
        return "No record of the corpus was found."
    counts = json.loads(path.read_text(encoding="utf-8"))
    lines = [
        "Training part, cleaned and without duplicates:",
        "",
        "| language | repositories | files | MB |",
        "|---|---|---|---|",
    ]
    for language, numbers in sorted(counts["parts"]["train"].items(), key=lambda item: -item[1]["bytes"]):
        lines.append(
            f"| {language} | {numbers['repositories']} | {numbers['files']:,} | {numbers['bytes'] / 1e6:.2f} |"
        )
    licences: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in counts["repositories"]:
        if row["part"] == "train":
            licences[row["licence"]][0] += 1
            licences[row["licence"]][1] += row["bytes"]
    lines += ["", "| licence | repositories | MB |", "|---|---|---|"]
    lines += [
        f"| {name} | {n} | {size / 1e6:.2f} |"
        for name, (n, size) in sorted(licences.items(), key=lambda item: -item[1][1])
    ]
    held = sum(numbers["repositories"] for numbers in counts["parts"]["heldout"].values())
    lines += [
        "",
        f"{held} further repositories are held out for measuring. The sources are listed in `models/training/corpus`.",
    ]
    if counts.get("benchmark"):
        lines.append(
            f"The benchmark's {counts['benchmark']} repositories, RepoEval's, and every file that shares a window of 20 lines "
            "with the benchmark were kept out."
        )
    else:
        lines.append("No benchmark was at hand to compare the corpus with.")
    return "\n".join(lines)


def figures(measured: Sequence[Table], work: Path) -> str:
    """The tables of FIGURES as a model card shows them.

    `measured` are taken as they are; other tables come from the work folder where they speak of the same model.
    """
    of = {table.model.tokens for table in measured}
    kept = [table for name in FIGURES if (table := tables.load(work, name)) is not None and table.model.tokens in of]
    by_name = {table.name: table for table in (*kept, *measured)}
    return "\n\n".join([*(by_name[name].markdown() for name in FIGURES if name in by_name), REPORT])
