"""Parts: what is packed comes back byte for byte, and a part that is missing or damaged stops the join before it begins."""

import importlib.util
import random
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("parts", Path(__file__).parents[1] / "scripts" / "parts.py")
parts = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(parts)


@pytest.fixture()
def work(tmp_path):
    folder = tmp_path / "work"
    (folder / "shards").mkdir(parents=True)
    (folder / "shards" / "train.npy").write_bytes(random.Random(1).randbytes(30_000))
    (folder / "note.json").write_text("{}")
    return folder


def test_packed_parts_join_to_the_same_files(work, tmp_path, capsys):
    out, there = tmp_path / "out", tmp_path / "there"
    command = ["pack", "rows", "shards", "note.json", "--from", str(work), "--out", str(out), "--part-mib", "0.01"]
    assert parts.main(command) == 0
    assert "3 parts" in capsys.readouterr().out
    assert all(path.stat().st_size <= 10_485 for path in out.glob("*.part"))
    assert parts.main(["join", str(out / "rows.json"), "--to", str(there)]) == 0
    for path in ("shards/train.npy", "note.json"):
        assert (there / path).read_bytes() == (work / path).read_bytes()


def test_a_missing_or_damaged_part_is_named_and_nothing_is_written(work, tmp_path, capsys):
    out, there = tmp_path / "out", tmp_path / "there"
    parts.pack(work, ["shards"], out, "rows", 10_000)
    damaged = out / "rows-002.part"
    content = bytearray(damaged.read_bytes())
    content[0] ^= 1
    damaged.write_bytes(content)
    join = ["join", str(out / "rows.json"), "--to", str(there)]
    assert parts.main(join) == 1
    assert "rows-002.part: expected SHA-256" in capsys.readouterr().err
    damaged.unlink()
    assert parts.main(join) == 1
    assert "expected the part" in capsys.readouterr().err and not there.exists()


def test_a_path_that_does_not_exist_is_named(work, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected absent in"):
        parts.pack(work, ["absent"], tmp_path / "out", "rows", 10_000)
