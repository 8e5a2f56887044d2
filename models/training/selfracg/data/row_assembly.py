"""Samples put together into rows of tokens."""

from __future__ import annotations

from collections import Counter

from tokenizers import Tokenizer

from selfracg.data.source_repository import (
    CODE_TOKENS,
    FRAGMENT_TOKENS,
    MIN_TEXT_TOKENS,
    PATH_TOKENS,
    Piece,
    Repository,
    Sample,
)
from selfracg.data.special_tokens import FRAGMENT, PAD, PATH

FIM_SHARE = 0.48
FRAGMENT_SHARE = 0.62
KINDS = ("leftToRight", "leftToRightWithFragments", "fillInMiddle", "fillInMiddleWithFragments", "spare")


def plan_row(repository: Repository, order: list[int], length: int) -> list[Sample] | None:
    """Samples that together fill a little more than one row, from the next text not yet used; None when there is none.

    `order` holds the numbers of the files with text left and is shortened as they are used up.
    """
    source = repository.random
    samples: list[Sample] = []
    left = float(length)
    fim = source.random() < FIM_SHARE
    fragments = source.random() < FRAGMENT_SHARE
    while left > 0 and order:
        number = order[0]
        file = repository.files[number]
        if file.cursor >= len(file.lines) - 1:
            order.pop(0)
            continue
        if fim and len(file.lines) > 6:
            made = repository.fill_in_middle(number, file.cursor, fragments, length)
            # Between two samples some lines are left out, so that a row shows more of the file than its first page.
            file.cursor = (made[1] if made else file.cursor + 10) + source.randint(0, 12)
            if made is None:
                continue
            sample = made[0]
        else:
            tokens = source.choice(CODE_TOKENS) if source.random() < 0.65 else length
            sample, file.cursor = repository.left_to_right(
                number, file.cursor, min(int(left), tokens), fragments, length, to_the_end=tokens >= left
            )
        samples.append(sample)
        used = sum(map(repository._tokens, sample.fragments)) + sum(
            1 if isinstance(piece, int) else len(piece) / repository.ratio for piece in [*sample.head, *sample.tail]
        )
        left -= used
        fragments = source.random() < FRAGMENT_SHARE
    if not samples:
        return None
    # A spare left-to-right sample fills what is left over when a sample does not fit.
    number = source.randrange(len(repository.files))
    file = repository.files[number]
    spare, _ = repository.left_to_right(
        number, source.randrange(max(1, len(file.lines) // 2)), length // 2, False, length
    )
    spare.kind = "spare"
    return [*samples, spare]


def encode_pieces(tokenizer: Tokenizer, plans: list[list[Sample]]) -> dict[str, list[int]]:
    """Ids of every text piece of some plans, each encoded on its own."""
    texts: dict[str, None] = {}
    for samples in plans:
        for sample in samples:
            for pieces in (*sample.fragments, sample.head, sample.tail):
                for piece in pieces:
                    if isinstance(piece, str):
                        texts[piece] = None
    keys = list(texts)
    encodings = tokenizer.encode_batch_fast(keys, add_special_tokens=False)
    return {text: encoding.ids for text, encoding in zip(keys, encodings, strict=True)}


def assemble(samples: list[Sample], ids: dict[str, list[int]], length: int, counts: Counter[str]) -> list[int] | None:
    """Joins samples into one row of `length` ids; None when the row would be mostly padding."""
    row: list[int] = []

    def flat(pieces: list[Piece], path_at: int) -> list[int]:
        out: list[int] = []
        for place, piece in enumerate(pieces):
            if isinstance(piece, int):
                out.append(piece)
            else:
                out.extend(ids[piece][-PATH_TOKENS:] if place == path_at else ids[piece])
        return out

    kinds: list[str] = []
    leads = with_fragments = False
    in_middle = 0
    for sample in samples:
        room = length - len(row)
        if room < MIN_TEXT_TOKENS:
            break
        if sample.kind == "spare" and room < MIN_TEXT_TOKENS:
            break
        fragments = []
        for pieces in sample.fragments:
            path, line_end, text, end = (piece for piece in pieces if isinstance(piece, str))
            body = ids[text][:FRAGMENT_TOKENS]
            fragments.append([FRAGMENT, *ids[path][-PATH_TOKENS:], *ids[line_end], *body, *ids[end]])
        path_at = sample.head.index(PATH) + 1
        head = flat(sample.head, path_at)
        tail = flat(sample.tail, -1)
        need = len(head) + (min(len(tail), length // 4 if fragments else MIN_TEXT_TOKENS) if tail else 0)
        # The worst fragments, which stand first, go when there is no room.
        while fragments and sum(map(len, fragments)) + need > room:
            fragments.pop(0)
        if need > room:
            continue
        body = [token for fragment in fragments for token in fragment] + head + tail
        if not row and fragments:
            leads = True
        row.extend(body[:room])
        kinds.append(sample.kind + ("WithFragments" if fragments else ""))
        with_fragments = with_fragments or bool(fragments)
        if sample.kind == "fillInMiddle":
            in_middle += len(body)
        counts["fragments"] += len(fragments)
    if len(row) < length // 2:
        counts["rowsDropped"] += 1
        return None
    counts.update(kinds)
    counts["rows"] += 1
    counts["rowsStartingWithFragments"] += leads
    counts["rowsWithFragments"] += with_fragments
    counts["tokensOfFillInMiddle"] += in_middle
    counts["tokens"] += len(row)
    counts["padding"] += length - len(row)
    return row + [PAD] * (length - len(row))
