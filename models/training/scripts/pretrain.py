"""Trains the backbone. Options: python -m scripts.pretrain --help."""

from selfracg.command import main
from selfracg.train import pretrain

if __name__ == "__main__":
    main(pretrain)
