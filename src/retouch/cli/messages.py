"""What commands say while they work: notes on stderr and a progress bar, so that stdout stays for results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def note(sentence: str) -> None:
    """A sentence for the user, on stderr."""
    sys.stderr.write(f"{sentence}\n")


@contextmanager
def progress_bar(title: str, *, quiet: bool = False) -> Iterator[Callable[..., None]]:
    """A bar on stderr that takes (done, total) or (done, total, title).

    There is none where stderr is not a terminal or ``quiet`` is set.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total, title=title: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total, title=title: bar.update(task, completed=done, total=total, description=title)
