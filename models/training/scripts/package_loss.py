"""Prints the bits a byte of a converted package on unseen code. Options: python -m scripts.package_loss --help."""

from selfracg.command import main
from selfracg.eval import package_loss

if __name__ == "__main__":
    main(package_loss)
