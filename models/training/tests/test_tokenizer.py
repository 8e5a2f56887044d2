"""The tokenizer: special ids, exact round trips, pre-tokenisation, --check."""

import io
import json
from pathlib import Path

import pytest

from selfracg.data import special_tokens, tokenizer

SOURCES = sorted(Path(tokenizer.__file__).parents[1].rglob("*.py")) + sorted(Path(__file__).parent.glob("test_*.py"))
ODD = [
    "\ttab\t\ttab  two   three    four",
    "naïve café ÄÖÜ ß 你好，世界 привет मर्द नमस्ते 한국어 🙂👩‍👩‍👧 e\u0301",
    "nbsp\u00a0here ideographic\u3000space zwsp\u200b bom\ufeff nel\u0085 vt\x0b ff\x0c ls\u2028 nul\x00",
    "crlf\r\n\r\n    indented\r\n\tx\r\rlone\r end",
    "   trailing   \n\n\n        deep\n",
    " ",
    "",
    "I'm don't ½ Ⅷ ٣٤ 1234.5678 0xDEADBEEF __dunder__ HTTPServer2",
]


@pytest.fixture(scope="module")
def trained():
    return tokenizer.train([path.read_text(encoding="utf-8") for path in SOURCES], 1500)


def test_special_tokens_come_first(trained):
    assert [trained.token_to_id(token) for token in special_tokens.SPECIAL_TOKENS] == list(range(7))
    assert trained.get_vocab_size() == 1500


def test_thousands_of_lines_come_back_exactly(trained):
    lines = [line for path in SOURCES for line in path.read_text(encoding="utf-8").splitlines(keepends=True)]
    lines += [line.rstrip("\n") + "\r\n" for line in lines] + ["\t" + line for line in lines] + ODD
    lines = [line for line in lines if not any(token in line for token in special_tokens.SPECIAL_TOKENS)]
    assert len(lines) > 3000
    for line, encoding in zip(lines, trained.encode_batch(lines, add_special_tokens=False), strict=True):
        assert trained.decode(encoding.ids, skip_special_tokens=False) == line


def test_whole_files_come_back_exactly(trained):
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert trained.decode(trained.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


def pieces(text: str) -> list[str]:
    return [text[start:end] for _, (start, end) in tokenizer.new_tokenizer().pre_tokenizer.pre_tokenize_str(text)]


def test_pre_tokenisation_splits_as_the_pattern_says():
    assert pieces("    return self.get_name(x1, 23)\n\n        y") == [
        "   ", " return", " self", ".", "get", "_name", "(", "x", "1", ",", " ", "2", "3", ")", "\n\n        ", "y",
    ]  # fmt: skip
    assert pieces("a  \r\n\tb") == ["a", "  \r\n\t", "b"]
    assert pieces("x = ") == ["x", " =", " "]


def test_indentation_after_a_line_end_becomes_one_token(trained):
    assert len(trained.encode("\n    ", add_special_tokens=False).ids) == 1
    assert len(trained.encode("\n        ", add_special_tokens=False).ids) == 1


def test_check_prints_the_file_and_its_lines_with_their_line_ends(trained, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("a\r\n\tb é\n".encode())
    output = io.StringIO()
    tokenizer.check(trained, [path], output)
    rows = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [row["text"] for row in rows] == ["a\r\n\tb é\n", "a\r\n", "\tb é\n"]
    assert all(trained.decode(row["ids"]) == row["text"] for row in rows)


def test_the_sample_holds_every_language(tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [{"repository": language, "language": language, "licence": "MIT", "files": {f"{n}": language * 50 for n in range(40)}}
            for language in ("python", "go")]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = tokenizer.sample(path, 1000, 1)
    assert {text[:2] for text in texts} == {"py", "go"}
    assert texts == tokenizer.sample(path, 1000, 1)


def test_a_missing_corpus_says_what_to_do(tmp_path):
    with pytest.raises(SystemExit, match="run the corpus command first"):
        list(tokenizer.corpus_rows(tmp_path / "none.jsonl"))
