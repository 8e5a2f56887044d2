"""The model package: describes it in model.json, writes its folder, and checks one that was written.

A package is model.json, model.onnx, tokenizer.json, MODEL_CARD.md, and the files of weights that the graph refers to, if any.
model.json lists them all with size and SHA-256 and is written last: a reader finds the files that it names, or refuses them
by their hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx

from selfracg.data import prompt_layout
from selfracg.export import graph
from selfracg.files import sha256
from selfracg.model import llora

FORMAT_VERSION = 3
FILES = ("model.onnx", "tokenizer.json", "MODEL_CARD.md")
# Settings for the product that training may record in adapter_config.json, and their defaults.
RETRIEVAL_SETTINGS = ("nullScore", "nullVector", "queryTokens", "importTokens", "fragmentTokens")
DEFAULT_SETTINGS = {"nullScore": 0.0, "queryTokens": 192, "fragmentTokens": 128}
FIGURES_BEGIN, FIGURES_END = "<!-- figures: begin -->", "<!-- figures: end -->"


def description(
    name: str,
    version: str,
    licence: str,
    config: graph.GraphConfig,
    parameters: int,
    weights: Mapping[str, str],
    layout: prompt_layout.Layout,
    module: llora.LLoRA,
    recorded: Mapping[str, Any],
    fill_in_middle: bool = True,
) -> dict[str, Any]:
    """model.json without its files. `weights` are {"stored", "computed"}, `recorded` what adapter_config.json records."""
    return {
        "formatVersion": FORMAT_VERSION,
        "name": name,
        "version": version,
        "licence": licence,
        "architecture": config.architecture(parameters),
        "weights": weights,
        "contextLength": config.context,
        "specialTokens": {"endOfText": layout.end_of_text, "pad": layout.pad},
        "prompt": layout.to_json(fill_in_middle),
        "retrieval": {
            "dimension": module.dimension,
            "outputProjection": True,
            "normalised": True,
            "rank": module.rank,
            "alpha": module.alpha,
            "adapters": module.adapters,
            **DEFAULT_SETTINGS,
            **{key: recorded[key] for key in RETRIEVAL_SETTINGS if key in recorded},
        },
    }


def digest(content: bytes | Path) -> dict[str, Any]:
    """Size and SHA-256 of a file's content, as model.json states them. A file's path is read in blocks."""
    if isinstance(content, bytes):
        return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return {"bytes": content.stat().st_size, "sha256": sha256(content)}


def external_files(content: bytes) -> list[str]:
    """The files outside an ONNX graph that hold its tensors, each once, sorted.

    Reads initialisers and attributes of nodes, in nested graphs too; exporters write tensors nowhere else.
    """
    model = onnx.load_model_from_string(content)
    found: set[str] = set()
    for tensor in _tensors(model.graph):
        if onnx.external_data_helper.uses_external_data(tensor):
            found.update(entry.value for entry in tensor.external_data if entry.key == "location")
    return sorted(found)


def _tensors(proto: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a graph and of the graphs in it."""
    yield from proto.initializer
    for attribute in (attribute for node in proto.node for attribute in node.attribute):
        yield attribute.t
        yield from attribute.tensors
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def write(directory: Path, description: Mapping[str, Any], files: Mapping[str, bytes | Path]) -> None:
    """Writes a package, model.json last.

    `description` is model.json without `files`. `files` has the content of each file by its name, a large one as the path of
    another file, which is copied. ValueError where the graph takes weights from a file that is not among them.
    """
    for name in external_files(_content(files["model.onnx"])):
        if name not in files:
            raise ValueError(
                f"expected every file of weights among {', '.join(files)}, found that the graph reads {name}"
            )
    manifest = {**description, "files": {name: digest(content) for name, content in files.items()}}
    place(directory, {**files, "model.json": (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()})


def place(directory: Path, contents: Mapping[str, bytes | Path]) -> None:
    """Writes files by name: every one under a temporary name first, then each in its place, in their order."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".writing-") as scratch:
        for name, content in contents.items():
            if isinstance(content, bytes):
                (Path(scratch) / name).write_bytes(content)
            elif content != directory / name:
                shutil.copyfile(content, Path(scratch) / name)
        for name in contents:
            if (Path(scratch) / name).exists():
                os.replace(Path(scratch) / name, directory / name)


def fitted_members(
    directory: Path, description: Mapping[str, Any], files: Mapping[str, bytes | Path]
) -> dict[str, Any]:
    """`ngramWeights` and `confidence` of the package in `directory` where they hold for a new one too: the same weights, tokenizer and prompts."""
    path = directory / "model.json"
    former: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    fitted: dict[str, Any] = {name: former[name] for name in ("ngramWeights", "confidence") if name in former}
    if not fitted or former.get("prompt") != description["prompt"]:
        return {}
    fixed = [name for name in {**former["files"], **files} if name not in ("model.onnx", "MODEL_CARD.md")]
    if any(name not in files or former["files"].get(name) != digest(files[name]) for name in fixed):
        return {}
    # The same weights write the same text, also in a graph that was changed for speed.
    former_graph = directory / "model.onnx"
    if not former_graph.is_file() or weights_of(former_graph.read_bytes()) != weights_of(_content(files["model.onnx"])):
        return {}
    return fitted


def _content(given: bytes | Path) -> bytes:
    return given if isinstance(given, bytes) else given.read_bytes()


def weights_of(content: bytes) -> frozenset[str]:
    """SHA-256 of each tensor of an ONNX graph, except small ones, which are shapes and constants."""
    tensors = onnx.load_model_from_string(content).graph.initializer
    return frozenset(hashlib.sha256(tensor.raw_data).hexdigest() for tensor in tensors if len(tensor.raw_data) > 1024)


def read(directory: Path) -> dict[str, Any]:
    """model.json of a package whose files all have the stated size and hash; ValueError names the first that does not."""
    path = directory / "model.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected a model package in {directory}, found no model.json: run `export` first")
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if manifest.get("formatVersion") != FORMAT_VERSION:
        raise ValueError(
            f"{path}: expected formatVersion {FORMAT_VERSION}, found {manifest.get('formatVersion')}: export again"
        )
    for name in dict.fromkeys([*FILES, *manifest["files"]]):
        stated = manifest["files"].get(name)
        found = digest(directory / name) if (directory / name).is_file() else None
        if stated is None or found != stated:
            raise ValueError(f"{directory / name}: expected {stated}, found {found}: export the package again")
    for name in external_files((directory / "model.onnx").read_bytes()):
        if name not in manifest["files"]:
            raise ValueError(
                f"{path}: expected every file of weights to be listed, found that the graph reads {name}: export again"
            )
    return manifest


def replace_figures(directory: Path, figures: str, changes: Mapping[str, Any] | None = None) -> None:
    """Puts measured tables into the card's figures section and states the card's new hash in model.json.

    `changes` are dotted keys of model.json to set at the same time, such as {"retrieval.nullScore": 0.1}.
    """
    manifest = read(directory)
    files: dict[str, bytes | Path] = {name: directory / name for name in manifest.pop("files")}
    card = (directory / "MODEL_CARD.md").read_text(encoding="utf-8")
    before, begin, rest = card.partition(FIGURES_BEGIN)
    _, end, after = rest.partition(FIGURES_END)
    if not begin or not end:
        raise ValueError(
            f"{directory / 'MODEL_CARD.md'}: expected {FIGURES_BEGIN} and {FIGURES_END}, found neither: export again"
        )
    files["MODEL_CARD.md"] = f"{before}{begin}\n{figures.strip()}\n{end}{after}".encode()
    for key, value in (changes or {}).items():
        *parents, last = key.split(".")
        target = manifest
        for parent in parents:
            target = target[parent]
        target[last] = value
    write(directory, manifest, files)
