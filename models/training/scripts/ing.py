"""Trains the retrieval adapters (information-need-guided training, stage 1). Options: python -m scripts.ing --help."""

from selfracg.command import main
from selfracg.train import ing

if __name__ == "__main__":
    main(ing)
