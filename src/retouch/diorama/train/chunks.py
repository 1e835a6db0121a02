"""Long lists of work, cut into pieces that several processes do and that survive an interruption."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from retouch.diorama.train.loop import Report


def arrays(part: Path, **shapes: tuple[tuple[int, ...], type]) -> None:
    """Creates ``part/NAME.npy`` of each shape and type, unless it is there from an earlier, interrupted run."""
    part.mkdir(exist_ok=True)
    for name, (shape, kind) in shapes.items():
        path = part / f"{name}.npy"
        if not path.exists():
            np.lib.format.open_memmap(path.with_suffix(".new"), mode="w+", dtype=kind, shape=shape).flush()
            os.replace(path.with_suffix(".new"), path)


def in_chunks(
    work: Callable[[Path, int, int], None], part: Path, size: int, report: Report, processes: int | None = None
) -> None:
    """Calls ``work(part, start, stop)`` for every piece of ``range(size)`` that no earlier run has finished.

    Args:
        processes: 1 stays in this process; None takes as many as there are cores, or 1 where starting them would cost
            more than the work.
    """
    if processes is None:
        processes = (os.cpu_count() or 1) if size > 200 else 1
    step = max(1, min(1000, size // 8))
    todo = [start for start in range(0, size, step) if not (part / f"{start}.done").exists()]
    jobs = ([work] * len(todo), [part] * len(todo), todo, [min(start + step, size) for start in todo])
    with ExitStack() as stack:
        each: Callable[..., Iterable[None]] = map
        if processes != 1:
            pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
            each = stack.enter_context(pool).map
        for count, _ in enumerate(each(_do, *jobs), 1):
            if count % 8 == 0:
                report(f"{part.stem}: {count} of {len(todo)} pieces")
    for marker in part.glob("*.done"):
        marker.unlink()


def _do(work: Callable[[Path, int, int], None], part: Path, start: int, stop: int) -> None:
    work(part, start, stop)
    (part / f"{start}.done").touch()
