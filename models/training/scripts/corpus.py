"""Collects and cleans the permissively licensed sources. Options: python -m scripts.corpus --help."""

from selfracg.command import main
from selfracg.data import corpus

if __name__ == "__main__":
    main(corpus)
