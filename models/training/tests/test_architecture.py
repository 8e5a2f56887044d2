"""Which package may import which: data <- model <- train <- export <- eval <- scripts, and nothing imports experiments."""

import ast
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Modules of the library itself, such as selfracg.tables, come before its packages.
ORDER = ("library", "data", "model", "train", "export", "eval", "experiments", "scripts")
SCRIPTS = [f"scripts.{path.stem}" for path in sorted((ROOT / "scripts").glob("[a-z]*.py")) if path.stem != "parts"]
COMMANDS = [*SCRIPTS, *(f"experiments.{name}" for name in ("ablate", "measure", "vanilla"))]


def package_of(module: str) -> str | None:
    """The package of ORDER that a module of this project belongs to; None for a foreign one."""
    first, *rest = module.split(".")
    if first != "selfracg":
        return first if first in ORDER else None
    return rest[0] if rest and rest[0] in ORDER else "library"


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: expected absolute imports, found a relative one"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> Iterator[tuple[str, Path]]:
    for folder in ("selfracg", "experiments", "scripts"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


def wrong_arrows(name: str, imports: Iterator[str]) -> list[str]:
    own = package_of(name)
    found = [(each, package_of(each)) for each in imports]
    return [
        f"{name} imports {each}"
        for each, package in found
        if package is not None and package != own and ORDER.index(package) > ORDER.index(own)
    ]


def test_imports_point_one_way():
    assert [arrow for name, path in modules() for arrow in wrong_arrows(name, imported(path))] == []


def circle(graph: dict[str, set[str]]) -> list[str]:
    """One circle of a graph, as the modules on it; empty where there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for following in sorted(graph.get(node, ())):
            if found := walk(following, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := walk(node, []))), [])


def test_modules_import_one_another_without_a_circle():
    paths = dict(modules())
    graph = {}
    for name, path in paths.items():
        targets = [each if each in paths else each.rpartition(".")[0] for each in imported(path)]
        graph[name] = {each for each in targets if each in paths and each != name}
    assert circle(graph) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_an_arrow_that_is_turned_round_is_found():
    assert wrong_arrows("selfracg.data.pack", iter(["selfracg.train.ing", "numpy", "selfracg.tables"])) == [
        "selfracg.data.pack imports selfracg.train.ing"
    ]
    assert wrong_arrows("selfracg.eval.loss", iter(["experiments.vanilla"])) != []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_its_options(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(name, run_name="__main__")
    assert ended.value.code == 0 and "--work" in capsys.readouterr().out
