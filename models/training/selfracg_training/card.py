"""MODEL_CARD.md: says plainly what a model is, from the records that corpus, packing and training left behind."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

from .package import FIGURES_BEGIN, FIGURES_END

TEMPLATE = Template("""\
# $name $version

A small code model for SelfRACG Code. It completes code, and the same forward pass expresses what the code before the
cursor needs, so that fragments of the workspace can be searched with it.

It is **not a model at full scale**. $scale
Expect short and plain completions, names taken from the fragments it is shown, and many wrong guesses. A larger model
goes through the same commands.

| | |
|---|---|
| architecture | $type: $layers layers, hidden size $hiddenSize, $queryHeads query and $keyValueHeads key-value heads of $headDim, feed-forward size $intermediateSize |
| parameters | $parameters, $adapterParameters of them in the L-LoRA adapters |
| vocabulary | $vocabularySize byte-level BPE tokens |
| context | $contextLength tokens |
| retrieval | L-LoRA of rank $rank and alpha $alpha, $adapters adapters for query and fragment, $dimension dimensions |
| weights | stored as $stored, computed in float32; model.onnx has $megabytes MB |
| licence | $licence |

## Training

$training

Commands, in order, in `models/training`: `python -m selfracg_training` with `corpus`, `tokenizer`, `pack`, `pretrain`,
`ing`, `export`, `evaluate`.

## Corpus

$corpus

## Agreement with PyTorch

$agreement

## Figures

$begin
Not measured yet: run `python -m selfracg_training evaluate --card` on this package.
$end

## Limits

- It has seen little code, and its knowledge of libraries and languages is thin beyond what the corpus table shows.
- It may write insecure, wrong or made-up code, and may repeat lines of its corpus. Review what it suggests.
- Its retrieval was trained with in-batch negatives alone (stage 1 of information-need-guided training); its own
  generations and the usefulness of fragments were not used as a signal.
- Identifiers and comments in English dominate the corpus.
""")


def render(description: Mapping[str, Any], work: Path, trained_adapter: bool, adapter_parameters: int, size: int, agreement: str) -> str:
    """The card of a package; `description` is model.json without its files, `size` the bytes of model.onnx."""
    architecture, retrieval = description["architecture"], description["retrieval"]
    training = list(_records(work / "pretrain.jsonl"))
    values: dict[str, Any] = {
        **{key: description[key] for key in ("name", "version", "licence", "contextLength")}, **architecture, **retrieval,
        "adapterParameters": adapter_parameters, "stored": description["weights"]["stored"], "megabytes": f"{size / 1e6:.1f}",
        "scale": _scale(training, architecture["parameters"]), "training": _training(work, training, trained_adapter), "corpus": _corpus(work),
        "alpha": f"{retrieval['alpha']:g}", "agreement": agreement, "begin": FIGURES_BEGIN, "end": FIGURES_END,
    }
    return TEMPLATE.substitute({key: f"{v:,}" if isinstance(v, int) and v >= 10_000 else v for key, v in values.items()})


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


def _scale(training: list[dict[str, Any]], parameters: int) -> str:
    tokens = _last(training, "tokens")
    start = next((record for record in training if record.get("event") == "start"), {})
    where = "CPU cores" if str(start.get("device", "")).startswith("cpu") else "one machine"
    if not tokens:
        return f"It has {parameters / 1e6:.1f} million parameters."
    return f"It has {parameters / 1e6:.1f} million parameters and was trained on {tokens / 1e6:.1f} million tokens on {where}."


def _training(work: Path, training: list[dict[str, Any]], trained_adapter: bool) -> str:
    """What the logs of pretraining and of the adapter's training record."""
    lines = []
    tokens, elapsed = _last(training, "tokens"), _last(training, "elapsed")
    if tokens is None:
        lines.append("- Backbone: no record of pretraining was found.")
    else:
        hours = f" in {elapsed / 3600:.1f} hours" if elapsed else ""
        ended = any(record.get("event") == "end" for record in training)
        state = "" if ended else " The run had not ended when this package was written: this is a checkpoint on the way."
        lines.append(f"- Backbone: next-token loss over {tokens:,} tokens{hours}, on rows of repository code with and without "
                     f"fragments of other files in front, left to right and fill-in-the-middle.{state}")
        # Measured by `pretrain` on packed rows, padding and prompts included, so not the figures of `evaluate`.
        first = next((r for r in training if r.get("event") == "untrained"), None)
        last = next((r for r in reversed(training) if r.get("event") == "heldout"), None)
        if first and last:
            lines.append(f"- Loss on the same packed held-out rows, nats a token: {first['loss']:.3f} before, {last['loss']:.3f} after "
                         f"{last['tokens']:,} tokens.")
    lines.append(_adapter(work) if trained_adapter else "- L-LoRA adapters: not trained; they read the backbone's own attention.")
    return "\n".join(lines)


def _adapter(work: Path) -> str:
    """The last adapter training that the log holds."""
    records = list(_records(work / "ing.jsonl"))
    steps, pairs = _last(records, "step"), _last(records, "pairs")
    said = [f"{steps:,} steps" if isinstance(steps, int) else "", f"{pairs:,} different pairs" if isinstance(pairs, int) else ""]
    detail = ", ".join(part for part in said if part)
    lines = ["- L-LoRA adapters: information-need-guided training, stage 1 (InfoNCE with in-batch negatives), on the frozen backbone"
             f"{': ' + detail if detail else ''}."]
    final = next((record for record in reversed(records) if record.get("event") == "final"), None)
    if final is not None:
        found = final["calibration"]
        lines.append(f"- Null score {final['null_score']:g}: the best fragment of {found['keptWithNeed']:.0%} of held-out contexts that need "
                     f"another file exceeds it, and of {found['keptWithout']:.0%} of those that need none (area under the ROC curve "
                     f"{found['separation']:.2f}, chance 0.50).")
    return "\n".join(lines)


def _corpus(work: Path) -> str:
    """Sources by language and licence, and what was kept out."""
    path = work / "corpus" / "counts.json"
    if not path.is_file():
        return "No record of the corpus was found."
    counts = json.loads(path.read_text(encoding="utf-8"))
    lines = ["Training part, cleaned and without duplicates:", "", "| language | repositories | files | MB |", "|---|---|---|---|"]
    for language, numbers in sorted(counts["parts"]["train"].items(), key=lambda item: -item[1]["bytes"]):
        lines.append(f"| {language} | {numbers['repositories']} | {numbers['files']:,} | {numbers['bytes'] / 1e6:.2f} |")
    licences: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in counts["repositories"]:
        if row["part"] == "train":
            licences[row["licence"]][0] += 1
            licences[row["licence"]][1] += row["bytes"]
    lines += ["", "| licence | repositories | MB |", "|---|---|---|"]
    lines += [f"| {name} | {n} | {size / 1e6:.2f} |" for name, (n, size) in sorted(licences.items(), key=lambda item: -item[1][1])]
    held = sum(numbers["repositories"] for numbers in counts["parts"]["heldout"].values())
    lines += ["", f"{held} further repositories are held out for measuring. The sources are listed in `models/training/sources.json`."]
    if counts.get("benchmark"):
        lines.append(f"The benchmark's {counts['benchmark']} repositories, RepoEval's, and every file that shares a window of 20 lines "
                     "with the benchmark were kept out.")
    else:
        lines.append("No benchmark was at hand to compare the corpus with.")
    return "\n".join(lines)
