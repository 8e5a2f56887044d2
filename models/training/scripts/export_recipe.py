"""Writes graph, adapters, tokenizer and recipe of a published GGUF file, without its weights. Options: python -m scripts.export_recipe --help."""

from selfracg.command import main
from selfracg.export import export_recipe

if __name__ == "__main__":
    main(export_recipe)
