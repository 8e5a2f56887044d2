"""Command `evaluate`: loss on held-out code, copying from fragments, retrieval and isolation of a model package.

Everything is measured on the packaged graph through ONNX Runtime, so the figures are those of what ships.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from . import backbone, bench, corpus, graph, heldout, lexical, llora, package, runtime
from .prompt_format import PromptFormat

REPOSITORY = Path(__file__).resolve().parents[3]
PARTS = ("loss", "copying", "retrieval", "isolation")
# Rows of the copying table: a fragment and a prefix as they would share a prompt.
COPY_LIMIT = 576  # tokens of a prompt whose use of fragments is measured; a third of them for the fragment
COPY_ROOM = 64  # and at least this many of the context for the continuation
# Tokens of a held-out file that the loss is measured on.
LOSS_TOKENS = 512


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options beside the common --work, --smoke and --device."""
    parser.add_argument("--package", type=Path, default=None, help="package folder (default: models/default; with --smoke: WORK/package)")
    parser.add_argument("--card", type=Path, default=None, help="evaluate the package in this folder and write the tables into its card")
    parser.add_argument("--only", choices=PARTS, default=None, help="print one of the tables")
    parser.add_argument("--bench", type=Path, default=None, help="cross-file benchmark folder; without one, held-out repositories serve")
    parser.add_argument("--limit", type=int, default=40, help="tasks a language for retrieval and copying; 0 for all")
    parser.add_argument("--rows", type=int, default=12, help="held-out files a language for the loss")
    parser.add_argument("--json", action="store_true", help="print every figure as one JSON object on the last line")


def run(args: argparse.Namespace) -> int:
    """Prints the tables. Returns 0, or 1 when isolation does not hold."""
    started = time.monotonic()
    work = Path(args.work)
    if args.smoke:
        args.limit, args.rows = min(args.limit or 6, 6), min(args.rows, 2)
    folder = args.card or args.package or (work / "package" if args.smoke else REPOSITORY / "models" / "default")
    subject = Subject.load(folder)
    cases = Cases(work, args.bench, args.limit or None)
    measures: dict[str, Callable[[], Table]] = {
        "loss": lambda: loss_table(subject, work, args.rows),
        "copying": lambda: copying_table(subject, cases),
        "retrieval": lambda: retrieval_table(subject, cases),
        "isolation": lambda: isolation_table(subject, cases),
    }
    unfinished = Unfinished(work / "evaluate-unfinished.json", subject, args)
    tables = []
    for part in PARTS if args.only is None else (args.only,):
        begun = time.monotonic()
        table = unfinished.tables.get(part) or measures[part]()
        table.command = _command(args, part)
        tables.append(table)
        unfinished.keep(table)
        print(f"\n{table.markdown()}\n({time.monotonic() - begun:.0f} s)", flush=True)
    if args.card is not None:
        if args.only is not None:
            raise ValueError("expected --card without --only, found both: the card holds every table")
        package.replace_figures(folder, "\n\n".join(table.markdown() for table in tables))
        print(f"\nwritten into {folder / 'MODEL_CARD.md'}")
    unfinished.remove()
    print(f"evaluate: {time.monotonic() - started:.0f} s")
    if args.json:
        print(json.dumps({table.name: table.figures for table in tables}))
    return 0 if all(table.holds for table in tables) else 1


def _command(args: argparse.Namespace, part: str) -> str:
    """The command that prints one table again, with the sizes used."""
    sizes = f" --rows {args.rows}" if part == "loss" else f" --limit {args.limit}"
    return f"python -m selfracg_training evaluate --only {part}{sizes}" + (" --smoke" if args.smoke else "")


@dataclass
class Table:
    """A titled table and the same figures as data; `holds` is false where a promise is broken."""

    name: str
    title: str
    header: Sequence[str]
    rows: list[Sequence[str]]
    notes: str
    figures: Any
    command: str = ""
    holds: bool = True

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", "| " + " | ".join(self.header) + " |", "|" + "---|" * len(self.header)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join([*lines, "", f"{self.notes} Command: `{self.command}`."])


class Unfinished:
    """The tables of a run that was cut off, for the next run over the same package at the same sizes; none of a finished run."""

    def __init__(self, path: Path, subject: "Subject", args: argparse.Namespace) -> None:
        self.path = path
        files = subject.manifest["files"]
        self.key = {"model": files["model.onnx"]["sha256"], "tokenizer": files["tokenizer.json"]["sha256"], "only": args.only,
                    "limit": args.limit, "rows": args.rows, "bench": str(args.bench)}
        self.tables: dict[str, Table] = {}
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["key"] == self.key:
                self.tables = {row["name"]: Table(**row) for row in found["tables"]}

    def keep(self, table: Table) -> None:
        self.tables[table.name] = table
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps({"key": self.key, "tables": [asdict(each) for each in self.tables.values()]}), encoding="utf-8")
        partial.replace(self.path)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


@dataclass
class Subject:
    """A loaded package: its graph, the same graph with an untrained adapter, and its prompt format."""

    manifest: dict[str, Any]
    format: PromptFormat
    trained: runtime.OnnxModel
    untrained: runtime.OnnxModel

    @staticmethod
    def load(folder: Path) -> "Subject":
        manifest = package.read(folder)
        model = (folder / "model.onnx").read_bytes()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return Subject(manifest, PromptFormat(manifest, tokenizer), runtime.OnnxModel.from_bytes(model),
                       runtime.OnnxModel.from_bytes(graph.without_training(model)))

    def copy_limit(self) -> int:
        """Tokens of a prompt whose use of fragments is measured: COPY_LIMIT, or what the package's context leaves."""
        return min(COPY_LIMIT, int(self.manifest["contextLength"]) - COPY_ROOM)

    def losses(self, rows: Sequence[Sequence[int]], starts: Sequence[int]) -> list[np.ndarray]:
        """For each row the losses (nats) of its tokens from `starts` on, each row by itself: no padding, any length."""
        out = []
        for row, start in zip(rows, starts):
            positions = np.arange(start - 1, len(row) - 1)[None]
            logits = self.trained.run(np.array([row]), [len(row)], positions).logits[0]
            out.append(token_losses(logits, np.array(row[start:])))
        return out


def token_losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Negative log-probabilities [n] of targets [n] under logits [n, vocabulary], in nats."""
    highest = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - highest).sum(axis=1)) + highest[:, 0]
    return total - logits[np.arange(len(targets)), targets]


@dataclass
class Cases:
    """Cross-file cases by language: of the benchmark where there is one, else of the held-out repositories."""

    work: Path
    folder: Path | None
    limit: int | None
    _loaded: dict[str, list[bench.Case]] | None = None
    rankings: dict[str, dict[str, list[list[int]]]] = field(default_factory=dict)

    @property
    def bench(self) -> Path | None:
        return corpus.bench_folder(self.folder)

    @property
    def source(self) -> str:
        if self.bench is None:
            return "Held-out repositories of the corpus; the cursor stands at the first use of a name defined in another file."
        return (f"Cross-file benchmark (never trained on), {'all' if self.limit is None else f'first {self.limit}'} tasks of each "
                "language; those whose answer no other file defines are left out.")

    def load(self) -> dict[str, list[bench.Case]]:
        if self._loaded is None:
            if self.bench is None:
                path = self.work / "corpus" / "heldout.jsonl"
                if not path.is_file():
                    raise FileNotFoundError(f"expected a benchmark (--bench) or held-out repositories in {path}, found neither: run `corpus`")
                self._loaded = heldout.cases(path, self.limit or 10_000)
            else:
                found = {language: bench.cases(self.bench, language, self.limit)[1] for language in bench.LANGUAGES}
                self._loaded = {language: cases for language, cases in found.items() if cases}
        return self._loaded

    def ranked(self, subject: Subject, language: str) -> dict[str, list[list[int]]]:
        """Rankings of every case of a language by method, computed once."""
        if language not in self.rankings:
            self.rankings[language] = rank_all(subject, self.load()[language])
        return self.rankings[language]


def rank_all(subject: Subject, found: Sequence[bench.Case]) -> dict[str, list[list[int]]]:
    """By method, for each case the indices of the other files' fragments, best first (the first ten)."""
    rankings: dict[int, dict[str, list[int]]] = {}
    place = {id(case): i for i, case in enumerate(found)}
    models = {"L-LoRA untrained": subject.untrained, "L-LoRA trained": subject.trained}
    for _, group in bench.by_repository(found):
        pool = group[0].pool
        index = lexical.Bm25([fragment.text for fragment in pool])
        queries = [subject.format.query(case.task.file, case.prefix) for case in group]
        rows = [subject.format.fragment_embedding(fragment.path, fragment.text) for fragment in pool]
        scores = {name: model.embed(queries, llora.QUERY) @ model.embed(rows, llora.FRAGMENT).T for name, model in models.items()}
        for number, case in enumerate(group):
            others = np.array(case.others)
            ranked = {"BM25": index.rank(lexical.query_of(case.prefix), case.others)[:10]}
            for name, values in scores.items():
                order = np.argsort(-values[number][others], kind="stable")[:10]
                ranked[name] = others[order].tolist()
            rankings[place[id(case)]] = ranked
    return {method: [rankings[i][method] for i in range(len(found))] for method in ("BM25", *models)}


def retrieval_table(subject: Subject, cases: Cases) -> Table:
    """Definition-hit MRR@10 and Recall@k of BM25 and of the untrained and trained expression."""
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    for language, found in cases.load().items():
        repositories = [case.task.repository for case in found]
        for method, rankings in cases.ranked(subject, language).items():
            ranks = bench.measure([bench.first_hit(case, ranking) for case, ranking in zip(found, rankings)], repositories)
            figures.setdefault(language, {})[method] = {
                "cases": len(found), "mrr": ranks.mrr, "interval": [ranks.low, ranks.high], "recall": ranks.recall,
            }
            rows.append([language, method, str(len(found)), f"{ranks.mrr:.3f} ({ranks.low:.3f} to {ranks.high:.3f})",
                         *(f"{ranks.recall[k]:.3f}" for k in (1, 5, 10))])
    return Table(
        "retrieval", "Retrieval of the fragment that defines what comes next",
        ["language", "method", "cases", "MRR@10 (95 % interval)", "Recall@1", "Recall@5", "Recall@10"], rows,
        f"{cases.source} Fragments of {bench.LINES} lines every {bench.STEP}, cut to {subject.manifest['retrieval']['fragmentTokens']} "
        f"tokens; query: {subject.manifest['retrieval']['queryTokens']} tokens before the cursor; intervals resample repositories. "
        f"BM25 has the last {lexical.QUERY_LINES} lines as its query and whole fragments.",
        figures,
    )


def copying_table(subject: Subject, cases: Cases) -> Table:
    """Loss on the true continuation behind no fragment, a random one, the defining one and the one retrieved first."""
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    totals: dict[str, list[np.ndarray]] = {}
    for language, found in cases.load().items():
        retrieved = cases.ranked(subject, language)["L-LoRA trained"]
        sums = {kind: np.zeros(4) for kind in ("none", "random", "right", "retrieved")}
        for case, ranking in zip(found, retrieved):
            chooser = random.Random(case.task.identifier)
            wrong = [i for i in case.others if i not in case.relevant]
            chosen = {"none": None, "random": chooser.choice(wrong) if wrong else None, "right": _defining(case), "retrieved": ranking[0]}
            target, is_name = _continuation(subject.format, case)
            room = int(subject.manifest["contextLength"]) - subject.copy_limit()
            target, is_name = target[:room], is_name[:room]
            for kind, fragment in chosen.items():
                row = _prompt(subject.format, case, fragment, subject.copy_limit())
                losses = subject.losses([[*row, *target]], [len(row)])[0]
                sums[kind] += [losses.sum(), len(losses), losses[is_name].sum(), is_name.sum()]
        figures[language] = {"cases": len(found)} | {
            kind: {"continuation": s[0] / s[1], "name": s[2] / s[3]} for kind, s in sums.items()}
        for kind, s in sums.items():
            totals.setdefault(kind, []).append(s)
        rows.append(_copy_row(language, len(found), sums))
    overall = {kind: np.sum(parts, axis=0) for kind, parts in totals.items()}
    rows.append(_copy_row("all", sum(len(found) for found in cases.load().values()), overall))
    figures["all"] = {kind: {"continuation": s[0] / s[1], "name": s[2] / s[3]} for kind, s in overall.items()}
    kinds = ("none", "random", "right", "retrieved")
    return Table(
        "copying", "Use of fragments: loss behind a fragment",
        ["language", "cases", *(f"{kind}" for kind in kinds), *(f"name, {kind}" for kind in kinds)], rows,
        f"{cases.source} Nats a token of the true continuation, and of the tokens of the name that is defined elsewhere, behind one "
        "fragment: none, a random one of the repository, the one that defines the name, the one the model retrieves first.",
        figures,
    )


def _copy_row(language: str, count: int, sums: dict[str, np.ndarray]) -> list[str]:
    return [language, str(count), *(f"{s[0] / s[1]:.3f}" for s in sums.values()), *(f"{s[2] / s[3]:.3f}" for s in sums.values())]


def _defining(case: bench.Case) -> int:
    """Of the fragments that define the name the one that names it earliest: what is cut off later is not missed."""
    return min(case.relevant, key=lambda i: (case.pool[i].text.index(case.name), i))


def _prompt(form: PromptFormat, case: bench.Case, fragment: int | None, limit: int) -> list[int]:
    """Fragment, if any, and as much of the prefix as fits; the prefix has the same room in every variant."""
    prefix = form.left_to_right(case.task.file, case.prefix, limit - limit // 3)
    if fragment is None:
        return prefix
    return [*form.fragment(case.pool[fragment].path, case.pool[fragment].text, limit // 3), *prefix]


def _continuation(form: PromptFormat, case: bench.Case) -> tuple[list[int], np.ndarray]:
    """(ids of the ground truth, which of them write the name defined elsewhere)."""
    encoding = form.tokenizer.encode(case.task.groundtruth, add_special_tokens=False)
    begin = case.task.groundtruth.index(case.name)
    end = begin + len(case.name)
    is_name = np.array([start < end and stop > begin for start, stop in encoding.offsets])
    return list(encoding.ids), is_name


def loss_table(subject: Subject, work: Path, per_language: int) -> Table:
    """Bits per byte and loss on held-out files, beside a unigram model and the untrained backbone."""
    path = work / "corpus" / "heldout.jsonl"
    if not path.is_file():
        raise FileNotFoundError(f"expected held-out files in {path}, found none: run `corpus` first")
    unigram = unigram_losses(work, subject)
    start_model = _untrained_backbone(subject.manifest["architecture"], subject.manifest["contextLength"])
    limit = min(LOSS_TOKENS, int(subject.manifest["contextLength"]))
    methods = [*(["unigram"] if unigram is not None else []), *(["untrained"] if start_model is not None else []), "model"]
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    sums: dict[str, dict[str, float]] = {}
    for language, files in heldout.texts(path, per_language).items():
        total = dict.fromkeys(["bytes", "tokens", *methods], 0.0)
        for file, text in files:
            row, start, size = _loss_row(subject.format, file, text, limit)
            total["bytes"] += size
            total["tokens"] += len(row) - start
            total["model"] += float(subject.losses([row], [start])[0].sum())
            if unigram is not None:
                total["unigram"] += float(unigram[row[start:]].sum())
            if start_model is not None:
                with torch.no_grad():
                    logits = start_model(input_ids=torch.tensor([row]), use_cache=False).logits[0, start - 1 : -1].numpy()
                total["untrained"] += float(token_losses(logits, np.array(row[start:])).sum())
        sums[language] = total
    sums["all"] = {key: sum(total[key] for total in sums.values()) for key in next(iter(sums.values()))}
    for language, total in sums.items():
        bits = {method: total[method] / np.log(2) / total["bytes"] for method in methods}
        figures[language] = {"bytes": total["bytes"], "tokens": total["tokens"], "bitsPerByte": bits,
                             "loss": {method: total[method] / total["tokens"] for method in methods}}
        rows.append([language, f"{total['bytes']:,.0f}", *(f"{bits[m]:.3f}" for m in methods), f"{total['model'] / total['tokens']:.3f}"])
    return Table(
        "loss", "Held-out code", ["language", "bytes", *(f"{method}, bits a byte" for method in methods), "model, nats a token"], rows,
        f"Up to {per_language} files a language from repositories kept out of training, up to {limit} tokens of each. Unigram: token "
        "frequencies of the training rows. Untrained: the same architecture before its first step.",
        figures,
    )


def _loss_row(form: PromptFormat, file: str, text: str, limit: int) -> tuple[list[int], int, int]:
    """(row, index of its first scored token, bytes those tokens stand for), from a line of the file that leaves enough to read."""
    lines = text.split("\n")
    first = random.Random(file).randrange(max(1, len(lines) - limit // 10))
    body = "\n".join(lines[first:])
    header = form.left_to_right(file, "", limit)
    encoding = form.tokenizer.encode(body, add_special_tokens=False)
    count = min(len(encoding.ids), limit - len(header))
    ids = list(encoding.ids[:count])
    return [*header, *ids], len(header), len(body[: encoding.offsets[count - 1][1]].encode())


def unigram_losses(work: Path, subject: Subject) -> np.ndarray | None:
    """Nats of every token under its frequency in the training rows (add-one), None where there are none."""
    path = work / "shards" / "train.npy"
    if not path.is_file():
        return None
    size = int(subject.manifest["architecture"]["vocabularySize"])
    counts = np.zeros(size)
    rows = np.load(path, mmap_mode="r")
    for start in range(0, len(rows), 4096):
        counts += np.bincount(rows[start : start + 4096].ravel(), minlength=size)[:size]
    for token in subject.format.tokenizer.get_added_tokens_decoder():
        counts[token] = 0.0
    counts += 1.0
    return -np.log(counts / counts.sum())


def _untrained_backbone(architecture: dict[str, Any], context: int) -> torch.nn.Module | None:
    """The architecture at its initialisation; None for one that this project does not train."""
    if architecture["type"] != "qwen2" or architecture["headDim"] * architecture["queryHeads"] != architecture["hiddenSize"]:
        return None
    config = backbone.default_config(
        vocabulary_size=architecture["vocabularySize"], hidden_size=architecture["hiddenSize"], layers=architecture["layers"],
        query_heads=architecture["queryHeads"], key_value_heads=architecture["keyValueHeads"],
        intermediate_size=architecture["intermediateSize"], context_length=context,
    )
    return backbone.create(config).eval()


def isolation_table(subject: Subject, cases: Cases, rows: int = 12) -> Table:
    """Whether logits are bit-identical with the adapter off, on as query and on as fragment, and with another adapter."""
    found = [case for group in cases.load().values() for case in group][:rows]
    tokens, different = 0, {"query": 0, "fragment": 0, "untrained query": 0}
    for case in found:
        row = subject.format.left_to_right(case.task.file, case.prefix, subject.copy_limit())
        positions = np.arange(len(row))[None]
        ids = np.array([row])
        bare = subject.trained.run(ids, [len(row)], positions).logits
        tokens += len(row)
        for kind, model, adapter in (("query", subject.trained, llora.QUERY), ("fragment", subject.trained, llora.FRAGMENT),
                                     ("untrained query", subject.untrained, llora.QUERY)):
            different[kind] += int((model.run(ids, [len(row)], positions, adapter).logits != bare).any(axis=-1).sum())
    return Table(
        "isolation", "Isolation: what the adapter changes in generation", ["adapter", "positions compared", "positions whose logits differ"],
        [[kind, str(tokens), str(count)] for kind, count in different.items()],
        "Logits of the packaged graph with the adapter against those without an expression, compared bit by bit.",
        {"tokens": tokens, "different": different}, holds=not any(different.values()),
    )
