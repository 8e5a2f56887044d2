"""Training pairs of ING: a context and the fragment that its continuation needs, from one repository.

Two kinds. ``next`` (stage 1 of arXiv 2507.19033): the context ends anywhere, the fragment is what follows in the same
file. ``definition``: the context ends where a name is about to be used that another file defines, the fragment is that
definition. Contexts end at arbitrary characters, as in an editor. A third, ``no-need``, needs nothing from other files: its
fragment is a window of the repository that happens to stand there.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from selfracg.data import prompt_layout
from selfracg.data.prompt_format import PromptFormat
from selfracg.files import replaced

KINDS = ("next", "definition", "both")
QUERY_TOKENS = 192
IMPORT_TOKENS = 96
FRAGMENT_TOKENS = 128
# Lines before the cursor that a query shows at most, roughly: a name used in them is no news.
VISIBLE_LINES = 18


@dataclass
class Pair:
    """Token ids of a query and of its fragment, and what is needed to see that another pair's fragment would do as well.

    Lines count from 0, ``last`` exclusive; ``offset`` is the cursor's place in its file (-1: not known). ``defines``: names that the fragment defines; ``follows``: names after the
    cursor that other files define.
    """

    repository: str
    kind: str
    query: Sequence[int]
    fragment: Sequence[int]
    query_path: str
    query_line: int
    path: str
    first: int
    last: int
    defines: list[str]
    follows: list[str]
    offset: int = -1


@dataclass
class Window:
    """A fragment as a search would offer it, a candidate for every query of its repository; fields as in Pair."""

    repository: str
    fragment: Sequence[int]
    path: str
    first: int
    last: int
    defines: list[str]


def prompt_format(
    tokenizer: Tokenizer,
    query_tokens: int = QUERY_TOKENS,
    import_tokens: int = IMPORT_TOKENS,
    fragment_tokens: int = FRAGMENT_TOKENS,
) -> PromptFormat:
    """The prompt layout of the tokenizer's family, with the limits that pairs are cut to."""
    layout = prompt_layout.layout_for(tokenizer.to_str())
    retrieval = {"queryTokens": query_tokens, "importTokens": import_tokens, "fragmentTokens": fragment_tokens}
    return PromptFormat({"prompt": layout.to_json(), "retrieval": retrieval}, tokenizer)


def interchangeable(one: Pair, other: Pair | Window) -> bool:
    """Whether the other's fragment may not count as wrong for this pair's query.

    So with the same text, windows that overlap, text that the query already shows, and what defines a name that follows.
    """
    if one.fragment == other.fragment:
        return True
    if one.repository != other.repository:
        return False
    if one.path == other.path and one.first < other.last and other.first < one.last:
        return True
    if (
        one.query_path == other.path
        and other.first <= one.query_line + 1
        and one.query_line - VISIBLE_LINES < other.last
    ):
        return True
    return not set(one.follows).isdisjoint(other.defines)


def write(path: Path, rows: Iterable[Pair | Window]) -> int:
    """Writes pairs or windows as JSON lines; the file appears once it is whole. Returns their number."""
    count = 0
    with replaced(path) as scratch, scratch.open("w", encoding="utf-8") as out:
        for row in rows:
            values = {key: list(value) if isinstance(value, array) else value for key, value in vars(row).items()}
            out.write(json.dumps(values, separators=(",", ":")) + "\n")
            count += 1
    return count


def read(path: Path) -> list[Pair | Window]:
    """What ``write`` wrote. Ids come as arrays: as lists they would take nine times the memory."""
    out: list[Pair | Window] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            for key in ("query", "fragment"):
                if key in row:
                    row[key] = array("i", row[key])
            out.append(Pair(**row) if "query" in row else Window(**row))
    return out


def stored(work: Path) -> tuple[list[Pair], list[Pair]]:
    """(training, held-out) pairs that `ing` drew for its first pass, without those that need nothing.

    Raises ``FileNotFoundError`` where it has drawn none.
    """
    folder = Path(work) / "pairs"
    found = {}
    for split in ("train", "heldout"):
        rows = [row for path in sorted(folder.glob(f"{split}-0-*of*.jsonl")) for row in read(path)]
        found[split] = [row for row in rows if isinstance(row, Pair) and row.kind != "no-need"]
    if not found["train"]:
        raise FileNotFoundError(f"expected training pairs (train-0-*.jsonl) in {folder}, found none: run `ing` first")
    return found["train"], found["heldout"]
