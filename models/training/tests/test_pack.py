"""Packing and definitions: formats, one repository a row, slots of their own, fragments that are really used."""

import argparse
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from selfracg.data import pack, row_assembly, source_repository, special_tokens, tokenizer
from selfracg.data.definitions import IDENTIFIER, LANGUAGES, definitions, language_of


def shapes() -> str:
    return "import math\n\n\n" + "".join(
        f"class Shape_{n}Builder:\n    def area_of_shape_{n}(self, width, height):\n        return width * height * {n}\n\n\n"
        for n in range(40)
    )


def uses(mark: str) -> str:
    return "from .shapes import *\n\n\n" + "".join(
        f"def report_{mark}_{n}(printer):\n    area, builder = Shape_{n}Builder.area_of_shape_{n}, Shape_{n}Builder()\n    printer.show(area({n}, 2), builder)\n    return printer\n\n\n"
        for n in range(40)
    )


def repository(mark: str) -> dict:
    return {"repository": mark, "language": "python", "licence": "MIT",
            "files": {"pkg/shapes.py": shapes(), "pkg/uses.py": uses(mark), "pkg/more.py": uses(mark + "_more")}}  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    return tokenizer.train([shapes(), uses("alpha"), uses("beta")], 700)


def rows_of(tokenizer_, seed: int, *marks: str, length: int = 512, epochs: int = 3):
    """Rows, languages and counts of repositories, in the order of the repositories."""
    parts = list(
        pack.packed_repositories([json.dumps(repository(mark)) for mark in marks], tokenizer_, length, epochs, seed, 1)
    )
    rows = np.concatenate([part for _, part, _ in parts])
    languages = np.concatenate([np.full(len(part), language) for language, part, _ in parts])
    return rows, languages, pack.report_of({"python": sum((counts for *_, counts in parts), pack.Counter())}, length)


@pytest.fixture(scope="module")
def packed(trained):
    return rows_of(trained, 1, "alpha", "beta")


def test_rows_have_shape_padding_and_languages(packed):
    rows, languages, report = packed
    assert rows.dtype == np.uint16
    assert rows.shape == (report["all"]["rows"], 512) and len(languages) == len(rows) > 30
    assert set(languages.tolist()) == {LANGUAGES.index("python")}
    for row in rows:
        padding = np.flatnonzero(row == special_tokens.PAD)
        # Padding only at the end.
        assert len(padding) == 0 or (row[padding[0] :] == special_tokens.PAD).all()
    assert report["all"]["tokens"] + report["all"]["padding"] == rows.size


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(packed, trained):
    again, _, _ = rows_of(trained, 1, "alpha", "beta")
    assert np.array_equal(again, packed[0])
    other, _, _ = rows_of(trained, 2, "alpha", "beta")
    assert not np.array_equal(other[: len(again)], again[: len(other)])


def test_the_rows_do_not_depend_on_the_hash_seed(tmp_path, trained):
    trained.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "row.json").write_text(json.dumps(repository("alpha")))
    program = (
        "import json, sys; from tokenizers import Tokenizer; from selfracg.data import pack; "
        "rows, _ = pack.pack_repository(json.load(open(sys.argv[2])), Tokenizer.from_file(sys.argv[1]), 512, 1, 1); "
        "print(rows.tolist())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "tokenizer.json"), str(tmp_path / "row.json")],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(pack.__file__).parents[2])},
            check=True, capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(outputs) == 1 and len(outputs.pop()) > 1000


def test_a_row_holds_one_repository(packed, trained):
    for row in packed[0]:
        text = trained.decode(row.tolist(), skip_special_tokens=False)
        assert not ("report_alpha" in text and "report_beta" in text)


def test_packed_rows_hold_every_kind_of_sample(packed):
    counts = packed[2]["all"]
    for kind in ("leftToRight", "leftToRightWithFragments", "fillInMiddle", "fillInMiddleWithFragments"):
        assert counts[kind] > 0, kind
    assert 0.2 < counts["rowsStartingWithFragments"] / counts["rows"] < 0.8


def test_fill_in_middle_samples_rejoin_to_the_text(packed, trained):
    texts = {
        "pkg/shapes.py": shapes(),
        **{f"{mark}": uses(mark) for mark in ("alpha", "alpha_more", "beta", "beta_more")},
    }
    seen = 0
    for row in packed[0]:
        ids = row.tolist()
        for start in (place for place, token in enumerate(ids) if token == special_tokens.FIM_PREFIX):
            assert ids[start + 1] == special_tokens.PATH
            suffix = ids.index(special_tokens.FIM_SUFFIX, start)
            middle = ids.index(special_tokens.FIM_MIDDLE, suffix)
            end = ids.index(special_tokens.END, middle)
            path, _, prefix = trained.decode(ids[start + 2 : suffix], skip_special_tokens=False).partition("\n")
            assert path in ("pkg/shapes.py", "pkg/uses.py", "pkg/more.py")
            parts = prefix, trained.decode(ids[middle + 1 : end]), trained.decode(ids[suffix + 1 : middle])
            assert parts[1] and parts[2].strip()
            assert any("".join(parts) in text for text in texts.values())
            seen += 1
    assert seen > 20


def test_sample_fragments_define_what_follows(packed, trained):
    used = total = 0
    for row in packed[0]:
        ids = row.tolist()
        if ids[0] != special_tokens.FRAGMENT:
            continue
        text = trained.decode([token for token in ids if token != special_tokens.PAD], skip_special_tokens=False)
        fragments, _, rest = text.partition("<|path|>")
        names = {name for name, _ in definitions("python", fragments) if name.startswith(("Shape_", "area_"))}
        if "from .shapes" in fragments or not names:
            continue
        total += 1
        used += any(name in rest for name in names)
    assert total >= 5
    assert used / total > 0.8


def test_fragments_come_from_other_files_and_are_short(packed, trained):
    for row in packed[0]:
        ids = [token for token in row.tolist() if token != special_tokens.PAD]
        marks = [place for place, token in enumerate(ids) if token < 6] + [len(ids)]
        starts = [place for place, token in enumerate(ids) if token == special_tokens.FRAGMENT]
        for start in starts:
            stop = next(mark for mark in marks if mark > start)
            assert stop - start <= source_repository.FRAGMENT_TOKENS + source_repository.PATH_TOKENS + 3
            path = trained.decode(ids[start + 1 : stop]).partition("\n")[0]
            follower = next(
                (mark for mark in marks if mark > start and mark < len(ids) and ids[mark] == special_tokens.PATH), None
            )
            if follower is not None:
                assert trained.decode(ids[follower + 1 : follower + 30]).partition("\n")[0] != path


def test_the_path_is_cut_at_its_left_end(trained):
    row = repository("alpha")
    long = "very/" * 40 + "pkg/uses.py"
    row["files"] = {long: uses("alpha"), "pkg/shapes.py": shapes()}
    rows, _ = pack.pack_repository(row, trained, 512, 1, 1)
    newline = trained.encode("\n", add_special_tokens=False).ids[0]
    tails = 0
    for ids in rows.tolist():
        for start in (place for place, token in enumerate(ids) if token == special_tokens.PATH):
            path = ids[start + 1 : ids.index(newline, start)]
            assert len(path) <= source_repository.PATH_TOKENS
            tails += trained.decode(path).endswith("pkg/uses.py")
    assert tails


def test_slots_are_tokenised_on_their_own(trained):
    sample = source_repository.Sample(
        "leftToRight", [], [special_tokens.PATH, "pkg/a.py", "\n"], ["    ret", "urn value\n" * 40, special_tokens.END]
    )
    ids = row_assembly.encode_pieces(trained, [[sample]])
    row = row_assembly.assemble([sample], ids, 512, pack.Counter())
    parts = [
        trained.encode(text, add_special_tokens=False).ids for text in ("pkg/a.py", "\n", "    ret", "urn value\n" * 40)
    ]
    expected = [special_tokens.PATH, *(token for part in parts for token in part), special_tokens.END]
    assert row is None or row[: len(expected)] == expected[:512]
    assert len(expected) > 256 and row is not None


def test_lowest_ranked_fragments_are_dropped_where_room_is_short(trained):
    text = "value = other_value\n" * 30
    fragments = [[special_tokens.FRAGMENT, f"pkg/f{n}.py", "\n", text, "\n"] for n in range(6)]
    sample = source_repository.Sample("leftToRight", fragments, [special_tokens.PATH, "pkg/a.py", "\n"], [text * 10])
    row = row_assembly.assemble([sample], row_assembly.encode_pieces(trained, [[sample]]), 512, pack.Counter())
    assert row is not None and len(row) == 512
    kept = row.count(special_tokens.FRAGMENT)
    assert 0 < kept < 6
    decoded = trained.decode(row, skip_special_tokens=False)
    assert "pkg/f5.py" in decoded and "pkg/f0.py" not in decoded
    assert row.index(special_tokens.PATH) > 0 and len(row) - row.index(special_tokens.PATH) >= 128


def test_links_go_to_definitions_in_other_files():
    made = source_repository.Repository(repository("alpha"), 3.5, random.Random(1))
    numbers = {file.path: number for number, file in enumerate(made.files)}
    links = made.links(numbers["pkg/uses.py"], 0, 10)
    found = {(link.name, link.there) for link in links if link.name}
    assert ("Shape_0Builder", numbers["pkg/shapes.py"]) in found
    for link in links:
        if link.name:
            assert link.name in made.files[link.there].lines[link.place]


def test_an_empty_corpus_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match="found none"):
        pack.write_rows(tmp_path, "train", [], 512, 1)
    assert not list(tmp_path.iterdir())


def test_rows_are_shuffled_with_their_languages_and_counted(tmp_path):
    made = [(number, np.full((5, 8), number, dtype=np.uint16), pack.Counter(rows=5, tokens=40)) for number in range(4)]
    report = pack.write_rows(tmp_path, "train", iter(made), 8, 1)
    rows, languages = np.load(tmp_path / "train.npy"), np.load(tmp_path / "train-language.npy")
    assert rows.shape == (20, 8) and rows.dtype == np.uint16 and languages.dtype == np.uint8
    assert rows[:, 0].tolist() == languages.tolist() != sorted(languages.tolist())
    assert report["all"]["rows"] == 20 and report[LANGUAGES[3]]["tokens"] == 40
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train-language.npy", "train.npy"]


def test_two_processes_make_the_rows_of_one(trained, packed):
    lines = [json.dumps(repository(mark)) for mark in ("alpha", "beta")]
    parts = [part for _, part, _ in pack.packed_repositories(lines, trained, 512, 3, 1, 2)]
    assert np.array_equal(np.concatenate(parts), packed[0])


def test_next_sample_begins_after_the_suffix_of_a_fill_in_middle_sample():
    made = source_repository.Repository(repository("alpha"), 3.5, random.Random(1))
    number = next(number for number, file in enumerate(made.files) if file.path == "pkg/uses.py")
    file = made.files[number]
    seen = 0
    for start in range(0, 120):
        result = made.fill_in_middle(number, start, False, 1024)
        if result is None:
            continue
        sample, following = result
        suffix, middle = (
            sample.head[sample.head.index(mark) + 1] for mark in (special_tokens.FIM_SUFFIX, special_tokens.FIM_MIDDLE)
        )
        end = file.text.index(middle + suffix) + len((middle + suffix).rstrip())
        assert file.starts[following] >= end
        seen += suffix.strip().count("\n") > 1
    assert seen > 30


def test_a_run_writes_what_pretraining_reads(tmp_path, trained):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "tokenizer").mkdir()
    for part in ("train", "heldout"):
        (tmp_path / "corpus" / f"{part}.jsonl").write_text(json.dumps(repository(part)) + "\n")
    trained.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    assert pack.run(argparse.Namespace(work=tmp_path, smoke=True, length=None, epochs=2, seed=1, processes=1)) == 0
    shards = tmp_path / "shards"
    assert (shards / "READY").exists() and json.loads((shards / "languages.json").read_text()) == list(LANGUAGES)
    for part in ("train", "heldout"):
        rows = np.load(shards / f"{part}.npy")
        assert rows.shape[1] == 256 and len(np.load(shards / f"{part}-language.npy")) == len(rows)


@pytest.mark.parametrize(
    "language, text, expected",
    [
        ("python", "class A(B):\n    async def go(self):\n        x = 1\nLIMIT: int = 3\n", ["A", "go", "LIMIT"]),
        ("typescript", "export interface Shape {\n}\nexport const area = (s) => 1\n  private async run(a: string): Promise<void> {\n  if (a) {\n", ["Shape", "area", "run"]),
        ("javascript", "export default class A {\n  get size() {\nfunction* walk(a) {\n", ["A", "size", "walk"]),
        ("java", "public final class A<T> {\n  private static final int MAX = 3;\n  public List<String> names(int a) {\n    return foo(a);\n", ["A", "MAX", "names"]),
        ("csharp", "public sealed record Point\n{\n    public int X { get; set; }\n    private static string Name(int a) => a.ToString();\n", ["Point", "X", "Name"]),
        ("go", "func (s *Server) Serve(a int) error {\ntype Server struct {\nvar ErrClosed = 1\n", ["Serve", "Server", "ErrClosed"]),
        ("rust", "pub(crate) async fn run<T>(a: T) {\nimpl Foo for Bar {\npub struct Bar;\nmacro_rules! vec_of {\n", ["run", "Bar", "vec_of"]),
        ("cpp", "#define LIMIT 3\nclass Table {\nstatic inline int size_of(const T& a) {\nint Table::grow(int by) {\n", ["LIMIT", "Table", "size_of", "grow"]),
        ("ruby", "module A\n  class B < C\n    def empty?\n", ["A", "B", "empty?"]),
        ("php", "final class A\n{\n    public static function make(int $a): self\n    const MAX = 1;\n", ["A", "make", "MAX"]),
        ("cobol", "class A\n", []),
    ],
)  # fmt: skip
def test_definitions_of_each_language_are_found(language, text, expected):
    assert [name for name, _ in definitions(language, text)] == expected


def test_definitions_say_their_line_and_skip_long_lines():
    assert definitions("python", "\n\ndef a():\n    pass\n\ndef " + "b" * 400 + "():\n") == [("a", 2)]


def test_identifiers_and_languages_are_recognised():
    assert IDENTIFIER.findall("a_1 = $b.c(2)") == ["a_1", "$b", "c"]
    assert language_of("x/y.tsx") == "typescript" and language_of("Makefile") is None
