"""The executor that shares cases over the devices of this machine, a process on each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from itertools import islice
from multiprocessing import get_context

from retouch.runs.edits import Executor, Made, Work, edits, failures
from retouch.runs.model_spec import ModelSpec, editor_of
from retouch.runs.side_by_side import side_by_side


def on_devices(model: ModelSpec, devices: Sequence[str], batch: int = 1) -> Executor:
    """Edits on several devices, ``batch`` cases at a time on each.

    A process that dies takes the cases in its hands with it: they are failures, and the others go on.

    Args:
        devices: as torch names them; a name may come twice, for two processes.
    """

    def execute(works: Iterable[Work]) -> Iterator[Made]:
        left, pools = iter(works), [_pool() for _ in devices]
        waiting: dict[Future[list[Made]], tuple[int, list[Work]]] = {}
        idle, upcoming = list(range(len(devices))), list(islice(left, batch))
        try:
            while upcoming or waiting:
                while idle and upcoming:
                    number = idle.pop(0)
                    asked = pools[number].submit(_cases, replace(model, device=devices[number]), upcoming)
                    waiting[asked] = number, upcoming
                    upcoming = list(islice(left, batch))  # read while they work
                for one in wait(waiting, return_when=FIRST_COMPLETED).done:
                    number, some = waiting.pop(one)
                    try:
                        yield from one.result()
                    except BrokenProcessPool:
                        pools[number] = _pool()
                        for work in some:
                            yield from _lost(work, devices[number])
                    idle.append(number)
        finally:
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)

    return execute


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _cases(model: ModelSpec, works: list[Work]) -> list[Made]:
    editor = editor_of(model)
    if len(works) > 1:
        return list(side_by_side(editor, len(works))(works))
    return list(edits(editor, works[0]))


def _lost(work: Work, device: str) -> Iterator[Made]:
    for one in (work, *work.then):
        yield from failures(one, f"the process on {device} died: see whether memory ran out, then --retry-failed")
