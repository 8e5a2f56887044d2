"""Trains the adapters on with the model's own continuations. Options: python -m scripts.stage2 --help."""

from selfracg.command import main
from selfracg.train import stage2

if __name__ == "__main__":
    main(stage2)
