"""The corpus: archives, git, names that are refused, the split, and a source that cannot be reached."""

import argparse
import io
import json
import lzma
import subprocess
import tarfile
import zipfile
from collections import Counter

import pytest

from selfracg.data import clean, corpus, source_reader


def module(name: str, lines: int = 30) -> str:
    return "".join(f"def {name}_{n}(value):\n    return helper_{name}(value, {n})\n\n" for n in range(lines))


def arguments(tmp_path, sources, **changes) -> argparse.Namespace:
    listing = tmp_path / "sources.json"
    listing.write_text(json.dumps({"maxBytes": {"python": 100_000}, "sources": sources}))
    given = {"sources": listing, "work": tmp_path / "work", "git_cache": None, "git_base": str(tmp_path / "remote"),
             "bench": tmp_path / "bench", "scale": 1.0, "smoke": False, "processes": 1, "table": None}  # fmt: skip
    return argparse.Namespace(**{**given, **changes})


def git_repository(folder, files: dict[str, str]) -> str:
    folder.mkdir(parents=True)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run([*git, "config", "uploadpack.allowAnySHA1InWant", "true"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "files"], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def rows(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_listed_source_is_permissive_pinned_and_allowed():
    limits, sources = corpus.read_sources(corpus.ROOT / "corpus")
    names = [source_reader.normal_name(source["name"]) for source in sources]
    assert len(names) == len(set(names)) > 400
    for source in sources:
        assert source["languages"][0] in limits
        assert source_reader.permissive(source["licence"]), source
        assert source["version"] and source["kind"] in {"pip", "npm", "git", "stdlib"}, source
        assert not source_reader.refused_name(source["name"], set()), source
        assert set(source["languages"]) <= set(
            corpus.language_of(f"a.{end}") for end in ("py", "ts", "js", "java", "cs", "go", "rs", "cpp", "rb", "php")
        )
    held = Counter(source["languages"][0] for source in sources if source.get("heldOut"))
    assert all(
        held[language] >= 2
        for language in ("python", "typescript", "javascript", "java", "go", "csharp", "rust", "cpp")
    ), held
    assert {"tox", "marshmallow", "gymnasium", "invoke", "mocha", "jhy/jsoup", "spf13/cobra", "serilog/serilog", "BurntSushi/ripgrep",
            "google/leveldb", "nestjs/typeorm", "microsoft/vscode-js-debug"} <= {s["name"] for s in sources if s.get("heldOut")}  # fmt: skip


def test_benchmark_repositories_are_refused_by_name():
    assert source_reader.refused_name("huggingface/diffusers", set())
    assert source_reader.refused_name("Google/lightweight-mmm", set())
    assert source_reader.refused_name("betty-ml", set())
    assert source_reader.refused_name("someone/thing", {"someone-thing"})
    assert not source_reader.refused_name("django", {"someone-thing"})


def test_licences_are_permissive_or_refused():
    assert source_reader.permissive("MIT OR Unlicense")
    assert not source_reader.permissive("GPL-3.0-only")


def test_licence_files_anywhere_in_a_source_are_read():
    wanted = source_reader._wanted(["python"])
    assert wanted("a/b.py") and not wanted("a/b.js")
    assert wanted("LICENSE") and wanted("COPYING.txt") and wanted("a-1.dist-info/licenses/LICENSE.rst")
    assert not wanted("a/_vendor/b-1.dist-info/LICENSE") and not wanted("a/license.txt")


def test_archives_give_the_files_of_wheels_and_packages(tmp_path):
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pkg/a.py", "a\n")
        archive.writestr("pkg/large.so", "b" * 1000)
    assert list(source_reader._archive_files(wheel, lambda sizes: [path for path in sizes if sizes[path] < 1000])) == [
        ("pkg/a.py", b"a\n")
    ]
    package = tmp_path / "a.tgz"
    with tarfile.open(package, "w:gz") as archive:
        entry = tarfile.TarInfo("package/lib/a.js")
        entry.size = 2
        archive.addfile(entry, io.BytesIO(b"b\n"))
    assert list(source_reader._archive_files(package, list)) == [("lib/a.js", b"b\n")]


def test_take_keeps_whole_folders_within_the_limit():
    sizes = {f"folder{f}/file{n}.py": 100 for f in range(20) for n in range(5)}
    taken = source_reader._take(sizes, 1500)
    assert taken == sorted(taken) and len(taken) == 15
    assert set(Counter(path.split("/")[0] for path in taken).values()) == {5}
    assert source_reader._take(sizes, 10_000) == sorted(sizes)


def test_a_run_with_git_sources(tmp_path, capsys):
    files = {
        "pkg/a.py": module("alpha"),
        "pkg/b.py": module("beta"),
        "pkg/copy.py": module("alpha"),
        "readme.md": "text",
    }
    good = git_repository(tmp_path / "remote" / "own" / "good", files)
    held = git_repository(tmp_path / "remote" / "own" / "held", {"h.py": module("held")})
    copyleft = git_repository(
        tmp_path / "remote" / "own" / "left", {"l.py": module("left"), "LICENSE": "GNU GENERAL PUBLIC LICENSE\n"}
    )
    leak = git_repository(tmp_path / "remote" / "own" / "leak", {"leak.py": module("bench"), "own.py": module("own")})
    bench = tmp_path / "bench"
    bench.mkdir()
    with lzma.open(bench / "repos_python.jsonl.xz", "wt") as out:
        out.write(
            json.dumps({"repository": "own-named-1234567", "language": "python", "files": {"x.py": module("bench")}})
            + "\n"
        )

    def source(name, version, **more):
        return {"name": name, "kind": "git", "version": version, "licence": "MIT", "languages": ["python"], **more}

    sources = [
        source("own/good", good), source("own/held", held, heldOut=True), source("own/left", copyleft), source("own/leak", leak),
        source("own/named", good), source("own/missing", good), source("own/bad", good, licence="GPL-3.0-only"),
    ]  # fmt: skip
    assert corpus.run(arguments(tmp_path, sources)) == 0
    train = rows(tmp_path / "work" / "corpus" / "train.jsonl")
    assert [(row["repository"], sorted(row["files"])) for row in train] == [
        ("own/good", ["pkg/a.py", "pkg/b.py"]),
        ("own/leak", ["own.py"]),
    ]
    assert [row["repository"] for row in rows(tmp_path / "work" / "corpus" / "heldout.jsonl")] == ["own/held"]
    counts = json.loads((tmp_path / "work" / "corpus" / "counts.json").read_text())
    assert set(counts["leftOut"]) == {"own/left", "own/named", "own/missing", "own/bad"}
    assert counts["dropped"]["exact duplicate"] == 1
    assert counts["dropped"]["shares a window with the benchmark"] == 1
    assert capsys.readouterr().out.count("left out: ") == 4


def test_a_cached_repository_is_read_in_place(tmp_path):
    commit = git_repository(tmp_path / "cache" / "own+good" / "repo", {"a.py": module("alpha")})
    source = {"name": "own/good", "kind": "git", "version": commit, "licence": "MIT", "languages": ["python"]}
    given = arguments(tmp_path, [source], git_cache=tmp_path / "cache")
    assert [
        path for path, _ in source_reader.read_source(source, tmp_path / "downloads", given, 100_000, Counter())
    ] == ["a.py"]
    with pytest.raises(RuntimeError, match="is not in"):
        source_reader.read_source({**source, "version": "0" * 40}, tmp_path / "downloads", given, 100_000, Counter())


def test_only_the_files_taken_of_a_large_repository_are_read(tmp_path):
    files = {f"part{f}/file{n}.py": module(f"m{f}_{n}") for f in range(6) for n in range(3)} | {"gen/a.py": module("g")}
    commit = git_repository(tmp_path / "cache" / "own+good" / "repo", files)
    source = {"name": "own/good", "kind": "git", "version": commit, "licence": "MIT", "languages": ["python"]}
    given = arguments(tmp_path, [source], git_cache=tmp_path / "cache")
    dropped: Counter[str] = Counter()
    limit = 3 * len(module("m0_0"))
    read = source_reader.read_source(source, tmp_path / "downloads", given, limit, dropped)
    assert 4 <= len(read) <= 6
    assert dropped == Counter({"over the source's size": 18 - len(read), "skipped folder": 1})


def test_two_processes_make_the_corpus_of_one(tmp_path):
    names = ["one", "two", "three"]
    commits = [
        git_repository(tmp_path / "remote" / "own" / name, {"a.py": module(name), "same.py": module("same")})
        for name in names
    ]
    sources = [{"name": f"own/{name}", "kind": "git", "version": commit, "licence": "MIT", "languages": ["python"], "heldOut": name == "three"}
               for name, commit in zip(names, commits, strict=True)]  # fmt: skip
    written = []
    for processes in (1, 2):
        given = arguments(
            tmp_path,
            sources,
            processes=processes,
            work=tmp_path / f"work{processes}",
            table=tmp_path / f"table{processes}.md",
        )
        assert corpus.run(given) == 0
        written.append(
            [(tmp_path / f"work{processes}" / "corpus" / f"{part}.jsonl").read_text() for part in ("train", "heldout")]
        )
    assert written[0] == written[1]
    # The held-out source keeps the file that all have.
    assert "same.py" in written[0][1] and "same.py" not in written[0][0]
    table = (tmp_path / "table2.md").read_text()
    assert table == (tmp_path / "table1.md").read_text()
    assert f"| own/three | git | {commits[2][:12]} | MIT | 2 |" in table and "held out" in table


def test_without_any_source_the_run_fails_and_says_so(tmp_path, capsys):
    source = {"name": "own/none", "kind": "git", "version": "0" * 40, "licence": "MIT", "languages": ["python"]}
    assert corpus.run(arguments(tmp_path, [source])) == 1
    output = capsys.readouterr()
    assert "left out: own/none" in output.out and "expected at least one source" in output.err


def test_the_benchmark_folder_may_be_absent(tmp_path):
    assert source_reader.bench_folder(tmp_path) is None


def test_clean_source_counts_what_it_drops():
    dropped: Counter[str] = Counter()
    files = [("a.py", module("a").encode()), ("vendor/b.py", b"x"), ("c.py", b"\xff\xff"), ("d.md", b"text")]
    kept = corpus.clean_source(files, "r", 100_000, clean.Windows([]), dropped)
    assert [file.path for file in kept] == ["a.py"]
    assert +dropped == Counter({"skipped folder": 1, "not UTF-8 text": 1})
