"""The loss of a converted package: which rows are drawn, and what bits a byte are."""

import json

import numpy as np
import pytest
from tiny import tokenizer_json
from tokenizers import Tokenizer

from selfracg.data import prompt_layout
from selfracg.eval import package_loss

TOKENIZER = Tokenizer.from_str(tokenizer_json(prompt_layout.QWEN_CODER))


def repositories(path, files):
    """A file of repositories, each with so many files of each language that are long enough, and one that is not."""
    lines = [
        json.dumps({"repository": language, "language": language, "files": {"short": "x"} | texts})
        for language in package_loss.FILES
        for texts in [{f"{number}.code": f"{number} = {language}\n" * 400 for number in range(files)}]
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_rows_are_beginnings_of_files_behind_their_names_and_the_same_each_time(tmp_path):
    found = package_loss.rows(repositories(tmp_path / "code.jsonl", 8), TOKENIZER)
    assert [language for language, _ in found] == [
        language for language, count in package_loss.FILES.items() for _ in range(count)
    ]
    for language, row in found:
        text = TOKENIZER.decode(row.ids[row.start :])
        assert len(row.ids) - row.start == package_loss.TOKENS and row.bytes == len(text.encode())
        name = TOKENIZER.decode(row.ids[: row.start], skip_special_tokens=False)
        assert name.startswith("<|file_sep|>") and name.endswith(".code\n") and language in text
    assert package_loss.rows(tmp_path / "code.jsonl", TOKENIZER) == found


def test_too_few_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected at least 5 files of python .* found 2"):
        package_loss.rows(repositories(tmp_path / "code.jsonl", 2), TOKENIZER)


def test_a_model_that_knows_nothing_takes_the_bits_of_a_choice_among_all_tokens():
    row = package_loss.Row([1, 2, 3, 4, 5], 2, 6)
    printed = package_loss.line("none", {"python": [row]}, lambda ids: np.zeros((len(ids), 256)))
    assert printed == "none: python 4.00000, all 4.00000 (3 tokens)"
