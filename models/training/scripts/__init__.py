"""One file a command: `python -m scripts.NAME` runs a module of the library."""
