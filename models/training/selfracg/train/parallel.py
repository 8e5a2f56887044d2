"""Data-parallel processes on one machine: starting them, one clock for all, sums over them.

On the CPU single-threaded processes that meet once a step outrun threads that meet at every small operation, above all
when something else uses a core.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable

import torch
import torch.distributed as distributed
from torch import Tensor

Work = Callable[[argparse.Namespace, int, int], int]


def choose_device(name: str) -> torch.device:
    """``auto`` is CUDA where it works, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_count(wanted: int, device: torch.device, maximum: int) -> int:
    """``wanted``, or for 0 one a core on the CPU and one on a GPU; never more than ``maximum``."""
    return max(1, min(wanted or (1 if device.type == "cuda" else available_cores()), maximum))


def launch(work: Work, args: argparse.Namespace, world: int) -> int:
    """Runs ``work(args, rank, world)`` in ``world`` processes, rank 0 in this one, and returns rank 0's status.

    ``work`` is a module's function. Signals reach rank 0 alone; the others follow what it decides.
    """
    tune_allocator()
    if world == 1:
        return work(args, 0, 1)
    with tempfile.TemporaryDirectory() as meeting:
        address = f"file://{meeting}/meeting-point"
        context = multiprocessing.get_context("spawn")
        others = [
            context.Process(target=_follow, args=(work, args, rank, world, address), daemon=True)
            for rank in range(1, world)
        ]
        for process in others:
            process.start()
        _join(0, world, address)
        try:
            status = work(args, 0, world)
            for process in others:
                process.join(timeout=60)
            return status
        finally:
            distributed.destroy_process_group()


def decide(*values: float) -> tuple[float, ...]:
    """The first process's values, in every process."""
    if not distributed.is_initialized():
        return values
    shared = torch.tensor(values, dtype=torch.float64)
    distributed.broadcast(shared, 0)
    return tuple(shared.tolist())


def add_up(tensors: list[Tensor]) -> list[Tensor]:
    """Sums over the processes, of the same shapes, in one exchange."""
    if not distributed.is_initialized():
        return tensors
    flat = torch.cat([tensor.detach().reshape(-1).float().cpu() for tensor in tensors])
    distributed.all_reduce(flat)
    pieces = flat.split([tensor.numel() for tensor in tensors])
    return [piece.view(tensor.shape).to(tensor.device) for piece, tensor in zip(pieces, tensors, strict=True)]


def wait_for_all() -> None:
    """Returns once every process has called it."""
    if distributed.is_initialized():
        distributed.barrier()


def gather(part: Tensor, rank: int, world: int) -> Tensor:
    """Rows [count, ...] of every process, rank after rank; only this process's own rows carry gradients."""
    if world == 1:
        return part
    parts = [torch.empty_like(part, device="cpu") for _ in range(world)]
    distributed.all_gather(parts, part.detach().cpu().contiguous())
    return torch.cat([part if index == rank else other.to(part.device) for index, other in enumerate(parts)])


def tune_allocator() -> None:
    """Keeps glibc from returning big blocks to the kernel between steps: page faults cost a fifth of a CPU step."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, top_pad, mmap_threshold = -1, -2, -3
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(top_pad, 256 << 20)


def _join(rank: int, world: int, address: str) -> None:
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(max(1, available_cores() // world))
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=world)


def _follow(work: Work, args: argparse.Namespace, rank: int, world: int, address: str) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    tune_allocator()
    _join(rank, world, address)
    work(args, rank, world)
    distributed.destroy_process_group()
