"""What the measurements share: the work folder's backbone and adapters, cross-file cases, expressions, intervals."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from .. import backbone, bench, corpus, heldout, ing, lexical, llora, package, parallel, tables
from ..prompt_format import PromptFormat

REPOSITORY = Path(__file__).resolve().parents[4]
UNTRAINED, SHIPPED = "untrained", "shipped"
# Rows of one forward pass.
MICRO = 32


class Bed:
    """One work folder under measurement. Everything is loaded when it is first asked for and kept.

    Adapters go by name: "untrained" (its low-rank updates are zero, so it is the backbone's own attention), "shipped"
    (WORK/llora) and the folders of WORK/stages.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.work = Path(args.work)
        self.limit: int | None = args.limit or None
        self.device = parallel.choose_device(args.device)
        self._modules: dict[str, llora.LLoRA] = {}
        self._expressions: dict[tuple[str, int, bytes], np.ndarray] = {}

    @cached_property
    def model(self) -> Any:
        return backbone.load(self.work / "backbone").to(self.device)

    @cached_property
    def reader(self) -> ing.Reader:
        return ing.Reader(self.model, MICRO, self.device, False)

    @cached_property
    def size(self) -> tables.Measured:
        return tables.of_backbone(self.work / "backbone")

    @cached_property
    def tokenizer(self) -> Tokenizer:
        path = self.work / "tokenizer" / "tokenizer.json"
        if not path.is_file():
            raise FileNotFoundError(f"expected a tokenizer at {path}, found none: run `tokenizer` first")
        return Tokenizer.from_file(str(path))

    @cached_property
    def form(self) -> PromptFormat:
        """Prompts as the shipped adapter was trained on them."""
        return self._form(SHIPPED)

    def _form(self, name: str) -> PromptFormat:
        layout = package.layout_for(self.tokenizer.to_str())
        return PromptFormat({"prompt": layout.to_json(), "retrieval": llora.load_config(self.folder(name))}, self.tokenizer)

    def folder(self, name: str) -> Path:
        """Where an adapter's two files lie."""
        return self.work / "llora" if name == SHIPPED else self.work / "stages" / name

    def exists(self, name: str) -> bool:
        """Whether an adapter is there and reads the same prompts as the shipped one; one that does not is named in a line."""
        if name == UNTRAINED:
            return True
        if not (self.folder(name) / "adapter.safetensors").is_file():
            return False
        config = llora.load_config(self.folder(name))
        found = {key: config.get(key, 0) for key in ("queryTokens", "importTokens", "fragmentTokens")}
        expected = {key: self.form.retrieval.get(key, 0) for key in found}
        if found != expected:
            print(f"measure: {self.folder(name)} reads other prompts ({found}, expected {expected}): left out, train it again")
        return found == expected

    def module(self, name: str) -> llora.LLoRA:
        if name not in self._modules:
            if name == UNTRAINED:
                torch.manual_seed(0)
                # Of the shipped one's shape, so that nothing but training differs.
                made = llora.load(self.model, self.folder(SHIPPED))
                with torch.no_grad():
                    for low_rank in made.modules():
                        if isinstance(low_rank, llora.LowRank):
                            low_rank.B.zero_()
            else:
                made = llora.load(self.model, self.folder(name))
            self._modules[name] = made.to(self.device).eval()
        return self._modules[name]

    @torch.no_grad()
    def express(self, names: Sequence[str], rows: Sequence[Sequence[int]], adapter: int) -> dict[str, np.ndarray]:
        """By adapter name the expressions [rows, dimension] of rows of ids; one backbone pass serves all, rows seen before none."""
        keys = [np.asarray(row, dtype=np.int32).tobytes() for row in rows]
        missing = {key: row for key, row in zip(keys, rows) if any((name, adapter, key) not in self._expressions for name in names)}
        if missing:
            found = self.reader.express([self.module(name) for name in names], list(missing.values()), adapter)
            for name, values in zip(names, found):
                for key, value in zip(missing, values.float().cpu().numpy()):
                    self._expressions[name, adapter, key] = value
        width = self.module(names[0]).dimension
        return {name: np.stack([self._expressions[name, adapter, key] for key in keys]) if keys else np.zeros((0, width), np.float32)
                for name in names}

    def queries(self, names: Sequence[str], group: Sequence[bench.Case]) -> dict[str, np.ndarray]:
        """What the cases' contexts express, [cases, dimension] by adapter name."""
        return self.express(names, [self.form.query(case.task.file, case.prefix) for case in group], llora.QUERY)

    def fragments(self, names: Sequence[str], pool: Sequence[bench.Fragment]) -> dict[str, np.ndarray]:
        """What fragments express, [fragments, dimension] by adapter name."""
        return self.express(names, [self.form.fragment_embedding(each.path, each.text) for each in pool], llora.FRAGMENT)

    @property
    def bench_folder(self) -> Path | None:
        return corpus.bench_folder(self.args.bench)

    @cached_property
    def cases(self) -> dict[str, list[bench.Case]]:
        """Cross-file cases by language: of the benchmark where there is one, else of the held-out repositories."""
        if self.bench_folder is None:
            return heldout.cases(self.heldout, self.limit or 10_000)
        found = {language: bench.cases(self.bench_folder, language, self.limit)[1] for language in bench.LANGUAGES}
        return {language: cases for language, cases in found.items() if cases}

    @property
    def heldout(self) -> Path:
        path = self.work / "corpus" / "heldout.jsonl"
        if not path.is_file():
            raise FileNotFoundError(f"expected held-out repositories in {path}, found none: run `corpus` first")
        return path

    @property
    def source(self) -> str:
        """Says where the cases come from."""
        if self.bench_folder is None:
            return "Held-out repositories of the corpus; the cursor stands at the first use of a name defined in another file."
        return (f"Cross-file benchmark (never trained on), {'all' if self.limit is None else f'first {self.limit}'} tasks of each "
                "language; those whose answer no other file defines are left out.")

    def key(self, names: Sequence[str]) -> dict[str, Any]:
        """What a table over these adapters is computed from."""
        return {
            "backbone": _digest(self.work / "backbone" / "model.safetensors"),
            "adapters": {name: _digest(self.folder(name) / "adapter.safetensors") for name in names if name != UNTRAINED},
            "limit": self.args.limit, "smoke": bool(self.args.smoke), "bench": self.bench_folder is not None,
        }

    def rankings(self, names: Sequence[str], found: Sequence[bench.Case]) -> dict[str, list[list[int]]]:
        """By method (BM25 and the adapters) each case's ten best fragments of the other files, indices into its pool."""
        out: dict[str, list[list[int]]] = {name: [[]] * len(found) for name in ("BM25", *names)}
        place = {id(case): i for i, case in enumerate(found)}
        for _, group in bench.by_repository(found):
            pool = group[0].pool
            index = lexical.Bm25([fragment.text for fragment in pool])
            asked, offered = self.queries(names, group), self.fragments(names, pool)
            for number, case in enumerate(group):
                others = np.array(case.others)
                out["BM25"][place[id(case)]] = index.rank(lexical.query_of(case.prefix), case.others)[:10]
                for name in names:
                    scores = offered[name][others] @ asked[name][number]
                    out[name][place[id(case)]] = others[np.argsort(-scores, kind="stable")[:10]].tolist()
        return out


def _digest(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"expected {path}, found none: run `pretrain` and `ing` first")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval under resampling of whole groups."""

    mean: float
    low: float
    high: float

    def text(self, digits: int = 3) -> str:
        return f"{self.mean:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"

    def to_json(self) -> dict[str, float]:
        return {"mean": round(self.mean, 5), "low": round(self.low, 5), "high": round(self.high, 5)}


def estimate(values: Sequence[float], groups: Sequence[str], resamples: int = 1000) -> Estimate:
    """Mean of values and its interval; values of one group (a repository, a document) are alike, so groups are resampled.

    Raises ``ValueError`` without values.
    """
    if not len(values):
        raise ValueError("expected at least one value, found none: raise --limit")
    names = sorted(set(groups))
    place = {name: i for i, name in enumerate(names)}
    owner = np.array([place[group] for group in groups])
    exact = np.asarray(values, dtype=np.float64)
    sums = np.stack([np.bincount(owner, exact, len(names)), np.bincount(owner, minlength=len(names))], axis=1)
    drawn = sums[np.random.default_rng(0).integers(0, len(names), (resamples, len(names)))].sum(axis=1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return Estimate(float(exact.mean()), float(low), float(high))


def reciprocal(rank: int | None) -> float:
    """Reciprocal of a rank counted from 0; 0 for a miss."""
    return 0.0 if rank is None else 1.0 / (rank + 1)


def retrieval(ranks: Sequence[int | None], groups: Sequence[str]) -> dict[str, Any]:
    """MRR@10 with its interval and Recall@1, 5, 10 of first-hit ranks, as plain figures."""
    found = estimate([reciprocal(rank) for rank in ranks], groups)
    return {"cases": len(ranks), "mrr": found.to_json(),
            "recall": {str(k): round(sum(rank is not None and rank < k for rank in ranks) / len(ranks), 5) for k in (1, 5, 10)}}


def retrieval_cells(figures: dict[str, Any]) -> list[str]:
    """The four cells of `retrieval`'s figures: MRR@10 with interval, Recall@1, 5, 10."""
    mrr = figures["mrr"]
    return [Estimate(mrr["mean"], mrr["low"], mrr["high"]).text(), *(f"{figures['recall'][k]:.3f}" for k in ("1", "5", "10"))]


RETRIEVAL_HEADER = ["MRR@10 (95 % interval)", "Recall@1", "Recall@5", "Recall@10"]
