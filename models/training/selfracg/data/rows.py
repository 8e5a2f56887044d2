"""Packed rows on disk, and the order in which training takes them: loaded one step ahead, resumable within a pass.

Reads  shards/{train,heldout}.npy (uint16 [rows, context]), shards/*-language.npy, shards/languages.json.
"""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass
class Shards:
    """Packed rows with their languages: ``rows`` uint16 [count, context], ``languages`` [count] indexes ``names``."""

    rows: np.ndarray
    languages: np.ndarray
    names: list[str]

    @staticmethod
    def load(folder: Path, split: str) -> Shards:
        """Maps a split's rows. Raises ``FileNotFoundError`` where there are none, ``ValueError`` where they do not fit."""
        path = folder / f"{split}.npy"
        if not path.is_file():
            raise FileNotFoundError(f"expected packed tokens at {folder / split}.npy, found none: run `pack` first")
        names = json.loads((folder / "languages.json").read_text(encoding="utf-8"))
        rows = np.load(path, mmap_mode="r")
        languages = np.load(folder / f"{split}-language.npy")
        if len(rows) != len(languages):
            raise ValueError(
                f"expected a language for each of the {len(rows)} rows of {path}, found {len(languages)}: pack again"
            )
        return Shards(rows, languages, list(names))

    def spread(self, count: int) -> np.ndarray:
        """``count`` row numbers, the languages taken in turn, always the same ones."""
        by_language = [np.flatnonzero(self.languages == index) for index in range(len(self.names))]
        order = np.random.default_rng(0)
        queues = [list(order.permutation(rows)) for rows in by_language if len(rows)]
        chosen: list[int] = []
        while queues and len(chosen) < count:
            for queue in queues:
                if queue and len(chosen) < count:
                    chosen.append(int(queue.pop()))
            queues = [queue for queue in queues if queue]
        return np.array(sorted(chosen), dtype=np.int64)

    def load_ids(self, rows: np.ndarray, device: torch.device) -> Tensor:
        """Ids int64 [rows, context] on ``device``; to a GPU the copy overlaps the computation."""
        ids = torch.from_numpy(self.rows[rows].astype(np.int64))
        return ids.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else ids


@dataclass
class Batch:
    """One step's share of a process: row numbers, their languages, and ids [rows, context] on the device."""

    rows: np.ndarray
    languages: Tensor
    ids: Tensor


@dataclass
class Cursor:
    """A place in the passes over the rows: ``position`` in ``order``, the ``epoch``-th pass's."""

    epoch: int
    position: int
    order: np.ndarray


class Feed:
    """Rows of a seed's passes, each in its own order; a thread loads the next step's while this one is computed.

    ``rank`` of ``world`` gets every ``world``-th row of a step.
    """

    def __init__(self, shards: Shards, seed: int, device: torch.device, rank: int = 0, world: int = 1) -> None:
        self.shards, self.seed, self.device, self.rank, self.world = shards, seed, device, rank, world
        # What has been handed out, and what has been taken for the thread.
        self.done = Cursor(0, 0, self.permutation(0))
        self.ahead = Cursor(0, 0, self.done.order)
        self.thread = ThreadPoolExecutor(1)
        self.pending: tuple[int, Cursor, Future[Batch]] | None = None

    def permutation(self, epoch: int) -> np.ndarray:
        """The order of a pass over the rows."""
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.shards.rows))

    def take(self, count: int) -> np.ndarray:
        """The next ``count`` row numbers; a new pass has a new order."""
        cursor = self.ahead
        taken: list[np.ndarray] = []
        while count:
            part = cursor.order[cursor.position : cursor.position + count]
            taken.append(part)
            cursor.position += len(part)
            count -= len(part)
            if cursor.position >= len(cursor.order):
                cursor.epoch, cursor.position = cursor.epoch + 1, 0
                cursor.order = self.permutation(cursor.epoch)
        return np.concatenate(taken)

    def next(self, count: int) -> Batch:
        """This process's share of the next ``count`` rows."""
        if self.pending is None or self.pending[0] != count:
            self.rewind()
            self.fetch(count)
        assert self.pending is not None
        _, self.done, batch = self.pending
        self.fetch(count)
        return batch.result()

    def fetch(self, count: int) -> None:
        own = self.take(count)[self.rank :: self.world]
        after = Cursor(self.ahead.epoch, self.ahead.position, self.ahead.order)
        self.pending = count, after, self.thread.submit(self.load, own)

    def load(self, rows: np.ndarray) -> Batch:
        languages = torch.from_numpy(self.shards.languages[rows].astype(np.int64)).to(self.device)
        return Batch(rows, languages, self.shards.load_ids(rows, self.device))

    def rewind(self) -> None:
        """Forgets what was taken and not handed out."""
        self.pending = None
        self.ahead = Cursor(self.done.epoch, self.done.position, self.done.order)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of the feed."""
        return {"epoch": self.done.epoch, "position": self.done.position, "rows": len(self.shards.rows)}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where ``state`` was taken; with other shards than those of the checkpoint at the beginning of the pass."""
        position = state["position"] if state["rows"] == len(self.shards.rows) else 0
        self.done = Cursor(state["epoch"], position, self.permutation(state["epoch"]))
        self.rewind()
