"""Token rows of prompts: what counts as an import statement, and the query's limits."""

import json
from pathlib import Path

import pytest
from tiny import tokenizer_json
from tokenizers import Tokenizer

from selfracg.data import prompt_layout
from selfracg.data.prompt_format import PromptFormat, import_statements

# Shared with the product's own implementation.
VECTORS = Path(__file__).resolve().parents[3] / "test" / "fixtures" / "import-statements.json"


@pytest.mark.parametrize("case", json.loads(VECTORS.read_text(encoding="utf-8")), ids=lambda case: case["about"])
def test_import_statements(case):
    assert import_statements(case["prefix"]) == case["imports"]


def form(**retrieval) -> PromptFormat:
    manifest = {
        "prompt": prompt_layout.OWN.to_json(),
        "retrieval": {"queryTokens": 40, "fragmentTokens": 32, **retrieval},
    }
    return PromptFormat(manifest, Tokenizer.from_str(tokenizer_json(prompt_layout.OWN)))


def test_imports_are_added_to_the_prefix_and_cut_from_the_left():
    prefix = "import first_module\nimport second_module\n" + "x = 1\n" * 30
    bare, with_imports = form().query("a.py", prefix), form(importTokens=12).query("a.py", prefix)
    assert len(bare) == 40 and len(with_imports) == 52
    start = 2 + len(form().encode("a.py"))
    assert with_imports[start : start + 12] == form().encode("import first_module\nimport second_module\n")[-12:]
    assert with_imports[:start] + with_imports[start + 12 :] == bare
    assert form(importTokens=0).query("a.py", prefix) == bare


def test_imports_that_the_query_shows_anyway_are_not_repeated():
    prefix = "import first_module\n\nfirst_module."
    assert form(importTokens=12).query("a.py", prefix) == form().query("a.py", prefix)


def test_code_below_the_cursor_comes_first_where_the_template_has_it_so():
    layout = form()
    below = ["<|fragment|>", "{path}", " (below)\n", "{suffix}", "\n", "<|path|>", "{path}", "\n", "{prefix}"]
    layout.templates = {**layout.templates, "fillInMiddle": below}
    long = "abc def ghi " * 100
    row = layout.fill_in_middle("a.py", long, long, 100)
    assert len(row) == 100 and row[-10:] == layout.encode(long)[-10:]
    assert prompt_layout.QWEN_CODER.to_json()["fillInMiddle"] == [
        "<|file_sep|>" if piece in ("<|fragment|>", "<|path|>") else piece for piece in below
    ]


def test_fill_in_the_middle_prompt_shares_its_room_between_both_sides():
    layout = form()
    long = "abc def ghi " * 100
    row = layout.fill_in_middle("a.py", long, long, 100)
    special = layout.tokenizer.token_to_id
    assert len(row) == 100
    assert row[0] == special("<|fim_prefix|>") and row[-1] == special("<|fim_middle|>")
    frame = len(layout.fill_in_middle("a.py", "", "", 100))
    assert row[-1 - (100 - frame) // 4 : -1] == layout.encode(long)[: (100 - frame) // 4]
    # What a short suffix leaves goes to the prefix.
    row = layout.fill_in_middle("a.py", long, "x", 100)
    assert len(row) == 100 and row[-2] == layout.encode("x")[0]
