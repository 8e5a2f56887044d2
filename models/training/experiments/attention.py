"""Measurement 5: the tokens that the expression's attention weighs, by kind and distance, trained and untrained."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from experiments.fixtures import SHIPPED, UNTRAINED, Fixtures
from selfracg import intervals
from selfracg.data import crossfile
from selfracg.data.definitions import definitions
from selfracg.data.prompt_format import IMPORT, PromptFormat
from selfracg.model import forward, llora, low_rank
from selfracg.model.expressions import pad
from selfracg.tables import Table

NAME = "attention"
# Contexts read of each language at most.
CONTEXTS = 60
KINDS = (
    "template",
    "path",
    "import statements",
    "name defined elsewhere",
    "name defined here",
    "other name",
    "keyword",
    "string or number",
    "comment",
    "punctuation",
    "white space",
)
# Distance in tokens from the last one, which is just before the cursor.
DISTANCES = ((0, 0), (1, 7), (8, 31), (32, 95), (96, 10_000))
_KEYWORDS = frozenset(
    "False None True and as assert async await break class continue def del elif else except finally for from global if import in is "
    "lambda nonlocal not or pass raise return try while with yield abstract boolean byte task catch char const default do double enum "
    "extends final float function goto implements instanceof int interface let long native new null package private protected public "
    "readonly short static super switch synchronized this throw throws transient type typeof var void volatile self".split()
)
_LEXICAL = {
    "python": re.compile(
        r'(?P<comment>#[^\n]*|"""[\s\S]*?(?:"""|\Z)|\'\'\'[\s\S]*?(?:\'\'\'|\Z))'
        r'|(?P<literal>"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?|\d[\w.]*)|(?P<name>[A-Za-z_]\w*)|(?P<space>\s+)|(?P<mark>.)'
    ),
    "": re.compile(
        r"(?P<comment>//[^\n]*|/\*[\s\S]*?(?:\*/|\Z))"
        r'|(?P<literal>"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?|`(?:\\.|[^`\\])*`?|\d[\w.]*)|(?P<name>[A-Za-z_$][\w$]*)'
        r"|(?P<space>\s+)|(?P<mark>.)"
    ),
}


@dataclass(frozen=True)
class Context:
    """A query's ids and of each token its kind (a place in KINDS); `last_line` marks the tokens of the cursor's line."""

    ids: list[int]
    kinds: np.ndarray
    last_line: np.ndarray


def measure(fixtures: Fixtures) -> Table:
    """Shares of attention by kind of token and by distance, averaged over heads, layers and contexts."""
    contexts: list[Context] = []
    repositories: list[str] = []
    for language, found in fixtures.tasks.load().items():
        for _, group in crossfile.by_repository(found[:CONTEXTS]):
            pool = group[0].pool
            defined = [{name for name, _ in definitions(language, fragment.text)} for fragment in pool]
            for task in group:
                elsewhere = set().union(*(defined[i] for i in task.others))
                here = {name for name, _ in definitions(language, task.prefix)}
                contexts.append(context(fixtures.form, language, task.cursor.file, task.prefix, elsewhere, here))
                repositories.append(task.cursor.repository)
    weighed = {name: weights_of(fixtures, name, [each.ids for each in contexts]) for name in (UNTRAINED, SHIPPED)}
    rows: list[Sequence[str]] = []
    figures: dict[str, Any] = {"contexts": len(contexts), "groups": {}}
    for group_name, label, inside in groups(contexts):
        # [contexts] for tokens, [contexts, layers] for attention
        tokens = np.array([mask.mean() for mask in inside])
        shares = {
            name: np.array([(weights * mask).sum(1) for weights, mask in zip(weighed[name], inside, strict=True)])
            for name in weighed
        }
        trained = intervals.mean(shares[SHIPPED].mean(1), repositories)
        untrained, uniform = float(shares[UNTRAINED].mean()), float(tokens.mean())
        if not uniform:
            continue
        change = intervals.mean(shares[SHIPPED].mean(1) - shares[UNTRAINED].mean(1), repositories)
        figures["groups"].setdefault(group_name, {})[label] = {
            "tokens": uniform,
            "untrained": untrained,
            "trained": trained.to_json(),
            "change": change.to_json(),
            "layers": {"untrained": shares[UNTRAINED].mean(0).tolist(), "trained": shares[SHIPPED].mean(0).tolist()},
        }
        rows.append(
            [
                group_name,
                label,
                f"{uniform:.1%}",
                f"{untrained:.1%}",
                f"{trained.value:.1%} ({trained.low:.1%} to {trained.high:.1%})",
                f"{untrained / uniform:.2f}",
                f"{trained.value / uniform:.2f}",
                f"{100 * change.value:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})",
            ]
        )
    return Table(
        NAME,
        "What the expression looks at",
        [
            "by",
            "tokens of the context",
            "share of tokens",
            "attention, untrained",
            "attention, trained (95 % interval)",
            "enrichment, untrained",
            "enrichment, trained",
            "change by training, points (95 % interval)",
        ],
        rows,
        f"{fixtures.tasks.source} {len(contexts)} contexts. Attention of the expression's one query row, at the last token, mean over heads and layers; "
        "a context's weights sum to 1. Enrichment: share of attention over share of tokens, 1 is uniform. Untrained: low-rank updates of "
        "zero, which is the backbone's own attention. Names defined elsewhere are those that another file of the repository defines.",
        figures,
    )


def groups(contexts: Sequence[Context]) -> list[tuple[str, str, list[np.ndarray]]]:
    """(grouping, label, for each context which tokens belong) of every kind and distance."""
    out = [("kind", kind, [each.kinds == number for each in contexts]) for number, kind in enumerate(KINDS)]
    for nearest, farthest in DISTANCES:
        label = f"{nearest} to {farthest} tokens back" if farthest < 10_000 else f"{nearest} tokens back or more"
        inside = []
        for each in contexts:
            back = np.arange(len(each.ids))[::-1]
            inside.append((back >= nearest) & (back <= farthest))
        out.append(("distance", "the last token" if farthest == 0 else label, inside))
    return [*out, ("place", "the cursor's line", [each.last_line for each in contexts])]


def context(form: PromptFormat, language: str, path: str, prefix: str, elsewhere: set[str], here: set[str]) -> Context:
    """The query of a cursor with the kind of each token. Byte-level tokens: one character of a token's name is one byte."""
    ids = form.query(path, prefix)
    special = form.tokenizer.get_added_tokens_decoder()
    sizes = [0 if token in special else len(form.tokenizer.id_to_token(token) or "") for token in ids]
    path_tokens = min(len(form.encode(path)), form.max_path)
    head = ids.index(form.piece("<|path|>")[0]) + 1 if "<|path|>" in form.templates["query"] else 0
    kinds = np.full(len(ids), KINDS.index("white space"))
    kinds[: head + path_tokens + 1] = KINDS.index("template")
    kinds[head : head + path_tokens] = KINDS.index("path")
    # After the path come its line end, the imports and the code. The code is found by its bytes: it ends the prefix.
    text = prefix.encode()
    classes = byte_kinds(language, prefix, elsewhere, here)
    end, first = len(text), len(ids)
    while first > head + path_tokens + 1 and end - sizes[first - 1] >= 0 and _is_tail(form, ids[first - 1], text, end):
        end -= sizes[first - 1]
        kinds[first - 1] = _majority(classes[end : end + sizes[first - 1]])
        first -= 1
    kinds[head + path_tokens + 1 : first] = KINDS.index("import statements")
    line_start = len(prefix[: prefix.rfind("\n") + 1].encode())
    last_line, at = np.zeros(len(ids), dtype=bool), len(text)
    for place in range(len(ids) - 1, first - 1, -1):
        at -= sizes[place]
        last_line[place] = at + sizes[place] > line_start
    return Context(ids, kinds, last_line)


def _is_tail(form: PromptFormat, token: int, text: bytes, end: int) -> bool:
    """Whether a token is the bytes of the text that end at `end`. Tokens that split a character are compared by length alone."""
    written = form.tokenizer.decode([token], skip_special_tokens=False)
    size = len(form.tokenizer.id_to_token(token) or "")
    return "\ufffd" in written or text[end - size : end] == written.encode()


def byte_kinds(language: str, text: str, elsewhere: set[str], here: set[str]) -> np.ndarray:
    """The kind of every byte of a text, a place in KINDS."""
    number = {kind: place for place, kind in enumerate(KINDS)}
    imported = np.zeros(len(text), dtype=bool)
    for match in IMPORT.finditer(text):
        stop = text.find("\n", match.end())
        imported[match.start() : len(text) if stop < 0 else stop] = True
    out = []
    for match in _LEXICAL.get(language, _LEXICAL[""]).finditer(text):
        word = match.group()
        if match.lastgroup == "space":
            kind = "white space"
        elif imported[match.start()]:
            kind = "import statements"
        elif match.lastgroup == "name":
            kind = (
                "keyword"
                if word in _KEYWORDS
                else "name defined elsewhere"
                if word in elsewhere
                else "name defined here"
                if word in here
                else "other name"
            )
        else:
            kind = {"comment": "comment", "literal": "string or number", "mark": "punctuation"}[str(match.lastgroup)]
        out.append(np.full(len(word.encode()), number[kind]))
    return np.concatenate(out) if out else np.zeros(0, dtype=np.int64)


def _majority(kinds: np.ndarray) -> int:
    """The most frequent kind of a token's bytes; white space only where there is no other."""
    blank = KINDS.index("white space")
    solid = kinds[kinds != blank]
    return int(np.bincount(solid).argmax()) if len(solid) else blank


@torch.no_grad()
def weights_of(fixtures: Fixtures, name: str, rows: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """For each row the query adapter's attention weights [layers, tokens], mean over heads."""
    out = []
    for row in rows:
        ids, lengths = pad([row], torch.device(fixtures.device))
        inputs = [
            low_rank.LayerInputs(*layer) for layer in forward.layer_inputs(fixtures.engine.model, ids, torch.float32)
        ]
        out.append(
            weights(fixtures.engine.module(fixtures.methods[name]), inputs, lengths, llora.QUERY)[:, 0]
            .mean(1)
            .cpu()
            .numpy()
        )
    return out


def weights(module: llora.LLoRA, inputs: Sequence[low_rank.LayerInputs], lengths: Tensor, adapter: int) -> Tensor:
    """Attention weights [layers, batch, query heads, seq] of the expression's query row, the last valid position's."""
    index = adapter if module.adapters == "separate" else 0
    batch, length, _ = inputs[0].x.shape
    rows, last = torch.arange(batch, device=lengths.device), lengths - 1
    positions = torch.arange(length, device=lengths.device)
    cos, sin = (part[0] for part in module.backbone.model.rotary_emb(inputs[0].x, positions[None]))
    hidden = (positions[None] > last[:, None])[:, None, None]
    groups_of = module.query_heads // module.key_value_heads
    out = []
    all_updates = cast(Iterable[Mapping[str, low_rank.LowRank]], module.layers)
    for layer, updates in zip(inputs, all_updates, strict=True):
        query = layer.q[rows, last] + module.scale * updates["q"](layer.x[rows, last], index)
        key = layer.k + module.scale * updates["k"](layer.x, index)
        query = forward.apply_rotary(query.view(batch, -1, module.head_dim), cos[last][:, None], sin[last][:, None])
        key = forward.apply_rotary(key.view(batch, length, -1, module.head_dim), cos[:, None], sin[:, None])
        scores = torch.einsum(
            "bkgd,btkd->bkgt", query.view(batch, module.key_value_heads, groups_of, -1), key
        ) / math.sqrt(module.head_dim)
        out.append(scores.masked_fill(hidden, float("-inf")).softmax(-1).flatten(1, 2))
    return torch.stack(out)
