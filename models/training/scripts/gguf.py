"""Writes the backbone as a GGUF file, for llama.cpp. Options: python -m scripts.gguf --help."""

from selfracg.command import main
from selfracg.export import gguf

if __name__ == "__main__":
    main(gguf)
