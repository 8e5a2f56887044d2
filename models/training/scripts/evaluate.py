"""Measures a package and the training stages. Options: python -m scripts.evaluate --help."""

from selfracg.command import main
from selfracg.eval import evaluate

if __name__ == "__main__":
    main(evaluate)
