"""Completion of the cases with what each method retrieves: the product's prompt, greedy decoding, CrossCodeEval's scores.

The prompt is laid out as the product lays it out: fragments, the best next to the code, then the code with what stands
behind the cursor. Fragments that say what is on screen or what a better one says are left out, whichever method found
them, and the last token before the cursor is written again by the model, as the product does (token healing: text is cut
into tokens as a whole in training, so a cursor behind a space is no place to go on from), and nothing ends before it has
begun. Beyond that the model is alone: no copying ahead from the prompt, no filters, and the end is that of the statement.

Writes WORK/predictions/generated.jsonl (every text generated, by a checksum of model and prompt: a run that was cut off
goes on behind it) and WORK/predictions/LANGUAGE/METHOD.jsonl (id, retriever, prediction, em, es, idEm, idF1).
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import bench, decoding, intervals, package, retrievers, scoring, tables
from .cases import Cases
from .prompt_format import PromptFormat
from .retrievers import Ranking
from .tables import Table

# Limits of the product: settings `maxTokens`, `maxFragments`, `fragmentBudget`, and sidecar/completion/prompt.ts.
MOST_TOKENS = 48
MOST_FRAGMENTS = 4
FRAGMENT_BUDGET = 448
LEAST_CODE_TOKENS = 96
MOST_CODE_TOKENS = 512
VISIBLE_SUFFIX = 384
CANDIDATES = 32
# sidecar/retrieval/select.ts: shares of a fragment's lines on screen, and of common words, from which it says nothing new.
SHOWN_SHARE = 0.6
DUPLICATE_SHARE = 0.8
# Tokens of a batch, padding included, with the keys and values of all of which it decodes.
BATCH_TOKENS = 8192

NOTHING, RANDOM, DEFINING = "nothing", "random", "defining fragment"
# The same without the code behind the cursor: whether fill-in-the-middle is worth its tokens.
LEFT_TO_RIGHT = "nothing, left to right"
MIDDLE = "nothing, fill in the middle"
SELFRACG, ALWAYS = retrievers.SHIPPED, "SelfRACG, always"
_WORDS = re.compile(r"\w+")
_TELLING = re.compile(r"\w{2}")
# Characters before the cursor that its last token is sought in.
HEALED = 160
VERSION = 3


@dataclass(frozen=True)
class Prediction:
    """What was written at a case's cursor, cut to one statement, with its scores and the number of fragments in the prompt."""

    text: str
    score: scoring.Score
    fragments: int


def select(
    case: bench.Case, ranking: Ranking, form: PromptFormat, visible: frozenset[str] | None = None
) -> list[list[int]]:
    """The fragments of a ranking that stand in the prompt, best first, as tokens (sidecar/retrieval/select.ts).

    Windows overlap here where the product's fragments do not, so one that overlaps a better one of its file is left out.
    """
    shown = visible_lines(case, form) if visible is None else visible
    texts: list[set[str]] = []
    taken: list[bench.Fragment] = []
    out: list[list[int]] = []
    used = 0
    scores = ranking.scores or [float("inf")] * len(ranking.order)
    for place, score in list(zip(ranking.order, scores, strict=True))[:CANDIDATES]:
        if ranking.threshold is not None and score < ranking.threshold:
            continue
        fragment = case.pool[place]
        lines = telling_lines(fragment.text)
        if not lines or sum(line in shown for line in lines) / len(lines) >= SHOWN_SHARE:
            continue
        if any(fragment.path == other.path and abs(fragment.line - other.line) < bench.LINES for other in taken):
            continue
        words = set(_WORDS.findall(fragment.text))
        if any(len(words & other) >= DUPLICATE_SHARE * len(words | other) for other in texts):
            continue
        if len(out) >= MOST_FRAGMENTS:
            break
        tokens = form.fragment(fragment.path, fragment.text, int(form.retrieval["fragmentTokens"]))
        if used + len(tokens) > FRAGMENT_BUDGET:
            continue
        out.append(tokens)
        texts.append(words)
        taken.append(fragment)
        used += len(tokens)
    return out


def visible_lines(case: bench.Case, form: PromptFormat) -> frozenset[str]:
    """Telling lines that a prompt without fragments shows around the cursor."""
    width = MOST_CODE_TOKENS * 12
    tail = case.prefix[-width:]
    encoding = form.tokenizer.encode(tail, add_special_tokens=False)
    start = encoding.offsets[-MOST_CODE_TOKENS][0] if len(encoding.ids) > MOST_CODE_TOKENS else 0
    before = tail[tail.rfind("\n", 0, start) + 1 :] if start else tail
    return frozenset(telling_lines(before + case.suffix[:VISIBLE_SUFFIX]))


def telling_lines(text: str) -> list[str]:
    """Lines, trimmed, that hold at least one word."""
    return [line for line in (line.strip() for line in text.split("\n")) if _TELLING.search(line)]


def assemble(
    case: bench.Case, fragments: Sequence[list[int]], form: PromptFormat, context_length: int, prefix: str | None = None
) -> tuple[list[int], int]:
    """(the prompt, how many fragments are in it), of fragments best first (sidecar/completion/prompt.ts).

    `prefix` stands for the case's own where it was cut by `heal`.
    """
    room = context_length - MOST_TOKENS
    kept: list[list[int]] = []
    used = 0
    for fragment in fragments:
        if room - used - len(fragment) < LEAST_CODE_TOKENS:
            break
        kept.append(fragment)
        used += len(fragment)
    limit = min(room - used, MOST_CODE_TOKENS)
    prefix = case.prefix if prefix is None else prefix
    suffix = visible_suffix(case.suffix)
    if suffix.strip():
        code = form.fill_in_middle(case.task.file, prefix, suffix, limit)
    else:
        code = form.left_to_right(case.task.file, prefix, limit)
    ordered = kept[::-1] if form.templates["fragmentOrder"] == "best-last" else kept
    return [*(token for fragment in ordered for token in fragment), *code], len(kept)


def heal(prefix: str, form: PromptFormat) -> tuple[str, str]:
    """(prefix without its last token, that token's text, which generation has to begin with); sidecar/completion/decoding/token-healing.ts."""
    ids = form.encode(prefix[-HEALED:])
    if len(ids) < 2:
        return prefix, ""
    owed = form.tokenizer.decode(ids[-1:])
    # A token that is part of a character cannot be taken off by itself.
    if "\ufffd" in owed or not owed or not prefix.endswith(owed):
        return prefix, ""
    return prefix[: -len(owed)], owed


def visible_suffix(suffix: str) -> str:
    """The part of the suffix that a prompt shows: whole lines where possible."""
    if len(suffix) <= VISIBLE_SUFFIX:
        return suffix
    end = suffix.rfind("\n", 0, VISIBLE_SUFFIX + 1)
    return suffix[: end + 1] if end > 0 else suffix[:VISIBLE_SUFFIX]


def complete(
    work: Path,
    found: Sequence[bench.Case],
    rankings: Mapping[str, Sequence[Ranking]],
    processes: int = 1,
    dtype: str = "bfloat16",
    device: str = "cpu",
    healed: bool = True,
    suffix: bool = package.FILL_IN_MIDDLE,
) -> dict[str, list[Prediction]]:
    """By method the predictions of the cases, in their order, with WORK/backbone. `rankings`: by method one for each case.

    `dtype` is the type that the model computes in; `healed` says whether the last token before the cursor is written again, `suffix`
    whether prompts show the code behind the cursor.
    Prompts that several methods share are completed once, and what lies in WORK/predictions is not completed again.
    """
    if not (work / "backbone" / "config.json").is_file():
        raise FileNotFoundError(
            f"expected a backbone in {work / 'backbone'}, found none: run `pretrain` (a package alone: `npm run eval`)"
        )
    engine = retrievers.engine(work, device)
    form = engine.form("llora")
    length = int(engine.model.config.max_position_embeddings)
    model = hashlib.sha256((work / "backbone" / "model.safetensors").read_bytes()).hexdigest()
    keys: dict[str, list[tuple[str, int]]] = {method: [] for method in rankings}
    jobs: dict[str, Job] = {}
    for number, case in enumerate(found):
        visible = visible_lines(case, form)
        prefix, owed = heal(case.prefix, form) if healed else (case.prefix, "")
        line = scoring.line_before(case.prefix)
        for method, own in rankings.items():
            shown = replace(case, suffix="") if method == LEFT_TO_RIGHT or not (suffix or method == MIDDLE) else case
            prompt, count = assemble(shown, select(case, own[number], form, visible), form, length, prefix)
            job = Job(prompt, case.task.language, line, owed)
            key = hashlib.sha256(json.dumps([VERSION, model, dtype, MOST_TOKENS, *astuple(job)]).encode()).hexdigest()[
                :24
            ]
            keys[method].append((key, count))
            jobs[key] = job
    texts = _generated(work, jobs, processes, dtype, device)
    out: dict[str, list[Prediction]] = {}
    for method, prompts in keys.items():
        out[method] = []
        for case, (key, count) in zip(found, prompts, strict=True):
            line = scoring.line_before(case.prefix)
            cut, _ = scoring.statement(case.task.language, line, texts[key])
            out[method].append(
                Prediction(cut, scoring.score(case.task.language, line, cut, case.task.groundtruth), count)
            )
    _write(work, found, out)
    return out


@dataclass(frozen=True)
class Job:
    """A prompt to complete: its ids, the language, the cursor's line before the cursor, and the text to begin with."""

    prompt: list[int]
    language: str
    line: str
    owed: str


def _generated(work: Path, jobs: dict[str, Job], processes: int, dtype: str, device: str) -> dict[str, str]:
    """The text behind each prompt, by key; new ones are added to WORK/predictions/generated.jsonl as they come."""
    path = work / "predictions" / "generated.jsonl"
    texts: dict[str, str] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue  # cut off while it was written
            if row["key"] in jobs:
                texts[row["key"]] = row["text"]
    missing = [key for key in jobs if key not in texts]
    lengths = [len(jobs[key].prompt) for key in missing]
    batches = []
    for batch in decoding.batches(lengths, 64):
        size = max(1, BATCH_TOKENS // (max(lengths[i] for i in batch) + MOST_TOKENS))
        batches += [[missing[i] for i in batch[start : start + size]] for start in range(0, len(batch), size)]
    # Long ones first, so that no process is left with one at the end.
    batches.reverse()
    started = last = time.monotonic()
    done = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    calls = [(work, [jobs[key] for key in batch], dtype, device) for batch in batches]
    for number, found in retrievers.in_processes(generate, calls, processes):
        done += len(found)
        with path.open("a", encoding="utf-8") as out:
            for key, text in zip(batches[number], found, strict=True):
                texts[key] = text
                out.write("\n" + json.dumps({"key": key, "text": text}))
        if time.monotonic() - last > 10:
            last = time.monotonic()
            print(f"completion: {done:,} of {len(missing):,} prompts, {last - started:.0f} s", flush=True)
    return texts


def generate(work: Path, jobs: Sequence[Job], dtype: str = "bfloat16", device: str = "cpu") -> list[str]:
    """The greedy text behind each prompt, up to the end of a statement. Give prompts of like length."""
    engine = retrievers.engine(work, device)
    tokenizer = engine.tokenizer
    form = engine.form("llora")
    stops = {token for piece in form.templates["stopTokens"] for token in form.piece(piece)}

    def text_of(row: int, tokens: list[int]) -> str:
        return tokenizer.decode([token for token in tokens if token not in stops])[len(jobs[row].owed) :]

    def ended(row: int, tokens: list[int]) -> bool:
        return tokens[-1] in stops or scoring.statement(jobs[row].language, jobs[row].line, text_of(row, tokens))[1]

    found = decoding.greedy(
        engine.model,
        [job.prompt for job in jobs],
        ended,
        MOST_TOKENS,
        getattr(torch, dtype),
        [job.owed.encode() for job in jobs],
        engine.spelling,
        sorted(stops),
    )
    return [text_of(row, tokens) for row, tokens in enumerate(found)]


def _write(work: Path, found: Sequence[bench.Case], predictions: dict[str, list[Prediction]]) -> None:
    """WORK/predictions/LANGUAGE/METHOD.jsonl for every method, whole files."""
    for method, own in predictions.items():
        by_language: dict[str, list[str]] = {}
        for case, prediction in zip(found, own, strict=True):
            score = prediction.score
            row = {
                "id": case.task.identifier,
                "retriever": method,
                "prediction": prediction.text,
                "groundtruth": case.task.groundtruth,
                "em": score.em,
                "es": round(score.es, 3),
                "idEm": score.id_em,
                "idF1": round(score.id_f1, 4),
                "fragments": prediction.fragments,
            }
            by_language.setdefault(case.task.language, []).append(json.dumps(row, ensure_ascii=False) + "\n")
        for language, lines in by_language.items():
            path = work / "predictions" / language / f"{re.sub(r'[^a-z0-9]+', '-', method.lower()).strip('-')}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_text("".join(lines), encoding="utf-8")
            partial.replace(path)


def retrieved(
    work: Path, cases: Cases, processes: int = 1, device: str = "cpu", stages: bool = False
) -> dict[str, dict[str, list[Ranking]]]:
    """By language and method the rankings that the completion table compares, in its order.

    `stages` adds each training stage's own adapter, with its own null score.
    """
    wanted = retrievers.methods(work, knowing=True)
    if not stages:
        wanted = [method for method in wanted if method.name not in (*retrievers.STAGES.values(), retrievers.UNTRAINED)]
    ranked = retrievers.rank(work, cases, wanted, processes, device)
    out: dict[str, dict[str, list[Ranking]]] = {}
    for language, found in cases.all().items():
        own = ranked[language]
        knowing = [name for name in own if name.endswith(retrievers.KNOWING)]
        out[language] = {
            LEFT_TO_RIGHT: [Ranking([], []) for _ in found],
            MIDDLE: [Ranking([], []) for _ in found],
            NOTHING: [Ranking([], []) for _ in found],
            RANDOM: [retrievers.random_ranking(case) for case in found],
            **{name: rankings for name, rankings in own.items() if name not in (*knowing, SELFRACG)},
            ALWAYS: [always(ranking) for ranking in own[SELFRACG]],
            SELFRACG: own[SELFRACG],
            **{name: [always(ranking) for ranking in own[name]] for name in knowing},
            DEFINING: [retrievers.defining_ranking(case) if case.needs else Ranking([], []) for case in found],
        }
    return out


def always(ranking: Ranking) -> Ranking:
    """The same without its threshold: the best fragments are taken whatever they score."""
    return Ranking(ranking.order, ranking.scores)


MEASURES: dict[str, Callable[[scoring.Score], float]] = {
    "em": lambda score: 100 * score.em,
    "es": lambda score: score.es,
    "idEm": lambda score: 100 * score.id_em,
    "idF1": lambda score: 100 * score.id_f1,
}
HEADER = ["EM", "ES", "identifier EM", "identifier F1", "fragments"]
DIFFERENCE_HEADER = ["EM: SelfRACG minus it (95 % interval)", "ES: SelfRACG minus it (95 % interval)"]


def summary(predictions: Sequence[Prediction], repositories: Sequence[str]) -> dict[str, Any]:
    """Means of every measure, all from 0 to 100, each {"value", "low", "high"}, and the mean number of fragments."""
    out: dict[str, Any] = {
        name: intervals.mean([of(prediction.score) for prediction in predictions], repositories).to_json()
        for name, of in MEASURES.items()
    }
    return out | {
        "fragments": float(np.mean([prediction.fragments for prediction in predictions])),
        "tasks": len(predictions),
    }


def difference(
    one: Sequence[Prediction], other: Sequence[Prediction], repositories: Sequence[str], measure: str
) -> intervals.Interval:
    """Mean of `one` minus `other` over the same cases, in points, with the interval of the paired difference."""
    of = MEASURES[measure]
    return intervals.mean([of(a.score) - of(b.score) for a, b in zip(one, other, strict=True)], repositories)


def completion_tables(
    work: Path,
    cases: Cases,
    processes: int = 1,
    dtype: str = "bfloat16",
    device: str = "cpu",
    suffix: bool = package.FILL_IN_MIDDLE,
) -> list[Table]:
    """The tables "completion" (every task) and "needless" (tasks that need nothing from other files, where there are any).

    Options as in `complete` and `retrieved`.
    """
    rankings = retrieved(work, cases, processes, device)
    found: dict[str, list[bench.Case]] = cases.all()
    flat = [case for group in found.values() for case in group]
    methods = list(next(iter(rankings.values())))
    joined = {method: [ranking for language in found for ranking in rankings[language][method]] for method in methods}
    predictions = complete(work, flat, joined, processes, dtype, device, suffix=suffix)
    size = tables.of_backbone(work / "backbone")
    shown = "the code behind the cursor too" if suffix else "left to right"
    notes = (
        f"{cases.source} Product's prompt (up to {MOST_FRAGMENTS} fragments in {FRAGMENT_BUDGET} tokens, {MOST_CODE_TOKENS} tokens of code, "
        f"{shown}, the last token before the cursor healed), greedy, up to {MOST_TOKENS} tokens, cut to one statement, in {dtype}, without "
        "the product's copying and filters. All measures from 0 to 100; intervals resample repositories; differences are paired. "
        f'{SELFRACG}: with its null score, so nothing where it needs nothing. "{retrievers.KNOWING.strip()}" and "{DEFINING}" are '
        f"oracles. {LEFT_TO_RIGHT}: the prompt leaves the code behind the cursor out; {MIDDLE}: it shows it. "
    )
    out = [_table("completion", "Completion", flat, predictions, lambda case: True, notes, size)]
    if any(not case.needs for case in flat):
        out.append(
            _table(
                "needless",
                "Completion where no other file defines what comes next",
                flat,
                predictions,
                lambda case: not case.needs,
                notes,
                size,
            )
        )
    return out


def _table(
    name: str,
    title: str,
    flat: Sequence[bench.Case],
    predictions: dict[str, list[Prediction]],
    chosen: Callable[[bench.Case], bool],
    notes: str,
    size: tables.Measured,
) -> Table:
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    # Benchmarks may give one repository's name in two languages.
    languages = list(dict.fromkeys(case.task.language for case in flat))
    for language in [*languages, *(["all"] if len(languages) > 1 else [])]:
        places = [i for i, case in enumerate(flat) if chosen(case) and language in ("all", case.task.language)]
        if not places:
            continue
        repositories = [f"{flat[i].task.language}/{flat[i].task.repository}" for i in places]
        ours = [predictions[SELFRACG][i] for i in places]
        figures[language] = {}
        for method, own in predictions.items():
            found = [own[i] for i in places]
            values = summary(found, repositories)
            cells = [
                language,
                method,
                str(len(places)),
                values_text(values["em"]),
                values_text(values["es"]),
                f"{values['idEm']['value']:.1f}",
                f"{values['idF1']['value']:.1f}",
                f"{values['fragments']:.1f}",
            ]
            if method != SELFRACG:
                differences = {measure: difference(ours, found, repositories, measure) for measure in ("em", "es")}
                values["selfracgMinus"] = {measure: each.to_json() for measure, each in differences.items()}
                cells += [each.text(1, signed=True) for each in differences.values()]
            else:
                cells += ["", ""]
            figures[language][method] = values
            rows.append(cells)
    return Table(
        name,
        title,
        ["language", "retrieved by", "tasks", *HEADER, *DIFFERENCE_HEADER],
        rows,
        notes,
        figures,
        model=size,
    )


def values_text(found: dict[str, float]) -> str:
    """A mean of `summary` with its interval, in points."""
    return intervals.Interval(found["value"], found["low"], found["high"]).text(1)
