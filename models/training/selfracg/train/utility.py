"""Command `utility`: a fragment is as good as it lowers the loss of the true continuation after it in the prompt.

The supervision is RLCoder's (arXiv 2407.19487); the loss is the cross entropy of the expression's scores with the softmax
of the gains. What stage 2 cannot see, a generation that is itself wrong, cannot mislead it, and contexts that no
candidate helps train the null vector. Candidates: the starting adapter's own first hits, BM25's, and random windows, all of
the repository and outside the file; each step mixes in stage-1 pairs.

Reads  corpus/, tokenizer/, backbone/, the adapter of --from.
Writes pairs/rated-*.jsonl, stages/utility/, llora/ where it is the best, ing.jsonl.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from selfracg.data import lexical, pair_sampler
from selfracg.data.pairs import Pair, Window
from selfracg.data.special_tokens import PAD
from selfracg.files import sha256
from selfracg.model import backbone, forward, llora
from selfracg.train import ing, parallel, row_files
from selfracg.train.adapter_training import AdapterTraining
from selfracg.train.stage_data import Extra, RatedContext
from selfracg.train.stages import fresh_adapter, launch, prompt_format, reader, stage_folder

# Tokens of the true continuation that a candidate is rated by: the rest of the line and the next ones.
CONTINUATION_TOKENS, CONTINUATION_LINES = 32, 3
# Tokens of the prefix in the prompt; the fragment has fragmentTokens in front of it.
PREFIX_TOKENS = 192
# Contexts of one repository that are rated with the same embedded windows, and those windows.
OF_ONE_REPOSITORY, WINDOWS = 32, 160


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `utility`."""
    ing.add_training_arguments(parser, lr=1e-3, steps=200)
    parser.set_defaults(start="stage1")
    parser.add_argument("--contexts", type=int, default=5000, help="contexts to rate, over all processes")
    parser.add_argument(
        "--rating-minutes", type=float, default=None, help="end rating by the clock (default: half of --minutes)"
    )
    parser.add_argument("--candidates", type=int, default=7, help="fragments rated for each context")
    parser.add_argument("--rated", type=int, default=24, help="rated contexts a step, over all processes")
    parser.add_argument(
        "--gain-temperature", type=float, default=0.03, help="nats a token that make a candidate e times as right"
    )


def run(args: argparse.Namespace) -> int:
    """Rates candidates and trains, to the end or to SIGTERM (143). Returns the exit status."""
    ing.shrink(args)
    if args.smoke:
        args.contexts, args.candidates, args.rated = min(args.contexts, 24), 3, 4
    return launch(work, args, min(args.batch, args.rated))


def work(args: argparse.Namespace, rank: int, world: int) -> int:
    """One process's share: rating, then training."""
    began = time.monotonic()
    rated = rate_contexts(args, rank, world)
    if rank == 0 and rated:
        helped = sum(max(each.gains) > 0 for each in rated) / len(rated)
        print(f"utility: {len(rated)} contexts rated, {helped:.0%} of them helped by a candidate", flush=True)
    extra = Extra(rated=rated, rated_count=args.rated, gain_temperature=args.gain_temperature)
    # The budget counts the rating in.
    return AdapterTraining(args, rank, world, "utility", extra, began).train()


def rate_contexts(args: argparse.Namespace, rank: int, world: int) -> list[RatedContext]:
    """Every process's rated contexts, made once for a backbone, a start and a seed."""
    work = Path(args.work)
    weights = Path(args.backbone or work / "backbone")
    fresh = args.start in (None, "none")
    made_with = {
        "backbone": backbone.checksum(weights),
        "start": "" if fresh else sha256(stage_folder(work, args.start) / "adapter.safetensors"),
        "seed": args.seed,
        "contexts": args.contexts,
        "candidates": args.candidates,
        "parts": world,
        "limits": [args.query_tokens, args.import_tokens, args.fragment_tokens],
    }

    def write(path: Path) -> int:
        count = 0
        with path.open("w", encoding="utf-8") as out:
            for each in Rater(args, weights, rank, world).rated_contexts():
                row = vars(each) | {
                    "query": list(each.query),
                    "candidates": [list(candidate) for candidate in each.candidates],
                }
                out.write(json.dumps(row, separators=(",", ":")) + "\n")
                count += 1
        return count

    row_files.make_once(row_files.part_path(work, "rated", rank, world), made_with, write)
    parallel.wait_for_all()
    found = []
    for part in range(world):
        for line in row_files.part_path(work, "rated", part, world).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            candidates: list[Sequence[int]] = [array("i", ids) for ids in row["candidates"]]
            found.append(RatedContext(row["repository"], array("i", row["query"]), candidates, row["gains"]))
    return found


@dataclass
class Context:
    """A pair's context as text: the prompt's prefix and the continuation's tokens."""

    pair: Pair
    prefix: list[int]
    continuation: list[int]


class Rater:
    """Rates candidates for one process's part of the repositories."""

    def __init__(self, args: argparse.Namespace, weights: Path, rank: int, world: int) -> None:
        budget = args.rating_minutes or (0.5 * args.minutes if args.minutes else None)
        self.end = time.monotonic() + 60 * budget if budget else None
        self.args, self.rank, self.world = args, rank, world
        self.corpus = Path(args.work) / "corpus" / "train.jsonl"
        self.form = prompt_format(args, backbone.tokenizer_file(weights, args.work))
        self.device = parallel.choose_device(args.device)
        self.model = backbone.placed(backbone.load(weights), self.device)
        self.reader = reader(args, self.model, self.device)
        self.hidden = torch.compile(forward.hidden_states, dynamic=False) if args.compile else forward.hidden_states
        # Rows of one pass, and their length where passes are compiled for one shape.
        self.together = max(1, args.micro // (args.candidates + 1))
        row = PREFIX_TOKENS + args.fragment_tokens + CONTINUATION_TOKENS
        self.shape = (self.together * (args.candidates + 1), row) if args.compile else None
        if args.start in (None, "none"):
            self.module = fresh_adapter(args, self.model).to(self.device)
        else:
            self.module = llora.load(self.model, stage_folder(Path(args.work), args.start)).to(self.device)

    def rated_contexts(self) -> Iterator[RatedContext]:
        """Rated contexts, repository after repository in random order, until the number or the clock is reached."""
        with self.corpus.open(encoding="utf-8") as lines:
            sizes = [float(len(line)) ** 0.7 for number, line in enumerate(lines) if number % self.world == self.rank]
        wanted = [max(1, round(self.args.contexts / self.world * size / sum(sizes))) for size in sizes]
        # Large repositories come several times, so that a clock that ends this leaves a fair sample.
        visits = [place for place, count in enumerate(wanted) for _ in range(-(-count // OF_ONE_REPOSITORY))]
        random.Random(self.args.seed).shuffle(visits)
        offsets = self._offsets()
        remaining = dict(enumerate(wanted))
        with self.corpus.open("rb") as lines:
            for visit, place in enumerate(visits):
                if self.end is not None and time.monotonic() > self.end:
                    return
                count = min(OF_ONE_REPOSITORY, remaining[place])
                remaining[place] -= count
                lines.seek(offsets[place])
                sampler = pair_sampler.Sampler(json.loads(lines.readline()), self.form, self.args.seed + 31 * visit + 1)
                yield from self._repository(sampler, count)

    def _offsets(self) -> list[int]:
        """Where the rows of this process's repositories begin in the corpus file."""
        found, offset = [], 0
        with self.corpus.open("rb") as lines:
            for number, line in enumerate(lines):
                if number % self.world == self.rank:
                    found.append(offset)
                offset += len(line)
        return found

    @torch.no_grad()
    def _repository(self, sampler: pair_sampler.Sampler, count: int) -> Iterator[RatedContext]:
        contexts = list(self._contexts(sampler, count))
        windows = list(sampler.windows(WINDOWS))
        # A definition pair's own fragment is among those offered, as it would be in the whole repository.
        offered: list[Pair | Window] = [*windows, *(each.pair for each in contexts if each.pair.kind == "definition")]
        if not contexts or len(offered) < self.args.candidates:
            return
        (found,) = self.reader.express([self.module], [each.fragment for each in offered], llora.FRAGMENT)
        (asked,) = self.reader.express([self.module], [each.pair.query for each in contexts], llora.QUERY)
        scores = (asked @ found.T).cpu()
        texts = [self.form.tokenizer.decode(list(each.fragment), skip_special_tokens=True) for each in offered]
        index = lexical.Bm25(texts)
        chosen: list[list[int]] = []
        for row, context in enumerate(contexts):
            others = [place for place, each in enumerate(offered) if each.path != context.pair.query_path]
            own = sorted(others, key=lambda place: -scores[row, place].item())
            query = self.form.tokenizer.decode(context.prefix, skip_special_tokens=True)
            lexically = index.rank(lexical.query_of(query), others)
            chosen.append(self._choose(sampler.random, own, lexically, others))
        ready = [(context, places) for context, places in zip(contexts, chosen, strict=True) if len(places) > 1]
        for start in range(0, len(ready), self.together):
            part = ready[start : start + self.together]
            rows = [
                (prompt, context.continuation)
                for context, places in part
                for prompt in (
                    context.prefix,
                    *([*self._in_prompt(offered[place]), *context.prefix] for place in places),
                )
            ]
            losses = iter(continuation_losses(self.model, rows, self.device, self.hidden, self.shape))
            for context, places in part:
                alone = next(losses)
                gains = [round(alone - next(losses), 4) for _ in places]
                yield RatedContext(
                    sampler.name, context.pair.query, [offered[place].fragment for place in places], gains
                )

    def _choose(
        self, source: random.Random, own: Sequence[int], lexically: Sequence[int], others: Sequence[int]
    ) -> list[int]:
        """About half the candidates from the adapter, a quarter from BM25, the rest random; none twice."""
        count = self.args.candidates
        first = list(own[: count - count // 2])
        second = [place for place in lexically if place not in first][: count // 4]
        taken = first + second
        rest = [place for place in others if place not in taken]
        return taken + source.sample(rest, min(len(rest), count - len(taken)))

    def _in_prompt(self, each: Pair | Window) -> list[int]:
        """An embedded fragment's row in the form that the prompt gives it."""
        own = self._embedding_suffix
        ids = list(each.fragment)
        return ids[: len(ids) - len(own)] if own and ids[-len(own) :] == own else ids

    @property
    def _embedding_suffix(self) -> list[int]:
        """Tokens that the embedding's template adds at the end of the prompt's."""
        embedding, prompt = self.form.templates["fragmentEmbedding"], self.form.templates["fragment"]
        pieces = list(embedding)[len(prompt) :]
        return [token for piece in pieces for token in (self.form.piece(piece))]

    def _contexts(self, sampler: pair_sampler.Sampler, count: int) -> Iterator[Context]:
        """Contexts of which about a sixth needs nothing; each with a continuation that is worth rating by."""
        files = {file.path: file for file in sampler.repository.files}
        for _ in range(6 * count):
            if count == 0:
                return
            pair = (
                sampler.no_need()
                if sampler.random.random() < 0.17
                else sampler.draw("both" if sampler.random.random() < 0.3 else "definition")
            )
            if pair is None or len(pair.query) <= 24 or pair.offset < 0:
                continue
            file = files[pair.query_path]
            rest = "\n".join(file.text[pair.offset :].split("\n", CONTINUATION_LINES)[:CONTINUATION_LINES])
            continuation = self.form.encode(rest)[:CONTINUATION_TOKENS]
            if len(continuation) < 4:
                continue
            count -= 1
            yield Context(
                pair, self.form.left_to_right(file.path, file.text[: pair.offset], PREFIX_TOKENS), continuation
            )


@torch.no_grad()
def continuation_losses(
    model: PreTrainedModel,
    rows: Sequence[tuple[Sequence[int], Sequence[int]]],
    device: torch.device,
    hidden: Callable[..., Tensor] = forward.hidden_states,
    shape: tuple[int, int] | None = None,
) -> list[float]:
    """Of each (prompt, continuation) the mean loss in nats of the continuation's tokens; one pass over all, right-padded.

    ``shape``: rows and length of the pass, where it is compiled for one.
    """
    max_length = max(len(prompt) + len(continuation) for prompt, continuation in rows)
    ids = torch.full(shape or (len(rows), max_length), PAD, dtype=torch.int64)
    for row, (prompt, continuation) in enumerate(rows):
        ids[row, : len(prompt) + len(continuation)] = torch.tensor([*prompt, *continuation])
    states = hidden(model, ids.to(device), torch.bfloat16)
    counts = [len(continuation) for _, continuation in rows]
    places = torch.tensor(
        [
            row * ids.shape[1] + len(prompt) - 1 + token
            for row, (prompt, continuation) in enumerate(rows)
            for token in range(len(continuation))
        ]
    )
    logits = (states.flatten(0, 1)[places.to(device)] @ model.lm_head.weight.to(states.dtype).T).float()
    target = torch.tensor([token for _, continuation in rows for token in continuation], device=device)
    losses = F.cross_entropy(logits, target, reduction="none")
    return [part.mean().item() for part in losses.split(counts)]
