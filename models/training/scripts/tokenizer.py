"""Trains the byte-level BPE tokenizer, or compares it with --check. Options: python -m scripts.tokenizer --help."""

from selfracg.command import main
from selfracg.data import tokenizer

if __name__ == "__main__":
    main(tokenizer)
