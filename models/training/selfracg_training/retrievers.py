"""Ranks the fragments of a repository for each case by every method that is compared, in processes, resumably.

Rankings lie in WORK/rankings/METHOD-CHECKSUM.jsonl, a line a case, so that what is ranked once serves every table. The
adapters of the training stages share one pass of the frozen backbone.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from . import backbone, bench, decoding, lexical, llora, package, vanilla
from .cases import Cases
from .prompt_format import PromptFormat

# Fragments of a ranking that are kept: more than a prompt or a next-fragment list looks at.
DEPTH = 50
# Rows of one pass through the backbone.
MICRO = 32
# Training stages in their order, by folder below WORK/stages.
STAGES = {"stage1": "L-LoRA stage 1", "stage2": "L-LoRA stage 2", "utility": "L-LoRA utility stage"}
UNTRAINED, SHIPPED, VANILLA, POOLED = "L-LoRA untrained", "SelfRACG", "vanilla LoRA", "backbone, mean-pooled"
BM25, BM25_NEXT, JACCARD, JACCARD_NEXT = "BM25", "BM25 + next", "Jaccard", "Jaccard + next"
LEXICAL = (BM25, BM25_NEXT, JACCARD, JACCARD_NEXT)
# The query shows the ground truth too: what retrieval could reach that knew what comes next.
KNOWING = " with ground truth"
# Raise it where a change makes rankings of before another thing.
VERSION = 1


@dataclass(frozen=True)
class Method:
    """A way to rank: `kind` says how, `folder` holds its adapter, `key` changes with whatever its rankings depend on."""

    name: str
    kind: str
    key: str
    folder: str = ""
    knowing: bool = False

    @property
    def file(self) -> str:
        return f"{re.sub(r'[^a-z0-9]+', '-', self.name.lower()).strip('-')}-{self.key}.jsonl"


@dataclass(frozen=True)
class Ranking:
    """The best fragments of a case (indices into its pool), best first, with scores, and the score below which nothing is needed."""

    order: list[int]
    scores: list[float]
    threshold: float | None = None


def methods(work: Path, knowing: bool = False) -> list[Method]:
    """What can be compared in a work folder, baselines first, SelfRACG last; `knowing` adds the rankings that see the ground truth.

    Raises ``FileNotFoundError`` where WORK/backbone or WORK/llora is missing.
    """
    base = _checksum(work / "backbone" / "model.safetensors", work / "backbone" / "tokenizer.json")
    out = [Method(name, "lexical", _key(name)) for name in LEXICAL]
    out.append(Method(POOLED, "pooled", _key(POOLED, base, _settings(work / "llora")), "llora"))
    if (work / "stages" / "vanilla" / "adapter.safetensors").is_file():
        found = work / "stages" / "vanilla"
        out.append(Method(VANILLA, "vanilla", _key(base, _adapter(found)), "stages/vanilla"))
    out.append(Method(UNTRAINED, "untrained", _key(UNTRAINED, base, _settings(work / "llora")), "llora"))
    for stage, name in STAGES.items():
        if (work / "stages" / stage / "adapter.safetensors").is_file():
            out.append(Method(name, "adapter", _key(base, _adapter(work / "stages" / stage)), f"stages/{stage}"))
    shipped = _key(base, _adapter(work / "llora"))
    out.append(Method(SHIPPED, "adapter", shipped, "llora"))
    if knowing:
        out += [
            Method(BM25 + KNOWING, "lexical", _key(BM25, KNOWING), knowing=True),
            Method(SHIPPED + KNOWING, "adapter", shipped, "llora", True),
        ]
    return out


def rank(
    work: Path, cases: Cases, wanted: Sequence[Method], processes: int = 1, device: str = "cpu"
) -> dict[str, dict[str, list[Ranking]]]:
    """Rankings by language and method's name, in the order of `cases.all()`. Computes what is not on disk yet."""
    store = Store(work, wanted, cases.origin)
    jobs = []
    for found in cases.all().values():
        for _, group in bench.by_repository(found):
            missing = [method for method in wanted if any(not store.has(method, case) for case in group)]
            if missing:
                jobs.append((work, missing, group, device))
    # Long ones first, so that no process is left with one at the end.
    jobs.sort(key=lambda job: -len(job[2][0].pool))
    weights = [len(job[2][0].pool) for job in jobs]
    started = last = time.monotonic()
    done = 0
    for number, found in in_processes(rank_repository, jobs, processes):
        store.add(jobs[number][2], found)
        done += weights[number]
        if time.monotonic() - last > 10:
            last = time.monotonic()
            print(f"ranking: {done:,} of {sum(weights):,} fragments, {last - started:.0f} s", flush=True)
    return {
        language: {method.name: [store.get(method, case) for case in found] for method in wanted}
        for language, found in cases.all().items()
    }


class Store:
    """Rankings on disk and in memory, by method and case."""

    def __init__(self, work: Path, wanted: Sequence[Method], origin: str) -> None:
        self.folder = Path(work) / "rankings"
        self.origin = origin
        self._found: dict[tuple[str, str], Ranking] = {}
        for method in wanted:
            path = self.folder / method.file
            if not path.is_file():
                continue
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    continue  # cut off while it was written
                self._found[method.file, row["case"]] = Ranking(row["order"], row["scores"], row["threshold"])

    def _name(self, case: bench.Case) -> str:
        # A limit that changes which cases are drawn must not lend them each other's rankings.
        return f"{self.origin}/{case.task.language}/{case.task.identifier}/{len(case.pool)}"

    def has(self, method: Method, case: bench.Case) -> bool:
        return (method.file, self._name(case)) in self._found

    def get(self, method: Method, case: bench.Case) -> Ranking:
        return self._found[method.file, self._name(case)]

    def add(self, group: Sequence[bench.Case], found: dict[Method, list[Ranking]]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for method, rankings in found.items():
            with (self.folder / method.file).open("a", encoding="utf-8") as out:
                for case, ranking in zip(group, rankings, strict=True):
                    self._found[method.file, self._name(case)] = ranking
                    row = {
                        "case": self._name(case),
                        "order": ranking.order,
                        "scores": ranking.scores,
                        "threshold": ranking.threshold,
                    }
                    # A line break in front keeps a line that was cut off apart.
                    out.write("\n" + json.dumps(row))


def in_processes(
    work: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], processes: int
) -> Iterator[tuple[int, Any]]:
    """(number, result) of `work(*job)` for every job, as they finish; with one process here and in order."""
    if processes <= 1 or len(jobs) <= 1:
        for number, job in enumerate(jobs):
            yield number, work(*job)
        return
    with ProcessPoolExecutor(min(processes, len(jobs)), get_context("spawn"), _one_thread) as pool:
        pending = {pool.submit(work, *job): number for number, job in enumerate(jobs)}
        try:
            for future in as_completed(pending):
                yield pending[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    torch.set_num_threads(1)


def rank_repository(
    work: Path, wanted: Sequence[Method], group: Sequence[bench.Case], device: str = "cpu"
) -> dict[Method, list[Ranking]]:
    """Rankings of a group of cases, all of one repository and with one pool, by method."""
    out: dict[Method, list[Ranking]] = {}
    pool = group[0].pool
    texts = [fragment.text for fragment in pool]
    indexes: dict[str, lexical.Bm25 | lexical.Jaccard] = {}
    for method in wanted:
        if method.kind != "lexical":
            continue
        name = BM25 if method.name.startswith(BM25) else JACCARD
        if name not in indexes:
            indexes[name] = lexical.Bm25(texts) if name == BM25 else lexical.Jaccard(texts)
        out[method] = [_lexical(indexes[name], method, case) for case in group]
    learned = [method for method in wanted if method.kind != "lexical"]
    if learned:
        for method, rankings in engine(work, device).rank(learned, group).items():
            out[method] = rankings
    return out


def _lexical(index: lexical.Bm25 | lexical.Jaccard, method: Method, case: bench.Case) -> Ranking:
    seen = case.prefix + case.task.groundtruth if method.knowing else case.prefix
    scores = index.scores(lexical.query_of(seen))
    order = sorted(case.others, key=lambda i: -scores[i])
    if method.name.endswith("+ next"):
        # A fragment that follows has no score of its own.
        return Ranking(lexical.next_ones(order, case.pool), [])
    return Ranking(order[:DEPTH], [round(scores[i], 4) for i in order[:DEPTH]])


_engines: dict[tuple[Path, str], Engine] = {}


def engine(work: Path, device: str = "cpu") -> Engine:
    """The engine of a work folder, loaded once a process."""
    key = (Path(work).resolve(), device)
    if key not in _engines:
        _engines.clear()
        _engines[key] = Engine(work, device)
    return _engines[key]


class Engine:
    """A work folder's backbone with whatever expresses needs and fragments beside it."""

    def __init__(self, work: Path, device: str = "cpu") -> None:
        self.work = Path(work)
        self.device = torch.device(device)
        self.model = backbone.placed(backbone.load(self.work / "backbone"), self.device)
        self.tokenizer = Tokenizer.from_file(str(self.work / "backbone" / "tokenizer.json"))
        self._modules: dict[tuple[str, str], llora.LLoRA] = {}

    @cached_property
    def spelling(self) -> decoding.Spelling:
        return decoding.Spelling(self.tokenizer)

    @cached_property
    def merged(self) -> Any:
        """The backbone with the vanilla LoRA merged into it."""
        return backbone.placed(vanilla.merged(self.work / "backbone", self.work / "stages" / "vanilla"), self.device)

    def form(self, folder: str) -> PromptFormat:
        """Prompts as an adapter was trained on them."""
        layout = package.layout_for(self.tokenizer.to_str())
        return PromptFormat(
            {"prompt": layout.to_json(), "retrieval": llora.load_config(self.work / folder)}, self.tokenizer
        )

    def module(self, method: Method) -> llora.LLoRA:
        """The adapter of a method; the untrained one has the shipped one's shape."""
        key = (method.kind, method.folder)
        if key not in self._modules:
            module = llora.load(self.model, self.work / method.folder)
            if method.kind == "untrained":
                for low_rank in module.modules():
                    if isinstance(low_rank, llora.LowRank):
                        torch.nn.init.zeros_(low_rank.B)
            self._modules[key] = module.to(self.device)
        return self._modules[key]

    def rank(self, wanted: Sequence[Method], group: Sequence[bench.Case]) -> dict[Method, list[Ranking]]:
        """Rankings by inner product of expressions among the fragments of other files."""
        # Adapters that were trained on rows of one layout share a pass, and so do methods that differ in the query alone.
        layouts: dict[tuple[int, int, int, bool], list[Method]] = {}
        for method in wanted:
            layouts.setdefault((*_settings(self.work / method.folder), method.kind == "vanilla"), []).append(method)
        out = {}
        pool = group[0].pool
        for (*_, is_merged), members in layouts.items():
            form = self.form(members[0].folder)
            rows = [form.fragment_embedding(fragment.path, fragment.text) for fragment in pool]
            offered = self.express(members, rows, llora.FRAGMENT, is_merged)
            for knowing in sorted({method.knowing for method in members}):
                own = [method for method in members if method.knowing == knowing]
                shown = [case.prefix + case.task.groundtruth if knowing else case.prefix for case in group]
                queries = [form.query(case.task.file, text) for case, text in zip(group, shown, strict=True)]
                asked = self.express(own, queries, llora.QUERY, is_merged)
                for method in own:
                    out[method] = self._rankings(
                        method, group, asked[method.kind, method.folder], offered[method.kind, method.folder]
                    )
        return out

    def _rankings(
        self, method: Method, group: Sequence[bench.Case], asked: np.ndarray, offered: np.ndarray
    ) -> list[Ranking]:
        config = llora.load_config(self.work / method.folder) if method.kind == "adapter" else {}
        null = config.get("nullScore")
        vector = np.asarray(config.get("nullVector") or np.zeros(asked.shape[1]), dtype=np.float32)
        found = []
        for number, case in enumerate(group):
            others = np.array(case.others, dtype=np.int64)
            scores = offered[others] @ asked[number]
            best = np.argsort(-scores, kind="stable")[:DEPTH]
            threshold = None if null is None else float(null) + float(asked[number] @ vector)
            found.append(Ranking(others[best].tolist(), [round(float(score), 5) for score in scores[best]], threshold))
        return found

    @torch.no_grad()
    def express(
        self, wanted: Iterable[Method], rows: Sequence[Sequence[int]], adapter: int, is_merged: bool = False
    ) -> dict[tuple[str, str], np.ndarray]:
        """Expressions [rows, dimension] of rows of ids by (kind, folder); one pass of the backbone serves all.

        Everything is L2-normalised, so that inner products are cosines. Rows of like length share a pass, in bfloat16.
        """
        keys = list(dict.fromkeys((method.kind, method.folder) for method in wanted))
        by_key = {(method.kind, method.folder): method for method in wanted}
        out: dict[tuple[str, str], np.ndarray] = {}
        for batch in decoding.batches([len(row) for row in rows], MICRO):
            lengths = torch.tensor([len(rows[i]) for i in batch], device=self.device)
            ids = torch.zeros(len(batch), int(lengths.max()), dtype=torch.int64)
            for place, i in enumerate(batch):
                ids[place, : len(rows[i])] = torch.tensor(rows[i])
            inputs, states = decoding.trunk(
                self.merged if is_merged else self.model, ids.to(self.device), torch.bfloat16
            )
            for key in keys:
                if key[0] == "pooled":
                    valid = torch.arange(ids.shape[1], device=self.device)[None] < lengths[:, None]
                    value = torch.nn.functional.normalize((states.float() * valid[..., None]).sum(1), dim=-1)
                elif key[0] == "vanilla":
                    value = vanilla.express(states, lengths)
                else:
                    value = self.module(by_key[key]).read(inputs, lengths, adapter)
                if key not in out:
                    out[key] = np.zeros((len(rows), value.shape[1]), dtype=np.float32)
                out[key][batch] = value.float().cpu().numpy()
        return out


def random_ranking(case: bench.Case) -> Ranking:
    """Fragments of other files in an order that is drawn for the case and always the same."""
    return Ranking(random.Random(case.task.identifier).sample(list(case.others), min(DEPTH, len(case.others))), [])


def defining_ranking(case: bench.Case) -> Ranking:
    """The fragments that define what comes next, the one that names it earliest first: what is cut off later is not missed."""
    return Ranking(sorted(case.relevant, key=lambda i: (case.pool[i].text.index(case.name), i)), [])


def _settings(folder: Path) -> tuple[int, int, int]:
    config = llora.load_config(folder)
    return int(config["queryTokens"]), int(config.get("importTokens", 0)), int(config["fragmentTokens"])


def _adapter(folder: Path) -> str:
    return _checksum(folder / "adapter.safetensors", folder / "adapter_config.json")


def _checksum(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"expected {path}, found none: run `pretrain` and `ing` first")
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps([VERSION, *parts]).encode()).hexdigest()[:12]
