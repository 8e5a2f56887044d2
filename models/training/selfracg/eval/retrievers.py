"""Ranks the fragments of a repository for each task by every method that is compared, in processes.

The adapters of the training stages share one pass of the frozen backbone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from selfracg.data import crossfile, lexical, prompt_layout
from selfracg.data.prompt_format import PromptFormat
from selfracg.data.tasks import TaskSet
from selfracg.model import backbone, expressions, llora, low_rank

# Length of a ranking.
DEPTH = 50
# Rows of one pass through the backbone.
MICRO = 32
# Training stages in their order, by folder below WORK/stages.
STAGES = {"stage1": "L-LoRA stage 1", "stage2": "L-LoRA stage 2", "utility": "L-LoRA utility stage"}
UNTRAINED, SHIPPED, VANILLA, POOLED = "L-LoRA untrained", "SelfRACG", "vanilla LoRA", "backbone, mean-pooled"
BM25, BM25_NEXT, JACCARD, JACCARD_NEXT = "BM25", "BM25 + next", "Jaccard", "Jaccard + next"
LEXICAL = (BM25, BM25_NEXT, JACCARD, JACCARD_NEXT)
# Indices into a task's pool of fragments, best first.
Ranking = list[int]


@dataclass(frozen=True)
class Method:
    """A way to rank: `kind` says how, `folder` (below the work folder) holds its adapter, whose limits cut the rows."""

    name: str
    kind: str
    folder: str = ""


def methods(work: Path) -> list[Method]:
    """What can be compared in a work folder, baselines first, SelfRACG last.

    Raises ``FileNotFoundError`` where WORK/backbone or WORK/llora is missing.
    """
    for file in (work / "backbone" / "config.json", work / "llora" / "adapter.safetensors"):
        if not file.is_file():
            raise FileNotFoundError(f"expected {file}, found none: run `pretrain` and `ing` first")
    out = [Method(name, "lexical") for name in LEXICAL]
    out.append(Method(POOLED, "pooled", "llora"))
    if (work / "stages" / "vanilla" / "config.json").is_file():
        out.append(Method(VANILLA, "vanilla", "llora"))
    out.append(Method(UNTRAINED, "untrained", "llora"))
    for stage, name in STAGES.items():
        if (work / "stages" / stage / "adapter.safetensors").is_file():
            out.append(Method(name, "adapter", f"stages/{stage}"))
    return [*out, Method(SHIPPED, "adapter", "llora")]


def rank(
    work: Path, tasks: TaskSet, wanted: Sequence[Method], processes: int = 1, device: str = "cpu"
) -> dict[str, dict[str, list[Ranking]]]:
    """Rankings by language and method's name, in the order of `tasks.all()`."""
    jobs = [
        (work, wanted, group, device) for found in tasks.all().values() for _, group in crossfile.by_repository(found)
    ]
    # Long ones first, so that no process is left with one at the end.
    jobs.sort(key=lambda job: -len(job[2][0].pool))
    weights = [len(job[2][0].pool) for job in jobs]
    rankings: dict[tuple[str, int], Ranking] = {}
    started = last = time.monotonic()
    done = 0
    for number, found in in_processes(rank_repository, jobs, processes):
        for method, own in found.items():
            rankings |= {(method.name, id(task)): each for task, each in zip(jobs[number][2], own, strict=True)}
        done += weights[number]
        if time.monotonic() - last > 10:
            last = time.monotonic()
            print(f"ranking: {done:,} of {sum(weights):,} fragments, {last - started:.0f} s", flush=True)
    return {
        language: {method.name: [rankings[method.name, id(task)] for task in found] for method in wanted}
        for language, found in tasks.all().items()
    }


def in_processes(
    work: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], processes: int
) -> Iterator[tuple[int, Any]]:
    """(number, result) of `work(*job)` for every job, as they finish; with one process here and in order."""
    if processes <= 1 or len(jobs) <= 1:
        for number, job in enumerate(jobs):
            yield number, work(*job)
        return
    with ProcessPoolExecutor(min(processes, len(jobs)), get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        pending = {pool.submit(work, *job): number for number, job in enumerate(jobs)}
        try:
            for future in as_completed(pending):
                yield pending[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def rank_repository(
    work: Path, wanted: Sequence[Method], group: Sequence[crossfile.Task], device: str = "cpu"
) -> dict[Method, list[Ranking]]:
    """Rankings of a group of tasks, all of one repository and with one pool, by method."""
    out: dict[Method, list[Ranking]] = {}
    texts = [fragment.text for fragment in group[0].pool]
    indexes: dict[str, lexical.Bm25 | lexical.Jaccard] = {}
    for method in wanted:
        if method.kind != "lexical":
            continue
        name = BM25 if method.name.startswith(BM25) else JACCARD
        if name not in indexes:
            indexes[name] = lexical.Bm25(texts) if name == BM25 else lexical.Jaccard(texts)
        out[method] = [_lexical(indexes[name], method, task) for task in group]
    learned = [method for method in wanted if method.kind != "lexical"]
    return out | (engine(work, device).rank(learned, group) if learned else {})


def _lexical(index: lexical.Bm25 | lexical.Jaccard, method: Method, task: crossfile.Task) -> Ranking:
    order = index.rank(lexical.query_of(task.prefix), task.others)
    return lexical.next_fragments(order, task.pool) if method.name.endswith("+ next") else order[:DEPTH]


_engines: dict[tuple[Path, str], Engine] = {}


def engine(work: Path, device: str = "cpu") -> Engine:
    """The engine of a work folder, loaded once a process."""
    key = (Path(work).resolve(), device)
    if key not in _engines:
        _engines.clear()
        _engines[key] = Engine(work, device)
    return _engines[key]


class Engine:
    """A work folder's backbone with the adapters and models that express queries and fragments."""

    def __init__(self, work: Path, device: str = "cpu") -> None:
        self.work = Path(work)
        self.device = torch.device(device)
        self.model = backbone.placed(backbone.load(self.work / "backbone"), self.device)
        self.tokenizer = Tokenizer.from_file(str(self.work / "backbone" / "tokenizer.json"))
        self.reader = expressions.Reader(self.model, MICRO, self.device, compiled=False)
        self._modules: dict[Method, llora.LLoRA] = {}

    @cached_property
    def vanilla(self) -> Any:
        """The backbone with the vanilla LoRA merged into it."""
        return backbone.placed(backbone.load(self.work / "stages" / "vanilla"), self.device)

    def form(self, folder: str) -> PromptFormat:
        """Prompts with the limits that an adapter was trained with."""
        layout = prompt_layout.layout_for(self.tokenizer.to_str())
        return PromptFormat(
            {"prompt": layout.to_json(), "retrieval": llora.load_config(self.work / folder)}, self.tokenizer
        )

    def module(self, method: Method) -> llora.LLoRA:
        """The adapter of a method; the untrained one has the shipped one's shape."""
        if method not in self._modules:
            module = llora.load(self.model, self.work / method.folder)
            if method.kind == "untrained":
                for part in module.modules():
                    if isinstance(part, low_rank.LowRank):
                        torch.nn.init.zeros_(part.B)
            self._modules[method] = module.to(self.device)
        return self._modules[method]

    def rank(self, wanted: Sequence[Method], group: Sequence[crossfile.Task]) -> dict[Method, list[Ranking]]:
        """Rankings by inner product of expressions among the fragments of other files."""
        # Adapters that were trained with the same limits share their passes.
        by_limits: dict[tuple[int, int, int], list[Method]] = {}
        for method in wanted:
            by_limits.setdefault(_limits(self.work / method.folder), []).append(method)
        out = {}
        for members in by_limits.values():
            form = self.form(members[0].folder)
            rows = [form.fragment_embedding(fragment.path, fragment.text) for fragment in group[0].pool]
            fragments = self.express(members, rows, llora.FRAGMENT)
            queries = self.express(members, [form.query(task.cursor.file, task.prefix) for task in group], llora.QUERY)
            for method in members:
                scores = queries[method] @ fragments[method].T
                out[method] = [
                    lexical.ranked(own, task.others)[:DEPTH] for own, task in zip(scores, group, strict=True)
                ]
        return out

    @torch.no_grad()
    def express(
        self, wanted: Sequence[Method], rows: Sequence[Sequence[int]], adapter: int
    ) -> dict[Method, np.ndarray]:
        """Expressions [rows, dimension] of rows of ids by method; one pass of the backbone serves all adapters.

        Everything is L2-normalised, so that inner products are cosines. Rows of similar length share a pass, in bfloat16.
        """
        out: dict[Method, torch.Tensor] = {}
        adapters = [method for method in wanted if method.kind in ("adapter", "untrained")]
        if adapters:
            found = self.reader.express([self.module(method) for method in adapters], rows, adapter)
            out = dict(zip(adapters, found, strict=True))
        for method in wanted:
            if method.kind == "pooled":
                out[method] = expressions.final_states(self.model.model, rows, MICRO, self.device, mean=True)
            elif method.kind == "vanilla":
                out[method] = expressions.final_states(self.vanilla.model, rows, MICRO, self.device)
        return {method: values.float().cpu().numpy() for method, values in out.items()}


def defining_fragment(task: crossfile.Task) -> int:
    """Index of the fragment that defines what comes next and names it earliest, so that cutting its end loses nothing."""
    return min(task.relevant, key=lambda i: (task.pool[i].text.index(task.name), i))


def _limits(folder: Path) -> tuple[int, int, int]:
    config = llora.load_config(folder)
    return int(config["queryTokens"]), int(config.get("importTokens", 0)), int(config["fragmentTokens"])
