"""Writes the model package. Options: python -m scripts.export --help."""

from selfracg.command import main
from selfracg.export import export

if __name__ == "__main__":
    main(export)
