"""What commands say while they work: notes on stderr and a progress bar, so that stdout stays for results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial


def note(sentence: str) -> None:
    """A sentence for the user, on stderr."""
    sys.stderr.write(f"{sentence}\n")


class Bar:
    """A progress bar to be called with (done, total) or (done, total, title); this one shows nothing."""

    def __call__(self, done: int, total: int, title: str | None = None) -> None:
        """Moves the bar."""

    def detail(self, words: str) -> None:
        """What is going on right now, shown beside the title."""


class _Shown(Bar):
    def __init__(self, update: Callable[..., None], title: str) -> None:
        self.update, self.title = update, title

    def __call__(self, done: int, total: int, title: str | None = None) -> None:
        self.update(completed=done, total=total, **({"description": title} if title else {}))

    def detail(self, words: str) -> None:
        self.update(description=f"{self.title}: {words}")


@contextmanager
def progress_bar(title: str, *, quiet: bool = False) -> Iterator[Bar]:
    """A bar on stderr with the time left; it shows nothing where stderr is not a terminal or ``quiet`` is set."""
    if quiet or not sys.stderr.isatty():
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield _Shown(partial(bar.update, task), title)
