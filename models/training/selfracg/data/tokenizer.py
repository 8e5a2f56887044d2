"""Trains the byte-level BPE tokenizer and prints texts with their ids for comparison with other implementations."""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from selfracg.data.special_tokens import SPECIAL_TOKENS
from selfracg.files import replaced

VOCABULARY_SIZE = 8192
SMOKE_VOCABULARY_SIZE = 1024
SAMPLE_CHARACTERS = 24_000_000
MAX_TOKEN_LENGTH = 32

# Words with one leading space or underscore (snake_case), digits one at a time, runs of punctuation, a line end together with the blank lines and
# the indentation around it, then spaces. White space is spelled out instead of \s, which differs between regular
# expression engines in the rarest characters; everything not named falls into the punctuation.
PATTERN = (
    r"[ _]?[\p{L}\p{M}]+"
    r"|\p{N}"
    r"| ?[^ \t\r\n\p{L}\p{M}\p{N}]+"
    r"|[ \t]*[\r\n][ \t\r\n]*"
    r"|[ \t]+(?= [^ \t\r\n])"
    r"|[ \t]+"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the tokenizer stage."""
    parser.add_argument("--vocabulary", type=int, default=None, help="size with the special tokens (default 8192)")
    parser.add_argument("--sample", type=int, default=SAMPLE_CHARACTERS, help="characters of the corpus to train on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--tokenizer", type=Path, default=None, help="tokenizer.json for --check (default: the one in --work)"
    )
    parser.add_argument(
        "--check",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="train nothing; print a JSON row {text, ids} for each file and line",
    )


def new_tokenizer() -> Tokenizer:
    """An untrained tokenizer: byte-level BPE on pieces split by PATTERN, no normaliser, so that text comes back exactly."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train(texts: Iterable[str], size: int) -> Tokenizer:
    """Trains a tokenizer of `size` entries whose first ids are the special tokens, in their order."""
    tokenizer = new_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        show_progress=False,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=MAX_TOKEN_LENGTH,
    )
    tokenizer.train_from_iterator(texts, trainer)
    for number, token in enumerate(SPECIAL_TOKENS):
        if tokenizer.token_to_id(token) != number:
            raise RuntimeError(f"expected {token} to have id {number}, found {tokenizer.token_to_id(token)}")
    return tokenizer


def corpus_file(path: Path) -> TextIO:
    """A corpus file, open for reading: a JSON row {repository, language, licence, files} on each line."""
    if not path.exists():
        raise SystemExit(f"expected {path}, found nothing there: run the corpus command first")
    return path.open(encoding="utf-8")


def corpus_rows(path: Path) -> Iterator[dict]:
    """Rows {repository, language, licence, files} of a corpus file."""
    with corpus_file(path) as lines:
        for line in lines:
            yield json.loads(line)


def sample(path: Path, characters: int, seed: int) -> list[str]:
    """About `characters` of whole files, drawn from every language, the smaller languages a little over-represented.

    The corpus is read twice, so that only the sample is held in memory: first its sizes, then each file with the chance
    that makes its language's share.
    """
    sizes: Counter[str] = Counter()
    for row in corpus_rows(path):
        sizes[row["language"]] += sum(map(len, row["files"].values()))
    weights = {language: size**0.8 for language, size in sizes.items()}
    chances = {
        language: characters * weights[language] / sum(weights.values()) / size
        for language, size in sizes.items()
        if size
    }
    source = random.Random(seed)
    return [
        text
        for row in corpus_rows(path)
        for text in row["files"].values()
        if source.random() < chances[row["language"]]
    ]


def check(tokenizer: Tokenizer, files: list[Path], output=sys.stdout) -> None:
    """Prints {text, ids} for each file as a whole and for each of its lines with its line end."""
    for path in files:
        # newline="" keeps \r\n as it stands in the file.
        with path.open(encoding="utf-8", newline="") as stream:
            text = stream.read()
        for piece in [text, *text.splitlines(keepends=True)]:
            output.write(
                json.dumps({"text": piece, "ids": tokenizer.encode(piece, add_special_tokens=False).ids}) + "\n"
            )


def run(arguments: argparse.Namespace) -> int:
    """Writes tokenizer/tokenizer.json and tokenizer/counts.json, or prints what --check asks for."""
    path = arguments.tokenizer or arguments.work / "tokenizer" / "tokenizer.json"
    if arguments.check:
        check(Tokenizer.from_file(str(path)), arguments.check)
        return 0
    size = arguments.vocabulary or (SMOKE_VOCABULARY_SIZE if arguments.smoke else VOCABULARY_SIZE)
    texts = sample(arguments.work / "corpus" / "train.jsonl", arguments.sample, arguments.seed)
    tokenizer = train(texts, size)
    with replaced(path) as scratch:
        tokenizer.save(str(scratch))

    held: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for row in corpus_rows(arguments.work / "corpus" / "heldout.jsonl"):
        files = list(row["files"].values())
        for text, encoding in zip(files, tokenizer.encode_batch_fast(files, add_special_tokens=False), strict=True):
            if tokenizer.decode(encoding.ids, skip_special_tokens=False) != text:
                raise RuntimeError(f"expected a text of {row['repository']} to come back exactly, found a difference")
            held[row["language"]] += len(text.encode())
            tokens[row["language"]] += len(encoding.ids)
    ratios = {language: round(held[language] / tokens[language], 3) for language in sorted(held)}
    characters = sum(map(len, texts))
    counts = {
        "vocabulary": tokenizer.get_vocab_size(),
        "trainedOnCharacters": characters,
        "heldOutBytesPerToken": ratios,
    }
    (path.parent / "counts.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    print(f"tokenizer: {counts['vocabulary']} entries from {characters / 1e6:.1f} M characters")
    print("held-out bytes per token: " + ", ".join(f"{language} {ratio}" for language, ratio in ratios.items()))
    return 0
