"""Trains the adapters on with what each fragment is worth to the next lines. Options: python -m scripts.utility --help."""

from selfracg.command import main
from selfracg.train import utility

if __name__ == "__main__":
    main(utility)
