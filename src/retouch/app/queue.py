"""Jobs of many visitors done one after another: fairly, with a place and an expected wait for each."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, Literal, TypeVar

from retouch.errors import RetouchError

T = TypeVar("T")
State = Literal["waiting", "running", "done", "failed", "cancelled"]

MOST = 64
"""Jobs that one visitor may have waiting."""
_NUMBERS = count(1)
_GUESS = 3.0  # seconds, until something was measured


class Full(RetouchError):
    """A visitor has too many jobs waiting."""


@dataclass(eq=False)
class Job(Generic[T]):
    """Something to be done for a visitor.

    Attributes:
        visitor: whose it is; who they are nobody else is told.
        kind: jobs of one kind take about the same time.
        label: what it is called on its visitor's page.
        parent: the picture that it is done with, by its number in the history.
        group: jobs that were asked for together have one number.
        preview, previews: the last one, and how many there were.
        result: what came out, once it is "done"; ``error``: why nothing did, once it is "failed".
        settled: whether it is over, and whoever listens has been told.
    """

    visitor: str
    task: T
    kind: str = ""
    label: str = ""
    parent: int | None = None
    group: int = 0
    number: int = field(default_factory=lambda: next(_NUMBERS))
    state: State = "waiting"
    done: int = 0
    total: int = 0
    detail: str = ""
    preview: bytes | None = None
    previews: int = 0
    result: Any = None
    error: str = ""
    added: float = field(default_factory=time.monotonic)
    began: float = 0.0
    cancelled: threading.Event = field(default_factory=threading.Event)
    settled: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state not in ("waiting", "running")


class Queue(Generic[T]):
    """Does jobs one at a time, in turns: a visitor whose job is done goes to the end of the line with the others.

    Args:
        run: does a job and returns its result; returns soon once ``job.cancelled`` is set. Whatever it raises is that
            job's alone.
        ended: called with every job that is over.
    """

    def __init__(
        self, run: Callable[[Job[T]], Any], ended: Callable[[Job[T]], None] = lambda job: None, most: int = MOST
    ) -> None:
        self._run, self._ended, self._most = run, ended, most
        self._waiting: dict[str, deque[Job[T]]] = {}  # by visitor; the first in line comes first
        self._running: Job[T] | None = None
        self._seconds: dict[str, float] = {}  # that jobs of a kind take, a moving average
        self._change = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="studio queue", daemon=True)
        self._thread.start()

    def add(self, *jobs: Job[T]) -> None:
        """Puts jobs of one visitor behind those that this visitor has already.

        Raises:
            Full: when too many would wait; then none is added.
        """
        with self._change:
            visitor = jobs[0].visitor
            waiting = self._waiting.get(visitor, deque())
            if len(waiting) + len(jobs) > self._most:
                raise Full(
                    f"{len(waiting)} of your edits are waiting, and {len(jobs)} more would be over {self._most}: wait "
                    "for some, or cancel them."
                )
            waiting.extend(jobs)
            self._waiting.setdefault(visitor, waiting)
            self._change.notify_all()

    def cancel(self, job: Job[T]) -> None:
        """Ends a job: one that waits at once, one that runs at its next step."""
        with self._change:
            job.cancelled.set()
            mine = self._waiting.get(job.visitor)
            if job.state != "waiting" or mine is None or job not in mine:
                return
            mine.remove(job)
            if not mine:
                del self._waiting[job.visitor]
            job.state = "cancelled"
        self._settle(job)

    def place(self, job: Job[T]) -> int | None:
        """How many jobs are done before this one; None for one that is not waiting."""
        with self._change:
            if job.state != "waiting":
                return None
            ahead = list(self._order()).index(job)
            return ahead + (self._running is not None)

    def wait(self, job: Job[T]) -> float:
        """Seconds until a job that waits begins, as far as can be told."""
        with self._change:
            if job.state != "waiting":
                return 0.0
            seconds = 0.0 if self._running is None else self._left(self._running)
            for other in self._order():
                if other is job:
                    break
                seconds += self._expected(other)
            return seconds

    def left(self, job: Job[T]) -> float:
        """Seconds until a job that runs is done, as far as can be told."""
        with self._change:
            return self._left(job) if job.state == "running" else 0.0

    def close(self) -> None:
        """Takes no more turns; the job that runs is cancelled."""
        with self._change:
            self._closed = True
            if self._running is not None:
                self._running.cancelled.set()
            self._change.notify_all()
        self._thread.join(5)

    def _order(self) -> Iterator[Job[T]]:
        """The jobs that wait in the order that they will be done, if nobody comes."""
        rounds = [list(jobs) for jobs in self._waiting.values()]
        for turn in range(max(map(len, rounds), default=0)):
            yield from (jobs[turn] for jobs in rounds if turn < len(jobs))

    def _expected(self, job: Job[T]) -> float:
        if job.kind in self._seconds:
            return self._seconds[job.kind]
        return sum(self._seconds.values()) / len(self._seconds) if self._seconds else _GUESS

    def _left(self, job: Job[T]) -> float:
        spent = time.monotonic() - job.began
        expected = self._expected(job)
        if job.total and job.done:
            share = min(1.0, job.done / job.total)
            expected = (1 - share) * expected + share * spent / share
        return max(0.0, expected - spent)

    def _next(self) -> Job[T] | None:
        with self._change:
            while not self._waiting and not self._closed:
                self._change.wait()
            if self._closed:
                return None
            visitor = next(iter(self._waiting))
            jobs = self._waiting.pop(visitor)  # and to the end of the line with what is left
            job = jobs.popleft()
            if jobs:
                self._waiting[visitor] = jobs
            job.state, job.began, self._running = "running", time.monotonic(), job
            return job

    def _work(self) -> None:
        while (job := self._next()) is not None:
            state: State = "failed"
            try:
                if not job.cancelled.is_set():
                    job.result = self._run(job)
                    state = "done"
            except RetouchError as error:
                job.error = str(error)
            except MemoryError:
                job.error = "there was too little memory for this: make the picture smaller, or ask for less at once."
            except BaseException as error:
                job.error = f"this failed inside ({type(error).__name__}): whoever runs the studio can see why."
                if not job.cancelled.is_set():
                    _report(error)
            with self._change:
                if state == "done":
                    took, known = time.monotonic() - job.began, self._seconds.get(job.kind)
                    self._seconds[job.kind] = took if known is None else 0.7 * known + 0.3 * took
                job.state = "cancelled" if state == "failed" and job.cancelled.is_set() else state
                self._running = None
            self._settle(job)

    def _settle(self, job: Job[T]) -> None:
        try:
            self._ended(job)
        except Exception as error:  # whoever listens must not stop the line
            _report(error)
        job.settled = True


def _report(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)
