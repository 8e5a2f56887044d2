"""Measurement 4: failure signatures, each with its threshold, a verdict from the figures, and example cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .. import bench, completion, intervals, llora, retrievers
from ..completion import Prediction
from ..retrievers import Ranking
from ..subject import token_losses
from ..tables import Table
from .bed import SHIPPED, Bed, retrieval
from .stages import completed

NAME = "diagnosis"
# General domain, not the precise need: the right fragment is among ten often enough to tell, but seldom first.
# Were the right one's place among the first ten left to chance, Recall@1 would be a tenth of Recall@10.
ENOUGH_RECALL, FIRST_SHARE = 0.25, 0.25
# Context found, not used: from this MRR@10 on the prompt holds what is needed often enough to tell.
ENOUGH_MRR = 0.25
# Contexts and tokens of each whose loss is compared with the adapter and without.
LEAK_CONTEXTS, LEAK_TOKENS = 10, 256
EXAMPLES = 3
SEEN, NOT_SEEN, NO_TELLING = "SEEN", "not seen", "too few hits to tell"
SIGNATURES = (
    "general domain, not the precise need",
    "adapter leaks into generation",
    "vanilla LoRA leaks into generation",
    "context found, not used",
)


def adapters(bed: Bed) -> list[str]:
    return ["llora", *(["stages/vanilla"] if retrievers.VANILLA in bed.methods else [])]


def measure(bed: Bed) -> Table:
    """A row a language and signature with its figures, the threshold and the verdict. `holds` is false where the adapter leaks."""
    found = bed.cases.load()
    ranked = bed.rank([bed.methods[SHIPPED]])
    own = {language: ranked[language][SHIPPED] for language in found}
    right = {language: [retrievers.defining_ranking(case) for case in cases] for language, cases in found.items()}
    written = completed(bed, found, {SHIPPED: own, completion.DEFINING: right})
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {}
    holds = True
    for language, cases in found.items():
        repositories = [case.task.repository for case in cases]
        hits = [bench.first_hit(case, ranking.order) for case, ranking in zip(cases, own[language], strict=True)]
        values = retrieval(hits, repositories)
        leaks = leak(bed, cases[:LEAK_CONTEXTS])
        used = use({name: written[name][language] for name in written}, hits, repositories)
        figures[language] = {
            "retrieval": values,
            "leak": leaks,
            "use": used,
            "verdicts": {},
            "examples": examples(cases, own[language], hits, written[SHIPPED][language]),
        }
        for signature, said, threshold, verdict in judged(values, leaks, used):
            figures[language]["verdicts"][signature] = verdict
            rows.append([language, signature, said, threshold, verdict])
        holds = holds and leaks[SHIPPED]["largest"] == 0
    return Table(
        NAME,
        "Diagnosis: failure signatures",
        ["language", "signature", "figures", "seen when", "verdict"],
        rows,
        f"{bed.cases.source} Cases whose answer another file defines. Leak: nats a token of the same contexts, adapter present minus bare "
        "backbone. Use: paired difference of edit similarity (0 to 100) between the prompt with fragments and the one without; "
        '"found" are the cases whose right fragment ranks first.',
        figures,
        holds=holds,
    )


def judged(
    values: dict[str, Any], leaks: dict[str, dict[str, float]], used: dict[str, Any]
) -> list[tuple[str, str, str, str]]:
    """(signature, figures in words, threshold in words, verdict) of one language."""
    first, tenth, mrr = values["recall"]["1"], values["recall"]["10"], values["mrr"]["value"]
    out = [
        (
            SIGNATURES[0],
            f"Recall@1 {first:.3f}, Recall@10 {tenth:.3f}",
            f"Recall@10 at least {ENOUGH_RECALL} and Recall@1 below {FIRST_SHARE:g} of it",
            NO_TELLING if tenth < ENOUGH_RECALL else SEEN if first < FIRST_SHARE * tenth else NOT_SEEN,
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
    gain = used["defining"]
    parts = [f"MRR@10 {mrr:.3f}", f"the defining fragment changes ES by {gain['low']:+.1f} to {gain['high']:+.1f}"]
    if used["hits"]:
        parts.append(
            f"found (n={used['hits']}): EM {used['hit']['em']:.1f}, ES {used['hit']['es']:.1f}, {used['hit']['esGain']:+.1f} over nothing"
        )
    if used["misses"]:
        parts.append(
            f"not found (n={used['misses']}): EM {used['miss']['em']:.1f}, ES {used['miss']['es']:.1f}, {used['miss']['esGain']:+.1f} over nothing"
        )
    out.append(
        (
            SIGNATURES[3],
            "; ".join(parts),
            f"MRR@10 at least {ENOUGH_MRR} and the defining fragment's gain in ES not clear of zero",
            NO_TELLING if mrr < ENOUGH_MRR else SEEN if gain["low"] <= 0 else NOT_SEEN,
        )
    )
    return out


@torch.no_grad()
def leak(bed: Bed, cases: Sequence[bench.Case]) -> dict[str, dict[str, float]]:
    """By adapter the mean and the largest change in a token's loss, over the contexts before the cursor."""
    limit = min(LEAK_TOKENS, int(bed.engine.model.config.max_position_embeddings))
    rows = [bed.form.left_to_right(case.task.file, case.prefix, limit) for case in cases]
    merged = bed.engine.merged if retrievers.VANILLA in bed.methods else None
    module = bed.engine.module(bed.methods[SHIPPED])
    changes: dict[str, list[np.ndarray]] = {SHIPPED: []}
    for row in rows:
        ids = torch.tensor([row], device=bed.engine.device)
        targets = np.array(row[1:])
        bare = token_losses(bed.engine.model(input_ids=ids, use_cache=False).logits[0, :-1].cpu().numpy(), targets)
        inputs, logits = module.collect(ids, logits=True)
        module.read(inputs, torch.tensor([len(row)]), llora.QUERY)
        if logits is None:
            raise RuntimeError("expected logits of the pass that the expression is read from, found none")
        changes[SHIPPED].append(token_losses(logits[0, :-1].cpu().numpy(), targets) - bare)
        if merged is not None:
            changed = token_losses(merged(input_ids=ids, use_cache=False).logits[0, :-1].cpu().numpy(), targets)
            changes.setdefault(retrievers.VANILLA, []).append(changed - bare)
    joined = {name: np.concatenate(parts) for name, parts in changes.items()}
    return {
        name: {"mean": float(values.mean()), "largest": float(np.abs(values).max())} for name, values in joined.items()
    }


def use(
    written: dict[str, Sequence[Prediction]], hits: Sequence[int | None], repositories: Sequence[str]
) -> dict[str, Any]:
    """EM and ES where the right fragment ranks first and where it does not, and what the defining fragment adds to ES."""
    nothing, own = written[completion.NOTHING], written[SHIPPED]
    gain = intervals.mean(
        [right.score.es - none.score.es for right, none in zip(written[completion.DEFINING], nothing, strict=True)],
        repositories,
    )
    out: dict[str, Any] = {"defining": gain.to_json()}
    for name, count, chosen in (
        ("hit", "hits", [hit == 0 for hit in hits]),
        ("miss", "misses", [hit != 0 for hit in hits]),
    ):
        places = [i for i, each in enumerate(chosen) if each]
        out[count] = len(places)
        if places:
            out[name] = {
                "em": 100 * float(np.mean([own[i].score.em for i in places])),
                "es": float(np.mean([own[i].score.es for i in places])),
                "esGain": float(np.mean([own[i].score.es - nothing[i].score.es for i in places])),
            }
    return out


def examples(
    cases: Sequence[bench.Case], rankings: Sequence[Ranking], hits: Sequence[int | None], written: Sequence[Prediction]
) -> list[dict[str, Any]]:
    """Up to EXAMPLES cases of each kind, by names and places alone: near the need but not first, and found but not written."""
    out: list[dict[str, Any]] = []
    kinds = {
        "among ten, not first": lambda i: (hits[i] or 0) > 0,
        "first, completion wrong": lambda i: hits[i] == 0 and not written[i].score.em,
    }
    for kind, of in kinds.items():
        for i in [i for i in range(len(cases)) if of(i)][:EXAMPLES]:
            case, first = cases[i], cases[i].pool[rankings[i].order[0]]
            right = case.pool[rankings[i].order[hits[i] or 0]]
            out.append(
                {
                    "kind": kind,
                    "repository": case.task.repository,
                    "file": case.task.file,
                    "name": case.name,
                    "rank": (hits[i] or 0) + 1,
                    "first": f"{first.path}:{first.line + 1}",
                    "right": f"{right.path}:{right.line + 1}",
                }
            )
    return out
