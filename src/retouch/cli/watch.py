"""``retouch bench --watch``: a table of the methods on stderr that follows a run while it goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from retouch.errors import printable

if TYPE_CHECKING:
    from retouch.runs.tally import Tally

_EVERY = 60.0
"""Seconds between two tables where stderr is no terminal, on which one would stay in its place."""


@contextmanager
def watching(tally: Tally) -> Iterator[Callable[[], None]]:
    """Who is called draws the table anew: in its place on a terminal, elsewhere below the last, now and then."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if not sys.stderr.isatty():
        last = [time.monotonic()]

        def tell() -> None:
            if time.monotonic() - last[0] >= _EVERY:
                last[0] = time.monotonic()
                console.print(_table(tally))

        yield tell
        console.print(_table(tally))
        return
    with Live(_table(tally), console=console, refresh_per_second=4) as live:
        yield lambda: live.update(_table(tally))


def _table(tally: Tally) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for number, heading in enumerate(tally.headings):
        table.add_column(Text(printable(heading)), justify="right" if number else "left", overflow="fold")
    for row in tally.rows():
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table
