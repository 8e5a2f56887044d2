"""Measurement 4: signatures of failure, each with a threshold, a finding and example tasks.

Completions come from `npm run eval -- --json FILE`: --completions none=FILE (`--retriever none`), --completions
SelfRACG=FILE and --completions oracle=FILE (`--retriever oracle`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from experiments.fixtures import SHIPPED, Fixtures, retrieval
from selfracg import intervals
from selfracg.data import crossfile
from selfracg.eval import completions, retrievers
from selfracg.eval.completions import Score
from selfracg.eval.package_under_test import token_losses
from selfracg.eval.retrievers import Ranking
from selfracg.model import llora
from selfracg.tables import Table

NAME = "diagnosis"
NOTHING, ORACLE = "none", "oracle"
# General domain, not the precise need: the right fragment is often among the first ten but seldom first.
# If its rank among the ten were random, Recall@1 would be a tenth of Recall@10.
ENOUGH_RECALL, FIRST_SHARE = 0.25, 0.25
# Context found, not used: with at least this MRR@10 the prompt holds the right fragment often enough to judge.
ENOUGH_MRR = 0.25
# Contexts, and tokens of each, whose loss is compared with and without the adapter.
LEAK_CONTEXTS, LEAK_TOKENS = 10, 256
EXAMPLES = 3
SEEN, NOT_SEEN, TOO_FEW_HITS, NOT_MEASURED = "SEEN", "not seen", "too few hits to tell", "not measured"
SIGNATURES = (
    "general domain, not the precise need",
    "adapter leaks into generation",
    "vanilla LoRA leaks into generation",
    "context found, not used",
)


def measure(fixtures: Fixtures) -> Table:
    """A row a language and signature with its figures, the threshold and the finding. `holds` is false where the adapter leaks."""
    found = fixtures.tasks.load()
    ranked = fixtures.rank([fixtures.methods[SHIPPED]])
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    holds = True
    for language, tasks in found.items():
        repositories = [task.cursor.repository for task in tasks]
        rankings = ranked[language][SHIPPED]
        hits = [crossfile.first_hit(task, ranking) for task, ranking in zip(tasks, rankings, strict=True)]
        values = retrieval(hits, repositories)
        leaks = leak(fixtures, tasks[:LEAK_CONTEXTS])
        scores = {name: completions.of_tasks(fixtures.completions, name, tasks) for name in (NOTHING, SHIPPED, ORACLE)}
        used = use(scores, hits, repositories)
        figures[language] = {
            "retrieval": values,
            "leak": leaks,
            "use": used,
            "findings": {},
            "examples": examples(tasks, rankings, hits, scores[SHIPPED]),
        }
        for signature, words, threshold, finding in findings(values, leaks, used):
            figures[language]["findings"][signature] = finding
            rows.append([language, signature, words, threshold, finding])
        holds = holds and leaks[SHIPPED]["largest"] == 0
    return Table(
        NAME,
        "Diagnosis: failure signatures",
        ["language", "signature", "figures", "seen when", "finding"],
        rows,
        f"{fixtures.tasks.source} Tasks whose answer another file defines. Leak: nats a token of the same contexts, adapter present minus bare "
        "backbone. Use: paired difference of edit similarity (0 to 100) between the prompt with fragments and the one without, by "
        '`npm run eval`; "found" are the tasks whose right fragment ranks first.',
        figures,
        holds=holds,
    )


def findings(
    values: dict[str, Any], leaks: dict[str, dict[str, float]], used: dict[str, Any] | None
) -> list[tuple[str, str, str, str]]:
    """(signature, figures in words, threshold in words, finding) of one language."""
    first, tenth, mrr = values["recall"]["1"], values["recall"]["10"], values["mrr"]["value"]
    out = [
        (
            SIGNATURES[0],
            f"Recall@1 {first:.3f}, Recall@10 {tenth:.3f}",
            f"Recall@10 at least {ENOUGH_RECALL} and Recall@1 below {FIRST_SHARE:g} of it",
            TOO_FEW_HITS if tenth < ENOUGH_RECALL else SEEN if first < FIRST_SHARE * tenth else NOT_SEEN,
        )
    ]
    for signature, name in zip(SIGNATURES[1:3], (SHIPPED, retrievers.VANILLA), strict=True):
        if name in leaks:
            found = leaks[name]
            out.append(
                (
                    signature,
                    f"{found['mean']:+.4f} nats a token; largest change of one token {found['largest']:.4f}",
                    "any token's loss changes",
                    SEEN if found["largest"] > 0 else NOT_SEEN,
                )
            )
    threshold = f"MRR@10 at least {ENOUGH_MRR} and the gain of the oracle's fragments in ES not clear of zero"
    parts = [f"MRR@10 {mrr:.3f}"]
    finding = NOT_MEASURED
    if used is not None:
        gain = used["oracle"]
        parts.append(f"the oracle's fragments change ES by {gain['low']:+.1f} to {gain['high']:+.1f}")
        for label in ("found", "not found"):
            own = used[label]
            if own["tasks"]:
                parts.append(
                    f"{label} (n={own['tasks']}): EM {own['em']:.1f}, ES {own['es']:.1f}, {own['esGain']:+.1f} over nothing"
                )
        finding = TOO_FEW_HITS if mrr < ENOUGH_MRR else SEEN if gain["low"] <= 0 else NOT_SEEN
    return [*out, (SIGNATURES[3], "; ".join(parts), threshold, finding)]


@torch.no_grad()
def leak(fixtures: Fixtures, tasks: Sequence[crossfile.Task]) -> dict[str, dict[str, float]]:
    """By adapter the mean and the largest change in a token's loss, over the contexts before the cursor."""
    limit = min(LEAK_TOKENS, int(fixtures.engine.model.config.max_position_embeddings))
    rows = [fixtures.form.left_to_right(task.cursor.file, task.prefix, limit) for task in tasks]
    vanilla = fixtures.engine.vanilla if retrievers.VANILLA in fixtures.methods else None
    module = fixtures.engine.module(fixtures.methods[SHIPPED])
    changes: dict[str, list[np.ndarray]] = {SHIPPED: []}
    for row in rows:
        ids = torch.tensor([row], device=fixtures.engine.device)
        targets = np.array(row[1:])
        bare = token_losses(fixtures.engine.model(input_ids=ids, use_cache=False).logits[0, :-1].cpu().numpy(), targets)
        inputs, logits = module.collect(ids, logits=True)
        module.read(inputs, torch.tensor([len(row)]), llora.QUERY)
        if logits is None:
            raise RuntimeError("expected logits of the pass that the expression is read from, found none")
        changes[SHIPPED].append(token_losses(logits[0, :-1].cpu().numpy(), targets) - bare)
        if vanilla is not None:
            changed = token_losses(vanilla(input_ids=ids, use_cache=False).logits[0, :-1].cpu().numpy(), targets)
            changes.setdefault(retrievers.VANILLA, []).append(changed - bare)
    joined = {name: np.concatenate(parts) for name, parts in changes.items()}
    return {
        name: {"mean": float(values.mean()), "largest": float(np.abs(values).max())} for name, values in joined.items()
    }


def use(
    scores: dict[str, list[Score] | None], hits: Sequence[int | None], repositories: Sequence[str]
) -> dict[str, Any] | None:
    """EM and ES where the right fragment ranks first and where it does not, and what the oracle's fragments add to ES.

    None where completions were not given.
    """
    nothing, own, oracle = (scores[name] for name in (NOTHING, SHIPPED, ORACLE))
    if nothing is None or own is None or oracle is None:
        return None
    gain = intervals.mean([right.es - none.es for right, none in zip(oracle, nothing, strict=True)], repositories)
    out: dict[str, Any] = {"oracle": gain.to_json()}
    for label, first in (("found", True), ("not found", False)):
        places = [i for i, hit in enumerate(hits) if (hit == 0) == first]
        out[label] = {"tasks": len(places)}
        if places:
            out[label] |= {
                "em": float(np.mean([own[i].em for i in places])),
                "es": float(np.mean([own[i].es for i in places])),
                "esGain": float(np.mean([own[i].es - nothing[i].es for i in places])),
            }
    return out


def examples(
    tasks: Sequence[crossfile.Task],
    rankings: Sequence[Ranking],
    hits: Sequence[int | None],
    scores: Sequence[Score] | None,
) -> list[dict[str, Any]]:
    """Up to EXAMPLES tasks of each kind, by names and places alone: among ten but not first, and found but not written."""
    kinds = {
        "among ten, not first": [i for i, hit in enumerate(hits) if hit],
        "first, completion wrong": [i for i, hit in enumerate(hits) if hit == 0 and scores and not scores[i].em],
    }
    out: list[dict[str, Any]] = []
    for kind, places in kinds.items():
        for i in places[:EXAMPLES]:
            task, rank = tasks[i], hits[i] or 0
            first, right = task.pool[rankings[i][0]], task.pool[rankings[i][rank]]
            out.append(
                {
                    "kind": kind,
                    "repository": task.cursor.repository,
                    "file": task.cursor.file,
                    "name": task.name,
                    "rank": rank + 1,
                    "first": f"{first.path}:{first.line + 1}",
                    "right": f"{right.path}:{right.line + 1}",
                }
            )
    return out
