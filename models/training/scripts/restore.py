"""Makes backbone and adapter out of a model package. Options: python -m scripts.restore --help."""

from selfracg.command import main
from selfracg.export import restore

if __name__ == "__main__":
    main(restore)
