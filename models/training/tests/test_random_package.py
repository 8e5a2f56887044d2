"""Packages with random weights: whole packages of the size asked for, with a vocabulary made as large."""

import json

import pytest
from tokenizers import Tokenizer

from experiments import random_package
from selfracg import command
from selfracg.data import prompt_layout
from selfracg.export import export, package


def test_random_package_has_the_requested_size(tmp_path):
    assert command.run(random_package, ["--work", str(tmp_path), "--smoke"]) == 0
    size = random_package.SMOKE[0]
    manifest = package.read(tmp_path / "random" / size.name)
    stated = manifest["architecture"]
    assert (stated["hiddenSize"], stated["layers"], stated["vocabularySize"]) == (
        size.hidden,
        size.layers,
        size.vocabulary,
    )
    assert manifest["contextLength"] == size.context and manifest["weights"]["stored"] == "int8"
    with pytest.raises(ValueError, match="expected sizes among tiny"):
        command.run(random_package, ["--work", str(tmp_path), "--smoke", "--size", "huge"])


def test_added_entries_change_no_text():
    source = (export.REPOSITORY / "models" / "default" / "tokenizer.json").read_text(encoding="utf-8")
    small, wide = Tokenizer.from_str(source), Tokenizer.from_str(random_package.widened(source, 9000))
    assert wide.get_vocab_size() == 9000 == prompt_layout.token_count(random_package.widened(source, 9000))
    text = "def need(self):\n    return '~unreachable8500~'\n"
    assert wide.encode(text).ids == small.encode(text).ids
    with pytest.raises(ValueError, match="expected a tokenizer of at most 100 entries"):
        random_package.widened(json.dumps(json.loads(source)), 100)
