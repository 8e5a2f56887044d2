"""Bundles: parts of bounded size, joined at once or as they arrive, and what is wrong is said."""

import json
import random

import numpy as np
import pytest

from selfracg_training import bundle, rows


def fill(root):
    """A folder of compressible and random files, one of them empty."""
    (root / "shards" / "deep").mkdir(parents=True)
    source = random.Random(0)
    (root / "shards" / "text").write_bytes(b"def need(self): return 1\n" * 3000)
    (root / "shards" / "deep" / "noise").write_bytes(source.randbytes(90_000))
    (root / "shards" / "empty").write_bytes(b"")
    (root / "log").write_bytes(b"one line\n")
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def found(root):
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and not p.name.startswith(".")
    }


def test_parts_stay_below_their_bound_and_give_the_files_back(tmp_path):
    files = fill(tmp_path / "a")
    index = bundle.pack(tmp_path / "a", ["shards", "log"], tmp_path / "out", "data", 30_000, processes=1)
    assert len(index["parts"]) > 3
    for part in index["parts"]:
        assert (tmp_path / "out" / part["file"]).stat().st_size == part["bytes"] <= 30_000
    joined = bundle.join(tmp_path / "out", tmp_path / "b", "data")
    assert joined.done == joined.parts == len(index["parts"])
    assert found(tmp_path / "b") == files


def test_parts_may_arrive_one_by_one_and_go_again(tmp_path):
    files = fill(tmp_path / "a")
    index = bundle.pack(tmp_path / "a", ["log", "shards"], tmp_path / "out", "data", 30_000, processes=1)
    (tmp_path / "in").mkdir()
    (tmp_path / "out" / "data.json").rename(tmp_path / "in" / "data.json")
    for number, part in enumerate(index["parts"]):
        (tmp_path / "out" / part["file"]).rename(tmp_path / "in" / part["file"])
        assert bundle.join(tmp_path / "in", tmp_path / "b", "data").done == number + 1
        (tmp_path / "in" / part["file"]).unlink()
        if number == 1:
            assert (tmp_path / "b" / "shards" / "deep" / "noise.partial").is_file()
            assert found(tmp_path / "b")["log"] == files["log"]
    assert found(tmp_path / "b") == files


def test_some_parts_alone_are_written_and_are_the_same(tmp_path):
    fill(tmp_path / "a")
    bundle.pack(tmp_path / "a", ["shards"], tmp_path / "all", "data", 30_000, processes=1)
    bundle.pack(tmp_path / "a", ["shards"], tmp_path / "some", "data", 30_000, range(2, 4), processes=2)
    some = {path.name: path.read_bytes() for path in (tmp_path / "some").iterdir()}
    assert set(some) == {"data.json", "data-002.xz", "data-003.xz"}
    assert all((tmp_path / "all" / name).read_bytes() == data for name, data in some.items())


def test_says_what_is_wrong(tmp_path):
    fill(tmp_path / "a")
    with pytest.raises(FileNotFoundError, match="nothing there"):
        bundle.pack(tmp_path / "a", ["absent"], tmp_path / "out", "data", 30_000)
    with pytest.raises(FileNotFoundError, match="bring data.json"):
        bundle.join(tmp_path / "a", tmp_path / "b", "data")
    bundle.pack(tmp_path / "a", ["log"], tmp_path / "out", "data", 30_000, processes=1)
    index = json.loads((tmp_path / "out" / "data.json").read_text())
    index["files"][0]["path"] = "../outside"
    (tmp_path / "out" / "data.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="not to be trusted"):
        bundle.join(tmp_path / "out", tmp_path / "b", "data")
    (tmp_path / "out" / "data-001.xz").write_bytes(b"x")
    with pytest.raises(ValueError, match="bring that part again"):
        bundle.join(tmp_path / "out", tmp_path / "b", "data")


def test_rows_are_read_from_what_has_arrived(tmp_path):
    folder = tmp_path / "a" / "shards"
    folder.mkdir(parents=True)
    whole = np.random.default_rng(0).integers(0, 9000, (400, 64)).astype(np.uint16)
    np.save(folder / "train.npy", whole)
    np.save(folder / "train-language.npy", np.zeros(400, np.uint8))
    (folder / "languages.json").write_text('["python"]')
    index = bundle.pack(tmp_path / "a", ["shards"], tmp_path / "out", "data", 20_000, processes=1)
    (tmp_path / "out" / index["parts"][-1]["file"]).rename(tmp_path / "late")
    bundle.join(tmp_path / "out", tmp_path / "b", "data")
    early = rows.Shards.load(tmp_path / "b" / "shards", "train")
    assert 100 < len(early.rows) < 400 and np.array_equal(early.rows, whole[: len(early.rows)])
    (tmp_path / "late").rename(tmp_path / "out" / index["parts"][-1]["file"])
    bundle.join(tmp_path / "out", tmp_path / "b", "data")
    assert np.array_equal(rows.Shards.load(tmp_path / "b" / "shards", "train").rows, whole)
