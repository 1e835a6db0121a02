"""The process that holds the model, from outside: it is started, asked, told to end a task, and replaced if it dies."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from retouch.app.about import About
from retouch.app.tasks import Answer, Detail, Ended, Load, Loaded, Loading, News, Preview, Progress, Refused, Task
from retouch.errors import BadModel, RetouchError

GRACE = 20.0
"""Seconds that a task may take to end at its next step; then its process is ended."""
_LOOK = 0.02  # seconds between looks at whether a task is to end


class Crashed(RetouchError):
    """A task took its process with it."""


class TookTooLong(RetouchError):
    """A task was ended because its time was up."""


class Cancelled(Exception):
    """A task was ended because its visitor wanted so."""


class Workshop:
    """One process with one model, which does one task at a time.

    Args:
        loading: what it loads.
        limit: seconds that one task may take.
        entry: what runs in the process, in place of :func:`retouch.app.worker.main`.
    """

    def __init__(
        self, loading: Loading, limit: float = 600.0, grace: float = GRACE, entry: Callable[..., None] | None = None
    ) -> None:
        self.limit, self.grace = limit, grace
        self._loading, self._entry = loading, entry
        self._context = multiprocessing.get_context("spawn")  # a fork would share torch's threads and locks
        self._process: Any = None
        self._connection: Connection | None = None
        self._ended: Any = None
        self._asked = self._loaded = False

    def start(self) -> None:
        """Starts the process, which loads the model meanwhile."""
        self._connection, theirs = self._context.Pipe()
        self._ended = self._context.Event()
        self._process = self._context.Process(
            target=self._entry or _main, args=(theirs, self._ended, self._loading), name="studio model", daemon=True
        )
        self._process.start()
        theirs.close()  # so that its end is seen here
        self._asked = self._loaded = False

    def ready(self) -> About:
        """What can be done, as soon as that is known; an embedded model is not loaded before :meth:`load` says so.

        Raises:
            BadModel: when it cannot be.
        """
        if self._connection is None:
            self.start()
        said = self._said()
        assert isinstance(said, About)
        return said

    def load(self) -> None:
        """Has the model loaded, while whoever calls goes on."""
        if self._connection is not None and not self._asked:
            self._asked = True
            with suppress(BrokenPipeError, ConnectionResetError):  # it died: the next task says so
                self._connection.send(Load())

    def _said(self) -> About | Loaded:
        """What the process says of the model.

        Raises:
            BadModel: when it cannot be loaded.
        """
        assert self._connection is not None
        try:
            said: About | Loaded | Refused = self._connection.recv()
        except (EOFError, OSError):
            self.close()
            raise BadModel(f"the process that loads {self._loading.model!r} died: is there enough memory?") from None
        if isinstance(said, Refused):
            self.close()
            raise BadModel(said.sentence)
        return said

    def do(self, task: Task, tell: Callable[[News], None], cancelled: Callable[[], bool]) -> Answer:
        """Does a task; ``tell`` hears how far it is.

        Raises:
            Cancelled: when ``cancelled()`` became true meanwhile.
            TookTooLong: when it took longer than the limit.
            Crashed: when the process died; the next task gets a new one.
            RetouchError: when the task cannot be done.
        """
        if self._connection is None:
            self.ready()
        if not self._loaded:
            self.load()
            self._loaded = isinstance(self._said(), Loaded)
        connection, began = self._connection, time.monotonic()
        assert connection is not None
        self._ended.clear()
        told: float | None = None
        late = False
        try:
            connection.send(task)
            while True:
                if connection.poll(_LOOK):
                    said = connection.recv()
                    if not isinstance(said, Progress | Detail | Preview):
                        return self._answer(said, late)
                    if told is None:
                        tell(said)
                now = time.monotonic()
                if told is None and (cancelled() or now - began > self.limit):
                    late, told = not cancelled(), now
                    self._ended.set()
                if told is not None and now - told > self.grace:
                    self.close()
                    self._answer(Ended(), late)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.close()
            raise Crashed(
                "the process that edits died under this edit, perhaps for want of memory; it was started anew: make "
                "the picture smaller, or ask for less."
            ) from None

    def _answer(self, said: Any, late: bool) -> Answer:
        """What came out."""
        if isinstance(said, Ended):
            if late:
                raise TookTooLong(
                    f"this took longer than {self.limit:g} s, which is the most that one edit may take here: take "
                    "fewer steps, a faster method or a smaller picture."
                )
            raise Cancelled
        if isinstance(said, Refused):
            raise RetouchError(said.sentence)
        answer: Answer = said
        return answer

    def close(self) -> None:
        """Ends the process."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.join(5)


def _main(connection: Connection, ended: Any, loading: Loading) -> None:
    """Imported late: the process that asks needs no model."""
    from retouch.app.worker import main

    main(connection, ended, loading)
