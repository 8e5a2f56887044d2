"""Which cross-file tasks are measured: those of the benchmark where there is one, else of the held-out repositories."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from selfracg.data import crossfile, heldout, source_reader
from selfracg.data.crossfile import Task


@dataclass
class TaskSet:
    """Cases by language, read once. `limit` tasks a language, in the file's order; None for all."""

    work: Path
    folder: Path | None
    limit: int | None
    _loaded: dict[str, list[Task]] | None = field(default=None, repr=False)

    @property
    def bench(self) -> Path | None:
        """The benchmark's folder; None where held-out repositories serve."""
        return source_reader.bench_folder(self.folder)

    @property
    def origin(self) -> str:
        """ "bench" or "heldout", for keys."""
        return "heldout" if self.bench is None else "bench"

    @property
    def source(self) -> str:
        """Says in a table's notes where the tasks come from."""
        if self.bench is None:
            return "Held-out repositories of the corpus; the cursor stands at the first use of a name defined in another file."
        return f"Cross-file benchmark (never trained on), {'all' if self.limit is None else f'first {self.limit}'} tasks of each language."

    def all(self) -> dict[str, list[Task]]:
        """Every task, those whose ground truth needs nothing from other files among them (`Task.needs` is false).

        Raises ``FileNotFoundError`` where there is neither a benchmark nor a held-out corpus.
        """
        if self._loaded is None:
            if self.bench is None:
                path = self.work / "corpus" / "heldout.jsonl"
                if not path.is_file():
                    raise FileNotFoundError(
                        f"expected a benchmark (--bench) or held-out repositories in {path}, found neither: run `corpus`"
                    )
                found = heldout.tasks(path, self.limit or 10_000)
            else:
                found = {
                    language: crossfile.all_tasks(self.bench, language, self.limit)
                    for language in crossfile.languages(self.bench)
                }
            self._loaded = {language: tasks for language, tasks in found.items() if tasks}
        return self._loaded

    def load(self) -> dict[str, list[Task]]:
        """The tasks that need a definition from another file, by language."""
        found = {language: [task for task in tasks if task.needs] for language, tasks in self.all().items()}
        return {language: tasks for language, tasks in found.items() if tasks}

    def first(self, count: int | None) -> TaskSet:
        """The same with at most `count` tasks a language, out of those already read."""
        if count is None or (self.limit is not None and count >= self.limit):
            return self
        return TaskSet(
            self.work, self.folder, count, {language: tasks[:count] for language, tasks in self.all().items()}
        )
