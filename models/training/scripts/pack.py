"""Cuts the corpus into rows of tokens for pretraining. Options: python -m scripts.pack --help."""

from selfracg.command import main
from selfracg.data import pack

if __name__ == "__main__":
    main(pack)
